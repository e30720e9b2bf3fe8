#include "registry/kept_tag.hpp"

namespace propeller::registry {

namespace {

constexpr std::string_view kTag = "tag ";

}  // namespace

std::string tag_note(std::string_view digest) { return std::string(kTag).append(digest); }

std::optional<std::string_view> parse_tag_note(std::string_view text) {
  if (!text.starts_with(kTag)) return std::nullopt;
  return text.substr(kTag.size());
}

}  // namespace propeller::registry
