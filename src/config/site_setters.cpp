#include "config/site_setters.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <boost/url/parse.hpp>
#include <fstream>

#include "config/parse.hpp"
#include "config/rule_text.hpp"
#include "config/setters.hpp"

namespace propeller::config {

namespace {

constexpr std::size_t kPathBytesMax = 4096;
constexpr std::size_t kUpstreamBytesMax = 2048;
constexpr std::size_t kSecretFileBytesMax = 16 * 1024;

std::optional<UpstreamScheme> scheme_named(std::string_view name) {
  for (const auto scheme :
       {UpstreamScheme::http, UpstreamScheme::https, UpstreamScheme::socks5, UpstreamScheme::socks5h}) {
    if (to_string(scheme) == name) return scheme;
  }
  return std::nullopt;
}

std::uint16_t usual_port(UpstreamScheme scheme) {
  switch (scheme) {
    case UpstreamScheme::http: return 3128;
    case UpstreamScheme::https: return 443;
    case UpstreamScheme::socks5:
    case UpstreamScheme::socks5h: return 1080;
  }
  return 0;
}

}  // namespace

Refusal set_timeout(std::chrono::milliseconds& to, const std::string& value) {
  const auto duration = parse_duration(value);
  if (!duration || *duration > kSiteTimeoutMax) {
    return "allowed is a duration of up to 24h, such as 30s, 500ms, 1m30s, or plain seconds; 0 means 24h";
  }
  to = duration->count() == 0 ? std::chrono::milliseconds(kSiteTimeoutMax) : *duration;
  return std::nullopt;
}

Refusal set_size(std::uint64_t& to, const std::string& value, std::uint64_t min) {
  std::string digits = value;
  std::erase(digits, '_');
  return set_bytes(to, digits, min, kSiteBytesMax);
}

Refusal set_size_or_all(std::int64_t& to, const std::string& value) {
  if (value == "-1") {
    to = -1;
    return std::nullopt;
  }
  std::uint64_t bytes = 0;
  if (set_size(bytes, value, 0))
    return "allowed is a number of bytes such as 10485760 or 10MiB, 0 for none, -1 for all";
  to = static_cast<std::int64_t>(bytes);
  return std::nullopt;
}

Refusal set_endpoint(Endpoint& to, const std::string& value) {
  constexpr auto kAllowed = "allowed is an address such as 127.0.0.1, 0.0.0.0 or ::, or address:port, [address]:port";
  std::string address = value;
  std::uint16_t port = to.port;
  const auto colon = value.rfind(':');
  if (colon != std::string::npos && (value.starts_with('[') || value.find(':') == colon)) {
    if (!value.ends_with(']')) {
      if (set_count(port, value.substr(colon + 1), 1, 65535)) return kAllowed;
      address = value.substr(0, colon);
    }
    if (address.starts_with('[')) {
      if (!address.ends_with(']')) return kAllowed;
      address = address.substr(1, address.size() - 2);
      if (address.find(':') == std::string::npos) return kAllowed;
    }
  }
  if (!is_ip_address(address)) return kAllowed;
  to = {.address = std::move(address), .port = port};
  return std::nullopt;
}

Refusal set_upstream(std::optional<UpstreamProxy>& to, const std::string& value) {
  std::string checked;
  if (value.size() > kUpstreamBytesMax) return fmt::format("at most {} bytes", kUpstreamBytesMax);
  if (auto refusal = set_proxy_url(checked, value)) return refusal;
  const auto url = boost::urls::parse_uri(checked).value();
  std::string name(std::string_view(url.scheme()));
  std::ranges::transform(name, name.begin(), [](char c) { return c >= 'A' && c <= 'Z' ? char(c + ('a' - 'A')) : c; });
  const auto scheme = scheme_named(name);
  if (!scheme) return "allowed is http://, https://, socks5:// or socks5h://";
  if (!url.encoded_path().empty() && url.encoded_path() != "/") return "a path is not allowed";
  to = UpstreamProxy{.scheme = *scheme,
                     .host = url.host_address(),
                     .port = url.has_port() ? url.port_number() : usual_port(*scheme),
                     .username = url.user(),
                     .password = Secret(url.password())};
  return std::nullopt;
}

Refusal set_directory(std::filesystem::path& to, const std::string& value) {
  std::string text;
  if (value.size() > kPathBytesMax) return fmt::format("at most {} bytes", kPathBytesMax);
  if (auto refusal = set_text(text, value)) return refusal;
  to = text;
  return std::nullopt;
}

Refusal set_secret_from_file(Secret& to, const std::string& file) {
  std::filesystem::path path;
  if (auto refusal = set_readable_file(path, file)) return refusal;
  std::ifstream in(path, std::ios::binary);
  std::string text(kSecretFileBytesMax + 1, '\0');
  in.read(text.data(), static_cast<std::streamsize>(text.size()));
  text.resize(static_cast<std::size_t>(in.gcount()));
  if (text.size() > kSecretFileBytesMax) return "the file is too large for a secret";
  text.resize(std::min(text.find_first_of("\r\n"), text.size()));
  if (text.empty()) return "the file's first line is empty";
  return set_secret(to, text);
}

Refusal set_policy(EvictionPolicy& to, const std::string& value) {
  for (const auto policy : {EvictionPolicy::s3fifo, EvictionPolicy::sieve, EvictionPolicy::lru}) {
    if (to_string(policy) != value) continue;
    to = policy;
    return std::nullopt;
  }
  return "allowed are s3fifo, sieve and lru";
}

Refusal set_private_content(PrivateContent& to, const std::string& value) {
  for (const auto content : {PrivateContent::verify, PrivateContent::proxy_credentials, PrivateContent::never}) {
    if (to_string(content) != value) continue;
    to = content;
    return std::nullopt;
  }
  return "allowed are verify, proxy-credentials and never";
}

Refusal add_pack(std::vector<CachePack>& to, const std::string& value) {
  for (const auto pack : {CachePack::npm, CachePack::debian}) {
    if (to_string(pack) != value) continue;
    if (std::ranges::find(to, pack) == to.end()) to.push_back(pack);
    return std::nullopt;
  }
  return "allowed are npm and debian";
}

Refusal set_api_auth(ApiAuth& to, const std::string& value) {
  if (value != "loopback" && value != "token")
    return "allowed are loopback (no token needed from there) and token (always)";
  to = value == "token" ? ApiAuth::token : ApiAuth::loopback;
  return std::nullopt;
}

Refusal check_domain_pattern(const std::string& value) {
  if (is_domain_pattern(value)) return std::nullopt;
  return "invalid domain pattern: allowed is a host name, *.suffix, prefix.* or *";
}

Refusal check_address_or_range(const std::string& value) {
  if (is_address_or_range(value)) return std::nullopt;
  return "invalid IP/CIDR: allowed is an address or a range such as 10.0.0.0/8";
}

Refusal check_no_proxy(const std::string& value) {
  std::string_view host = value;
  if (host == "*" || is_host_pattern(host)) return std::nullopt;
  if (host.starts_with('.')) host.remove_prefix(1);
  if (is_host_port(host)) return std::nullopt;
  return "allowed is *, host[:port], .domain, *.domain, an address or a range such as 10.0.0.0/8";
}

bool is_loopback(const std::string& address) { return address.starts_with("127.") || address == "::1"; }

}  // namespace propeller::config
