#include "config/yaml.hpp"

#include <fmt/format.h>
#include <yaml-cpp/depthguard.h>
#include <yaml-cpp/eventhandler.h>
#include <yaml-cpp/exceptions.h>
#include <yaml-cpp/mark.h>
#include <yaml-cpp/parser.h>

#include <algorithm>
#include <map>
#include <optional>
#include <sstream>
#include <stdexcept>

namespace propeller::config {

namespace {

/// A limit or rule of ours; leaves yaml-cpp the way its own errors do.
class Refused : public std::runtime_error {
 public:
  Refused(std::size_t line, const std::string& why) : std::runtime_error(fmt::format("line {}: {}", line, why)) {}
};

std::size_t line_of(const YAML::Mark& mark) { return mark.line < 0 ? 1 : static_cast<std::size_t>(mark.line) + 1; }

bool is_null_text(std::string_view text) {
  return text == "~" || text == "null" || text == "Null" || text == "NULL" || text.empty();
}

/// Builds the tree from yaml-cpp's events, so that nothing is built that a limit forbids.
class Builder final : public YAML::EventHandler {
 public:
  void OnDocumentStart(const YAML::Mark& mark) override {
    if (++documents_ > 1) throw Refused(line_of(mark), "a second document begins here; one is allowed");
  }
  void OnDocumentEnd() override {}

  void OnNull(const YAML::Mark& mark, YAML::anchor_t anchor) override {
    finish({.kind = YamlNode::Kind::null, .line = line_of(mark), .entries = {}}, anchor);
  }

  void OnAlias(const YAML::Mark& mark, YAML::anchor_t anchor) override {
    const auto found = anchors_.find(anchor);
    // Inside of what it names: the anchor is not complete yet.
    if (found == anchors_.end()) throw Refused(line_of(mark), "an alias of something that contains it");
    count(line_of(mark), found->second.nodes);
    if (open_.size() + found->second.depth > kYamlDepthMax) throw too_deep(line_of(mark));
    YamlNode copy = found->second.node;
    copy.line = line_of(mark);
    attach(std::move(copy), found->second.nodes, found->second.depth);
  }

  void OnScalar(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor,
                const std::string& value) override {
    const bool is_plain = tag == "?";
    const auto kind = is_plain && is_null_text(value) ? YamlNode::Kind::null : YamlNode::Kind::scalar;
    finish({.kind = kind, .line = line_of(mark), .text = value, .entries = {}}, anchor);
  }

  void OnSequenceStart(const YAML::Mark& mark, const std::string& /*tag*/, YAML::anchor_t anchor,
                       YAML::EmitterStyle::value /*style*/) override {
    begin(YamlNode::Kind::list, mark, anchor);
  }
  void OnSequenceEnd() override { end(); }

  void OnMapStart(const YAML::Mark& mark, const std::string& /*tag*/, YAML::anchor_t anchor,
                  YAML::EmitterStyle::value /*style*/) override {
    begin(YamlNode::Kind::map, mark, anchor);
  }
  void OnMapEnd() override { end(); }

  YamlNode take() { return std::move(root_); }

 private:
  struct Key {
    std::string text;
    std::size_t line;
  };
  struct Open {
    YamlNode node;
    YAML::anchor_t anchor;
    std::optional<Key> key;
    std::size_t nodes = 1;  ///< in the subtree so far
    std::size_t depth = 1;
    std::map<std::string, std::size_t, std::less<>> keys = {};  ///< with their lines
  };
  struct Anchored {
    YamlNode node;
    std::size_t nodes;
    std::size_t depth;
  };

  static Refused too_deep(std::size_t line) {
    return {line, fmt::format("nested more than {} levels deep", kYamlDepthMax)};
  }

  void count(std::size_t line, std::size_t nodes) {
    nodes_ += nodes;
    if (nodes_ > kYamlNodesMax) throw Refused(line, fmt::format("more than {} values", kYamlNodesMax));
  }

  void begin(YamlNode::Kind kind, const YAML::Mark& mark, YAML::anchor_t anchor) {
    count(line_of(mark), 1);
    if (open_.size() >= kYamlDepthMax) throw too_deep(line_of(mark));
    open_.push_back({.node = {.kind = kind, .line = line_of(mark), .entries = {}}, .anchor = anchor, .key = {}});
  }

  void end() {
    Open done = std::move(open_.back());
    open_.pop_back();
    if (done.anchor != 0) anchors_[done.anchor] = {done.node, done.nodes, done.depth};
    attach(std::move(done.node), done.nodes, done.depth);
  }

  void finish(YamlNode node, YAML::anchor_t anchor) {
    count(node.line, 1);
    if (anchor != 0) anchors_[anchor] = {node, 1, 1};
    attach(std::move(node), 1, 1);
  }

  void attach(YamlNode node, std::size_t nodes, std::size_t depth) {
    if (open_.empty()) {
      root_ = std::move(node);
      return;
    }
    auto& parent = open_.back();
    parent.nodes += nodes;
    parent.depth = std::max(parent.depth, depth + 1);
    if (parent.node.kind == YamlNode::Kind::list) {
      parent.node.items.push_back(std::move(node));
    } else if (!parent.key) {
      take_key(parent, node);
    } else {
      parent.node.entries.push_back({std::move(parent.key->text), parent.key->line, std::move(node)});
      parent.key.reset();
    }
  }

  static void take_key(Open& map, YamlNode& node) {
    if (node.kind == YamlNode::Kind::list || node.kind == YamlNode::Kind::map)
      throw Refused(node.line, "a list or map cannot be a key");
    const auto [there, is_new] = map.keys.emplace(node.text, node.line);
    if (!is_new) throw Refused(node.line, fmt::format("this key is there twice, first on line {}", there->second));
    map.key = Key{std::move(node.text), node.line};
  }

  std::size_t documents_ = 0;
  std::size_t nodes_ = 0;
  std::vector<Open> open_;
  std::map<YAML::anchor_t, Anchored> anchors_;
  YamlNode root_;
};

std::unexpected<Error> refused(std::string detail) { return fail(Code::bad_config, Origin::client, std::move(detail)); }

}  // namespace

const YamlNode* YamlNode::find(std::string_view key) const {
  const auto found = std::ranges::find(entries, key, &YamlEntry::key);
  return found == entries.end() ? nullptr : &found->value;
}

Result<YamlNode> parse_yaml(std::string_view text) {
  if (text.size() > kYamlBytesMax) return refused(fmt::format("line 1: more than {} bytes", kYamlBytesMax));
  if (const auto zero = text.find('\0'); zero != std::string_view::npos) {
    const auto line = std::count(text.begin(), text.begin() + static_cast<std::ptrdiff_t>(zero), '\n') + 1;
    return refused(fmt::format("line {}: this is no text (a zero byte)", line));
  }
  std::istringstream stream{std::string(text)};
  Builder builder;
  try {
    YAML::Parser parser(stream);
    while (parser.HandleNextDocument(builder)) {
    }
  } catch (const Refused& rule) {
    return refused(rule.what());
  } catch (const YAML::Exception& wrong) {
    return refused(fmt::format("line {}: {}", line_of(wrong.mark), wrong.msg));
  } catch (const std::exception& wrong) {
    return refused(fmt::format("line 1: {}", wrong.what()));
  }
  return builder.take();
}

}  // namespace propeller::config
