#include "mqtt/topics.hpp"

#include <fmt/format.h>

#include <optional>

#include "base/assert.hpp"

namespace propeller::mqtt {

namespace {

constexpr std::size_t kTopicLevelBytesMax = 128;
constexpr std::size_t kTopicBytesMax = 65'535;

// Brokers drop the connection of a client that sends one of these in a topic (MQTT 5.0, section 1.5.4).
bool is_control(char32_t c) { return c < 0x20 || (c >= 0x7f && c < 0xa0); }
bool is_non_character(char32_t c) { return (c >= 0xfdd0 && c <= 0xfdef) || (c & 0xfffe) == 0xfffe; }

/// Takes one character off the front of UTF-8 text (RFC 3629); nothing, when it is not UTF-8.
std::optional<char32_t> take_code_point(std::string_view& text) {
  const auto byte = [&](std::size_t i) { return static_cast<unsigned char>(text[i]); };
  const unsigned char lead = byte(0);
  const std::size_t size = lead < 0x80                   ? 1
                           : lead >= 0xc2 && lead < 0xe0 ? 2
                           : lead >= 0xe0 && lead < 0xf0 ? 3
                           : lead >= 0xf0 && lead < 0xf5 ? 4
                                                         : 0;
  if (size == 0 || size > text.size()) return std::nullopt;
  char32_t point = size == 1 ? lead : lead & (0xffU >> (size + 1));
  for (std::size_t i = 1; i < size; ++i) {
    if ((byte(i) & 0xc0) != 0x80) return std::nullopt;
    point = point << 6 | (byte(i) & 0x3f);
  }
  const bool is_overlong = (size == 3 && point < 0x800) || (size == 4 && point < 0x10000);
  const bool is_surrogate = point >= 0xd800 && point < 0xe000;
  if (is_overlong || is_surrogate || point > 0x10ffff) return std::nullopt;
  text.remove_prefix(size);
  return point;
}

std::string prefix_of(const config::Channel& channel) {
  switch (channel.family) {
    case config::TopicFamily::classic: return fmt::format("channels/{}/messages/registry/", channel.id);
    case config::TopicFamily::domain_messages:
      return fmt::format("m/{}/c/{}/messages/registry/", channel.tenant, channel.id);
    case config::TopicFamily::domain: return fmt::format("m/{}/c/{}/registry/", channel.tenant, channel.id);
  }
  base::assertion_failed("every topic family has a prefix");
}

}  // namespace

Topics topics_of(const config::Channel& channel) {
  std::string prefix = prefix_of(channel);
  return {.prefix = prefix, .request = prefix + "proplet", .chunks = prefix + "server", .status = prefix + "status"};
}

std::string Topics::request_filter(std::string_view share_group) const {
  return share_group.empty() ? request : fmt::format("$share/{}/{}", share_group, request);
}

std::string Topics::direct_manifest(std::string_view proplet_id) const {
  return fmt::format("{}/{}/manifest", chunks, proplet_id);
}

std::string Topics::direct_chunk(std::string_view proplet_id, std::string_view transfer, std::uint64_t index) const {
  return fmt::format("{}/{}/{}/{}", chunks, proplet_id, transfer, index);
}

bool is_topic_level(std::string_view text) {
  return text.size() <= kTopicLevelBytesMax && is_publish_topic(text) &&
         text.find_first_of("/$") == std::string_view::npos;
}

bool is_publish_topic(std::string_view text) {
  if (text.empty() || text.size() > kTopicBytesMax || text.front() == '$') return false;
  while (!text.empty()) {
    const auto point = take_code_point(text);
    if (!point || is_control(*point) || is_non_character(*point) || *point == '+' || *point == '#') return false;
  }
  return true;
}

}  // namespace propeller::mqtt
