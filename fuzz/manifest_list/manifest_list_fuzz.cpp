// Lists of manifests as registries answer them: which one is taken is in the list, is asked for by somebody, and is
// no attestation; what is said of the others is bounded. First line: the media type that HTTP names; second: the
// platform, or the path of a module, that is asked for; then the document.
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "app/pull_work.hpp"
#include "base/assert.hpp"
#include "registry/choice.hpp"
#include "registry/manifest.hpp"

namespace {

using namespace propeller;

std::string_view take_line(std::string_view& text) {
  const auto end = std::min(text.find('\n'), text.size());
  const auto line = text.substr(0, end);
  text.remove_prefix(std::min(end + 1, text.size()));
  return line;
}

void check_children(const registry::Index& index) {
  ASSERT(index.children.size() <= registry::kDescriptorsMax);
  const auto is_printable = [](const std::string& text) {
    return text.size() <= registry::kTitleBytesMax &&
           std::ranges::none_of(text, [](char byte) { return static_cast<unsigned char>(byte) < 0x20; });
  };
  for (const auto& child : index.children) ASSERT(is_printable(child.os) && is_printable(child.architecture));
}

/// As `cache pull` chooses.
void check_platform(const registry::Index& index, std::string_view platform) {
  const auto slash = std::min(platform.find('/'), platform.size());
  const app::PullQuestion question{.reference = {},
                                   .os = std::string(platform.substr(0, slash)),
                                   .architecture = std::string(platform.substr(std::min(slash + 1, platform.size())))};
  const auto is_wanted = [&](const registry::IndexChild& child) {
    return !child.is_attestation && child.os == question.os && child.architecture == question.architecture;
  };
  const auto first = std::ranges::find_if(index.children, is_wanted);
  const auto chosen = app::choose_platform(index, question);
  ASSERT(chosen.has_value() == (first != index.children.end()));
  if (chosen) ASSERT(*chosen == first->digest);
}

/// As a device's request chooses.
void check_module(const registry::Index& index, std::string_view path) {
  const auto chosen = registry::choose_child(index, path);
  if (!chosen) return;
  const auto is_chosen = [&](const registry::IndexChild& child) { return child.digest == *chosen; };
  ASSERT(std::ranges::any_of(index.children, is_chosen));
  const bool is_named = chosen->to_string() == path;
  ASSERT(is_named || std::ranges::any_of(index.children, [&](const registry::IndexChild& child) {
           return is_chosen(child) && !child.is_attestation;
         }));
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  std::string_view text(reinterpret_cast<const char*>(data), size);
  const auto type = take_line(text);
  const auto wanted = take_line(text);
  const auto document = registry::parse_manifest(text, type);
  if (!document) return 0;
  const auto* index = std::get_if<registry::Index>(&*document);
  if (index == nullptr) return 0;
  check_children(*index);
  check_platform(*index, wanted);
  check_module(*index, wanted);
  return 0;
}
