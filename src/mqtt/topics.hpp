#pragma once

#include <string>
#include <string_view>

#include "config/settings.hpp"

/// The topics of one channel (PROTOCOL 1.1 and 2): pure text.
namespace propeller::mqtt {

struct Topics {
  std::string prefix;   ///< "channels/<id>/messages/registry/", with the trailing slash
  std::string request;  ///< prefix + "proplet"
  std::string chunks;   ///< prefix + "server"
  std::string status;   ///< prefix + "status"

  [[nodiscard]] std::string request_filter(std::string_view share_group) const;  ///< "$share/<group>/" in front, or not
  [[nodiscard]] std::string direct_manifest(std::string_view proplet_id) const;  ///< server/<proplet_id>/manifest
  [[nodiscard]] std::string direct_chunk(std::string_view proplet_id, std::string_view transfer,
                                         std::uint64_t index) const;
};

[[nodiscard]] Topics topics_of(const config::Channel& channel);

/// One topic level that cannot break out of its place: not empty, at most 128 bytes, no '/', '+', '#', '$' or control
/// character, UTF-8.
[[nodiscard]] bool is_topic_level(std::string_view text);

/// A topic that a broker takes in PUBLISH from an ordinary client: at most 65535 bytes of UTF-8, no wildcard, no
/// control character, not one of the broker's own ("$SYS/…"). For what outsiders name, such as a Response Topic.
[[nodiscard]] bool is_publish_topic(std::string_view text);

}  // namespace propeller::mqtt
