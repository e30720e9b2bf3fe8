#pragma once

#include <chrono>
#include <cstdint>
#include <limits>
#include <string>

#include "config/forward_settings.hpp"
#include "config/variables.hpp"

/// How values of `propeller-proxy.yaml` are checked and stored. Each returns what is allowed when the value is not.
namespace propeller::config {

inline constexpr auto kSiteTimeoutMax = std::chrono::hours(24);
inline constexpr std::uint32_t kThreadsMax = 1024;
inline constexpr std::uint32_t kRecordingDaysMax = 3650;
inline constexpr std::uint64_t kSiteBytesMax = std::numeric_limits<std::int64_t>::max();
inline constexpr std::size_t kListenersMax = 16;

/// A Go duration or plain seconds. 0 is as long as there is: kSiteTimeoutMax, since nothing waits for ever.
[[nodiscard]] Refusal set_timeout(std::chrono::milliseconds& to, const std::string& value);
/// A number of bytes with or without a unit; digits may be grouped by '_'.
[[nodiscard]] Refusal set_size(std::uint64_t& to, const std::string& value, std::uint64_t min);
/// As set_size(), and -1.
[[nodiscard]] Refusal set_size_or_all(std::int64_t& to, const std::string& value);
/// An address, or address:port, [v6]:port; the port is `to.port` when none is given.
[[nodiscard]] Refusal set_endpoint(Endpoint& to, const std::string& value);
[[nodiscard]] Refusal set_upstream(std::optional<UpstreamProxy>& to, const std::string& value);
[[nodiscard]] Refusal set_directory(std::filesystem::path& to, const std::string& value);
/// The first line of the file that `file` names; the file's permissions are its owner's business.
[[nodiscard]] Refusal set_secret_from_file(Secret& to, const std::string& file);
[[nodiscard]] Refusal set_private_content(PrivateContent& to, const std::string& value);
[[nodiscard]] Refusal add_pack(std::vector<CachePack>& to, const std::string& value);
[[nodiscard]] Refusal set_policy(EvictionPolicy& to, const std::string& value);
[[nodiscard]] Refusal set_api_auth(ApiAuth& to, const std::string& value);
[[nodiscard]] Refusal check_domain_pattern(const std::string& value);
[[nodiscard]] Refusal check_address_or_range(const std::string& value);
/// One entry of NO_PROXY: *, host, .suffix, *.suffix, address or range, each but the last with an optional port.
[[nodiscard]] Refusal check_no_proxy(const std::string& value);

[[nodiscard]] bool is_loopback(const std::string& address);

}  // namespace propeller::config
