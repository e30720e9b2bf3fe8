#include "config/workspace_file.hpp"

#include <algorithm>
#include <array>
#include <string>
#include <system_error>

namespace propeller::config {

namespace fs = std::filesystem;

namespace {

constexpr std::array<std::string_view, 2> kFileNames{".discobot/proxy/config.yaml", ".propeller/proxy.yaml"};

constexpr auto kUntrustedKeys = std::to_array<std::string_view>({
    "cache.compression",
    "cache.content_aware",
    "cache.enabled",
    "cache.http",
    "cache.max_object",
    "cache.max_size",
    "cache.packs",
    "cache.patterns",
    "cache.policy",
    "cache.ttl",
    "cache.tag_window",
    "logging.format",
    "logging.include_body",
    "logging.level",
    "proxy.connect_timeout",
    "proxy.first_byte_timeout",
    "proxy.idle_timeout",
    "proxy.read_timeout",
    "proxy.tunnel_idle_timeout",
    "proxy.write_timeout",
});

constexpr int kSectionDepth = 2;  ///< below the keys of a section everything is one value

bool is_untrusted_key(std::string_view path) { return std::ranges::find(kUntrustedKeys, path) != kUntrustedKeys.end(); }

/// Whether a key of the section may be said.
bool has_untrusted_keys(std::string_view section) {
  return std::ranges::any_of(kUntrustedKeys, [section](std::string_view key) {
    return key.starts_with(section) && key.substr(section.size()).starts_with('.');
  });
}

void ignore(const YamlEntry& entry, std::string_view path, YamlReport& report) {
  report.warning(entry.line, path, "ignored: a workspace may say it only with --trust-workspace");
}

/// Under the section's name each key is told of by itself.
void take_out_of(YamlNode& section, std::string_view name, YamlReport& report) {
  std::erase_if(section.entries, [&](const YamlEntry& entry) {
    const auto path = join_path(name, entry.key);
    if (is_untrusted_key(path)) return false;
    ignore(entry, path, report);
    return true;
  });
}

YamlNode lay_over(YamlNode site, const YamlNode& workspace, int depth) {
  using Kind = YamlNode::Kind;
  if (workspace.kind == Kind::null) return site;
  if (site.kind != Kind::map || workspace.kind != Kind::map || depth == 0) return workspace;
  for (const auto& entry : workspace.entries) {
    const auto there = std::ranges::find(site.entries, entry.key, &YamlEntry::key);
    if (there == site.entries.end()) {
      site.entries.push_back(entry);
    } else {
      there->value = lay_over(std::move(there->value), entry.value, depth - 1);
    }
  }
  return site;
}

}  // namespace

std::optional<fs::path> find_workspace_file(const fs::path& directory) {
  for (const auto name : kFileNames) {
    auto file = (directory / name).lexically_normal();
    std::error_code error;
    if (fs::exists(file, error)) return file;
  }
  return std::nullopt;
}

std::span<const std::string_view> untrusted_keys() { return kUntrustedKeys; }

void take_untrusted_keys_only(YamlNode& root, YamlReport& report) {
  std::erase_if(root.entries, [&](YamlEntry& entry) {
    auto& section = entry.value;
    const bool is_empty =
        section.kind == YamlNode::Kind::null || (section.kind == YamlNode::Kind::map && section.entries.empty());
    if (is_empty) return true;
    if (section.kind == YamlNode::Kind::map && entry.key != "headers") {
      take_out_of(section, entry.key, report);
      return section.entries.empty();
    }
    // A section that is no map is a mistake, and told as one.
    if (has_untrusted_keys(entry.key)) return false;
    ignore(entry, entry.key, report);
    return true;
  });
}

YamlNode lay_over(YamlNode site, const YamlNode& workspace) {
  return lay_over(std::move(site), workspace, kSectionDepth);
}

}  // namespace propeller::config
