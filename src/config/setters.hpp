#pragma once

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <limits>
#include <string>

#include "base/units.hpp"
#include "config/variables.hpp"

/// How the table's values are checked and stored, one function per kind of value. Each returns what is allowed when the
/// value is not.
namespace propeller::config {

using namespace std::chrono_literals;

inline constexpr auto kMqttTimeoutMin = 100ms;
inline constexpr auto kMqttTimeoutMax = std::chrono::milliseconds(10min);
inline constexpr auto kShutdownTimeoutMin = 0ms;
inline constexpr auto kShutdownTimeoutMax = std::chrono::milliseconds(1h);
inline constexpr std::uint64_t kInflightMax = 1000;
inline constexpr std::uint64_t kChannelCapacityMax = 1024;
inline constexpr std::uint64_t kTransfersMax = 65'536;
inline constexpr std::uint64_t kChunkSizeMin = 256;
inline constexpr std::uint64_t kChunkSizeMax = 8 * base::kMiB;
inline constexpr std::uint64_t kImageSizeMin = base::kKiB;
inline constexpr std::uint64_t kImageSizeMax = 1024 * base::kGiB;
inline constexpr std::uint64_t kSpoolSizeMin = base::kMiB;
inline constexpr std::uint64_t kSpoolSizeMax = 1024 * 1024 * base::kGiB;
inline constexpr std::size_t kChannelsMax = 256;
inline constexpr std::uint64_t kAttemptsMax = 20;
inline constexpr auto kRegistryTimeoutMin = 100ms;
inline constexpr auto kRegistryTimeoutMax = std::chrono::milliseconds(10min);

[[nodiscard]] Refusal set_text(std::string& to, const std::string& value);
[[nodiscard]] Refusal set_secret(Secret& to, const std::string& value);
[[nodiscard]] Refusal set_bool(bool& to, const std::string& value);
/// "on" and "off", and what set_bool() takes.
[[nodiscard]] Refusal set_on_off(bool& to, const std::string& value);
[[nodiscard]] Refusal set_bytes(std::uint64_t& to, const std::string& value, std::uint64_t min, std::uint64_t max);
[[nodiscard]] Refusal set_duration(std::chrono::milliseconds& to, const std::string& value,
                                   std::chrono::milliseconds min, std::chrono::milliseconds max);
[[nodiscard]] Refusal set_registry_timeout(std::chrono::milliseconds& to, const std::string& value);
[[nodiscard]] Refusal set_readable_file(std::filesystem::path& to, const std::string& value);
[[nodiscard]] Refusal set_number(std::uint64_t& to, const std::string& value, std::uint64_t min, std::uint64_t max);

template <class Number>
[[nodiscard]] Refusal set_count(Number& to, const std::string& value, std::uint64_t min, std::uint64_t max) {
  std::uint64_t number = 0;
  auto refusal = set_number(number, value, min, std::min<std::uint64_t>(max, std::numeric_limits<Number>::max()));
  if (!refusal) to = static_cast<Number>(number);
  return refusal;
}

[[nodiscard]] Refusal set_broker_address(std::string& to, const std::string& value);
[[nodiscard]] Refusal set_registry_url(std::string& to, const std::string& value);
[[nodiscard]] Refusal set_proxy_url(std::string& to, const std::string& value);
[[nodiscard]] Refusal set_ip_address(std::string& to, const std::string& value);
[[nodiscard]] Refusal set_mqtt_version(MqttVersion& to, const std::string& value);
[[nodiscard]] Refusal set_log_level(std::string& to, const std::string& value);
[[nodiscard]] Refusal set_log_format(LogFormat& to, const std::string& value);

[[nodiscard]] Refusal set_qos(Draft& draft, const std::string& value);
[[nodiscard]] Refusal set_share_group(Draft& draft, const std::string& value);
[[nodiscard]] Refusal set_channels(Draft& draft, const std::string& value);
[[nodiscard]] Refusal set_tenant(Draft& draft, const std::string& value);
[[nodiscard]] Refusal set_families(Draft& draft, const std::string& value);
[[nodiscard]] Refusal set_profiles(Draft& draft, const std::string& value);
[[nodiscard]] Refusal set_allow(Draft& draft, const std::string& value);
[[nodiscard]] Refusal set_image_size(Draft& draft, const std::string& value);

[[nodiscard]] std::string show_bool(bool value);
[[nodiscard]] std::string join_ids(const std::vector<Channel>& channels);

}  // namespace propeller::config
