#include "config/setters.hpp"

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <boost/url/parse.hpp>
#include <cctype>
#include <filesystem>

#include "config/parse.hpp"

namespace propeller::config {

namespace {

constexpr std::size_t kTextBytesMax = 1024;
constexpr std::size_t kUrlBytesMax = 2048;

std::string lower(std::string_view text) {
  std::string out(text);
  for (char& c : out) c = static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
  return out;
}

bool has_control(std::string_view text) {
  return std::any_of(text.begin(), text.end(),
                     [](char c) { return static_cast<unsigned char>(c) < 0x20 || c == 0x7F; });
}

std::string show_bytes(std::uint64_t bytes) {
  return bytes < base::kKiB ? fmt::format("{} bytes", bytes) : base::format_bytes(bytes);
}

/// What is wrong with the authority of a URL, or nothing.
Refusal check_authority(const boost::urls::url_view& url, bool may_have_user_info) {
  if (url.has_userinfo() && !may_have_user_info)
    return "user name and password do not belong into this URL, they have variables of their own";
  if (url.host_address().empty()) return "the host is missing";
  if (url.has_port() && (url.port_number() == 0 || url.port().empty())) return "the port has to be 1 to 65535";
  if (url.has_query() || url.has_fragment()) return "a query (?) or fragment (#) is not allowed";
  return std::nullopt;
}

}  // namespace

Refusal set_text(std::string& to, const std::string& value) {
  if (value.size() > kTextBytesMax || has_control(value)) return "at most 1024 bytes without control characters";
  to = value;
  return std::nullopt;
}

Refusal set_secret(Secret& to, const std::string& value) {
  if (value.size() > 16 * base::kKiB || has_control(value))
    return "at most 16 KiB without control characters (a line break at the end?)";
  to = Secret(value);
  return std::nullopt;
}

Refusal set_bool(bool& to, const std::string& value) {
  const auto parsed = parse_bool(value);
  if (!parsed) return "allowed are 1, t, T, TRUE, true, True, 0, f, F, FALSE, false and False";
  to = *parsed;
  return std::nullopt;
}

Refusal set_on_off(bool& to, const std::string& value) {
  if (value == "on" || value == "off") {
    to = value == "on";
    return std::nullopt;
  }
  if (!set_bool(to, value)) return std::nullopt;
  return "allowed are on and off";
}

Refusal set_number(std::uint64_t& to, const std::string& value, std::uint64_t min, std::uint64_t max) {
  const auto number = parse_number(value);
  if (!number || *number < min || *number > max)
    return fmt::format("allowed is a whole number from {} to {}", min, max);
  to = *number;
  return std::nullopt;
}

Refusal set_bytes(std::uint64_t& to, const std::string& value, std::uint64_t min, std::uint64_t max) {
  const auto bytes = base::parse_bytes(value);
  if (!bytes || *bytes < min || *bytes > max) {
    return fmt::format("allowed is {} to {}, as a number of bytes or with a unit (512000, 64MiB, 2GiB)",
                       show_bytes(min), show_bytes(max));
  }
  to = *bytes;
  return std::nullopt;
}

Refusal set_duration(std::chrono::milliseconds& to, const std::string& value, std::chrono::milliseconds min,
                     std::chrono::milliseconds max) {
  const auto duration = parse_duration(value);
  if (!duration || *duration < min || *duration > max) {
    return fmt::format("allowed is a duration from {} to {}, such as 30s, 500ms, 1m30s, or plain seconds",
                       format_duration(min), format_duration(max));
  }
  to = *duration;
  return std::nullopt;
}

Refusal set_registry_timeout(std::chrono::milliseconds& to, const std::string& value) {
  return set_duration(to, value, kRegistryTimeoutMin, kRegistryTimeoutMax);
}

Refusal set_readable_file(std::filesystem::path& to, const std::string& value) {
  std::error_code error;
  if (!std::filesystem::exists(value, error)) return "there is no such file";
  if (std::filesystem::is_directory(value, error)) return "this is a directory, a file is needed";
  if (access(value.c_str(), R_OK) != 0) return "the file cannot be read (permissions)";
  to = value;
  return std::nullopt;
}

Refusal set_broker_address(std::string& to, const std::string& value) {
  const std::string allowed = "allowed is tcp://, mqtt://, ssl://, mqtts://, ws:// or wss:// followed by host[:port]";
  const auto url = value.size() <= kUrlBytesMax ? boost::urls::parse_uri(value)
                                                : boost::urls::error_types::result<boost::urls::url_view>{};
  const auto is_without_scheme = value.find("://") == std::string::npos;
  if (is_without_scheme && is_host_port(value)) return fmt::format("{}; did you mean \"tcp://{}\"?", allowed, value);
  if (!url || url->host_address().empty()) return allowed;
  const auto scheme = lower(std::string_view(url->scheme()));
  static constexpr std::array<std::string_view, 6> kSchemes{"tcp", "mqtt", "ssl", "mqtts", "ws", "wss"};
  if (std::find(kSchemes.begin(), kSchemes.end(), scheme) == kSchemes.end()) return allowed;
  if (auto wrong = check_authority(*url, false)) return wrong;
  const bool has_path = !url->encoded_path().empty() && url->encoded_path() != "/";
  if (has_path && !scheme.starts_with("ws")) return "only ws:// and wss:// take a path";
  to = value;
  return std::nullopt;
}

Refusal set_registry_url(std::string& to, const std::string& value) {
  const std::string allowed = "allowed is host[:port][/path], or the same with http:// or https:// in front";
  if (value.size() > kUrlBytesMax) return allowed;
  const auto has_scheme = value.find("://") != std::string::npos;
  const std::string whole = has_scheme ? value : "https://" + value;
  const auto url = boost::urls::parse_uri(whole);
  if (!url) return allowed;
  const auto scheme = lower(std::string_view(url->scheme()));
  if (scheme != "http" && scheme != "https") return allowed;
  if (auto wrong = check_authority(*url, false)) return wrong;
  if (!is_host_port(std::string_view(url->encoded_host_and_port()))) return allowed;
  to = value;
  return std::nullopt;
}

Refusal set_proxy_url(std::string& to, const std::string& value) {
  const std::string allowed =
      "allowed is http://, https://, socks5:// or socks5h:// followed by [user:password@]host:port";
  const auto url = value.size() <= kUrlBytesMax ? boost::urls::parse_uri(value)
                                                : boost::urls::error_types::result<boost::urls::url_view>{};
  if (!url) return allowed;
  const auto scheme = lower(std::string_view(url->scheme()));
  if (scheme != "http" && scheme != "https" && scheme != "socks5" && scheme != "socks5h") return allowed;
  if (auto wrong = check_authority(*url, true)) return wrong;
  to = value;
  return std::nullopt;
}

Refusal set_ip_address(std::string& to, const std::string& value) {
  if (!is_ip_address(value)) return "allowed is an IPv4 or IPv6 address, such as 127.0.0.1, 0.0.0.0 or ::";
  to = value;
  return std::nullopt;
}

Refusal set_mqtt_version(MqttVersion& to, const std::string& value) {
  if (value == "3.1.1" || value == "4") {
    to = MqttVersion::v3_1_1;
  } else if (value == "5" || value == "5.0") {
    to = MqttVersion::v5;
  } else {
    return "allowed are 3.1.1 (or 4) and 5";
  }
  return std::nullopt;
}

Refusal set_log_level(std::string& to, const std::string& value) {
  auto level = lower(value);
  if (level == "warning") level = "warn";
  for (const std::string_view known : {"trace", "debug", "info", "warn", "error"}) {
    if (level != known) continue;
    to = level;
    return std::nullopt;
  }
  return "allowed are trace, debug, info, warn and error";
}

Refusal set_log_format(LogFormat& to, const std::string& value) {
  const auto format = lower(value);
  if (format != "text" && format != "json") return "allowed are text and json";
  to = format == "json" ? LogFormat::json : LogFormat::text;
  return std::nullopt;
}

Refusal set_qos(Draft& draft, const std::string& value) {
  if (value != "0" && value != "1" && value != "2") return "allowed are 0, 1 and 2";
  draft.qos = value[0] - '0';
  return std::nullopt;
}

Refusal set_share_group(Draft& draft, const std::string& value) {
  if (!is_topic_level(value)) return "allowed are up to 128 bytes without /, +, #, $ and control characters";
  draft.settings.mqtt.share_group = value;
  return std::nullopt;
}

Refusal set_tenant(Draft& draft, const std::string& value) {
  if (!is_topic_level(value)) return "allowed are up to 128 bytes without /, +, #, $ and control characters";
  draft.tenant = value;
  return std::nullopt;
}

Refusal set_channels(Draft& draft, const std::string& value) {
  const auto ids = split_list(value);
  if (ids.size() > kChannelsMax) return fmt::format("at most {} channels", kChannelsMax);
  for (auto id = ids.begin(); id != ids.end(); ++id) {
    if (!is_topic_level(*id)) {
      return fmt::format(
          "channel {} of the list is not an id: up to 128 bytes without /, +, #, $ and control characters",
          id - ids.begin() + 1);
    }
    if (std::find(ids.begin(), id, *id) != id)
      return fmt::format("channel {} of the list is there twice", id - ids.begin() + 1);
  }
  draft.channels = ids;
  return std::nullopt;
}

Refusal set_families(Draft& draft, const std::string& value) {
  std::vector<TopicFamily> families;
  for (const auto& name : split_list(value)) {
    if (name == "classic") {
      families.push_back(TopicFamily::classic);
    } else if (name == "domain-messages") {
      families.push_back(TopicFamily::domain_messages);
    } else if (name == "domain") {
      families.push_back(TopicFamily::domain);
    } else {
      return "allowed are classic, domain-messages and domain, one for all channels or one for each, separated by "
             "commas";
    }
  }
  draft.families = families;
  return std::nullopt;
}

Refusal set_profiles(Draft& draft, const std::string& value) {
  std::vector<ChannelProfile> profiles;
  for (const auto& name : split_list(value)) {
    if (name != "standard" && name != "embedded") {
      return "allowed are standard and embedded, one for all channels or one for each, separated by commas";
    }
    profiles.push_back(name == "standard" ? ChannelProfile::standard : ChannelProfile::embedded);
  }
  draft.profiles = profiles;
  return std::nullopt;
}

Refusal set_allow(Draft& draft, const std::string& value) {
  const auto hosts = split_list(value);
  if (hosts.size() > kAllowedHostsMax) return fmt::format("at most {} entries", kAllowedHostsMax);
  for (const auto& host : hosts) {
    if (!is_host_pattern(host)) {
      return fmt::format("{} is none of host, host:port, *.domain, address, CIDR range and *", show_value(host));
    }
  }
  draft.settings.registry.allow = hosts;
  return std::nullopt;
}

Refusal set_image_size(Draft& draft, const std::string& value) {
  draft.is_image_size_given = true;
  return set_bytes(draft.settings.stream.image_size_max_bytes, value, kImageSizeMin, kImageSizeMax);
}

std::string show_bool(bool value) { return value ? "true" : "false"; }

std::string join_ids(const std::vector<Channel>& channels) {
  std::string out;
  for (const auto& channel : channels) out += (out.empty() ? "" : ",") + channel.id;
  return out;
}

}  // namespace propeller::config
