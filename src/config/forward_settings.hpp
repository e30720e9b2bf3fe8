#pragma once

#include <chrono>
#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/secret.hpp"
#include "base/units.hpp"
#include "config/settings.hpp"

/// What `propeller-proxy.yaml` says, as plain values with their defaults. The loader has checked every one of them: a
/// pattern, address, range or expression in here is well formed.
namespace propeller::config {

/// Where a listener waits.
struct Endpoint {
  std::string address;     ///< IPv4 or IPv6, without brackets
  std::uint16_t port = 0;  ///< 0: the kernel picks one (tests)

  friend bool operator==(const Endpoint&, const Endpoint&) = default;
};

enum class UpstreamScheme { http, https, socks5, socks5h };

/// The proxy that we go through (`proxy.upstream`).
struct UpstreamProxy {
  UpstreamScheme scheme = UpstreamScheme::http;
  std::string host;
  std::uint16_t port = 0;
  std::string username;
  Secret password;

  friend bool operator==(const UpstreamProxy&, const UpstreamProxy&) = default;
};

struct ForwardTimeouts {
  std::chrono::milliseconds read{30'000};           ///< no byte of a head or body for so long
  std::chrono::milliseconds write{30'000};          ///< the peer takes no byte for so long
  std::chrono::milliseconds connect{10'000};        ///< name, TCP and TLS to an upstream
  std::chrono::milliseconds first_byte{60'000};     ///< from the request's end to the response's head
  std::chrono::milliseconds idle{120'000};          ///< a kept-alive connection between two requests
  std::chrono::milliseconds tunnel_idle{3600'000};  ///< a tunnel without a byte either way

  friend bool operator==(const ForwardTimeouts&, const ForwardTimeouts&) = default;
};

/// Bytes a second, body and tunnel, each direction; 0: not limited.
struct Bandwidth {
  std::uint64_t total = 0;
  std::uint64_t per_client = 0;  ///< by address

  friend bool operator==(const Bandwidth&, const Bandwidth&) = default;
};

struct ForwardListener {
  std::vector<Endpoint> listen{{.address = "127.0.0.1", .port = 17080}};
  bool is_open = false;                     ///< anybody may use it, also beyond loopback
  std::filesystem::path users;              ///< htpasswd file; empty: no authentication
  std::vector<std::string> proxy_protocol;  ///< addresses and ranges whose PROXY protocol head is believed
  std::vector<std::string> allow_targets;   ///< ranges that are reached although they are ours (loopback, metadata)
  std::optional<UpstreamProxy> upstream;
  std::vector<std::string> no_proxy;  ///< hosts that are reached without `upstream`
  Bandwidth bandwidth;
  ForwardTimeouts timeouts;

  friend bool operator==(const ForwardListener&, const ForwardListener&) = default;
};

struct ForwardTls {
  std::filesystem::path cert_dir = "./certs";
  std::vector<std::filesystem::path> upstream_ca;  ///< besides the system's
  std::vector<std::string> insecure_hosts;         ///< host patterns whose certificates are not verified
  std::vector<std::string> passthrough;            ///< host patterns that are never intercepted
  bool is_passthrough_learned = false;             ///< also hosts whose client answered our certificate with an alert

  friend bool operator==(const ForwardTls&, const ForwardTls&) = default;
};

/// Names match only `domains`, literal addresses only `ips`; enabled and empty blocks everything.
struct AllowList {
  bool is_enabled = false;
  std::vector<std::string> domains;  ///< host patterns
  std::vector<std::string> ips;      ///< addresses and ranges

  friend bool operator==(const AllowList&, const AllowList&) = default;
};

struct HeaderCondition {
  std::string header;
  std::string equals;

  friend bool operator==(const HeaderCondition&, const HeaderCondition&) = default;
};

struct HeaderValue {
  std::string name;
  Secret value;

  friend bool operator==(const HeaderValue&, const HeaderValue&) = default;
};

struct HeaderRule {
  std::string pattern;  ///< of the host
  std::vector<HeaderCondition> conditions;
  std::vector<HeaderValue> set;
  std::vector<HeaderValue> append;

  friend bool operator==(const HeaderRule&, const HeaderRule&) = default;
};

/// What the API can change while the proxy runs. Patterns of `headers` are unique.
struct RuntimeRules {
  AllowList allowlist;
  std::vector<HeaderRule> headers;

  friend bool operator==(const RuntimeRules&, const RuntimeRules&) = default;
};

enum class EvictionPolicy { s3fifo, sieve, lru };

/// What becomes of content that was asked for with credentials.
enum class PrivateContent {
  verify,             ///< kept; who asks for it gets it when the origin accepts his own credentials
  proxy_credentials,  ///< kept when the proxy's own brought it, for everybody who may use those
  never
};

/// What is known of the servers of a package manager, beyond what HTTP's fields say.
enum class CachePack { npm, debian };

/// A store of objects that several proxies share behind their own; without an endpoint there is none.
struct SecondTier {
  std::string endpoint;  ///< host[:port][/path], or the same with http:// or https:// in front
  std::string bucket;
  std::string region = "us-east-1";
  std::string prefix;  ///< of the objects' names, without a slash at either end
  std::string access_key;
  Secret secret_key;
  std::filesystem::path ca;  ///< trusted for it instead of the system's bundle; empty: that

  [[nodiscard]] bool empty() const { return endpoint.empty(); }
  friend bool operator==(const SecondTier&, const SecondTier&) = default;
};

struct Cache {
  bool is_enabled = false;  ///< the built-in default, without any file, has it on
  std::filesystem::path dir = "./cache";
  std::uint64_t size_max_bytes = 20 * base::kGiB;
  std::uint64_t object_size_max_bytes = 0;             ///< 0: whatever fits into size_max_bytes
  std::uint64_t disk_free_min_bytes = 1 * base::kGiB;  ///< less than this on the disk: nothing more is stored
  EvictionPolicy policy = EvictionPolicy::s3fifo;
  std::vector<std::string> patterns;  ///< RE2 expressions for the path of a URL
  bool is_content_aware = false;
  bool are_http_rules_on = true;         ///< what no pattern matches is kept as RFC 9111 lets a shared cache
  std::vector<CachePack> packs;          ///< rules on top of those
  std::chrono::milliseconds ttl_max{0};  ///< by those rules nothing is fresh for longer; 0: as long as its origin says
  PrivateContent private_content = PrivateContent::verify;
  std::chrono::milliseconds private_ttl{5 * 60 * 1000};  ///< how long an origin's yes to a caller holds
  std::chrono::milliseconds tag_window{10 * 1000};       ///< how long a tag is not asked about again
  bool is_text_compressed = false;                       ///< of what is kept by the rules of HTTP
  SecondTier second_tier;

  friend bool operator==(const Cache&, const Cache&) = default;
};

struct Recording {
  bool is_enabled = false;
  std::filesystem::path dir = "./recordings";
  std::int64_t body_size_max_bytes = 0;  ///< 0: no bodies, -1: whole bodies
  std::uint64_t size_max_bytes = 1 * base::kGiB;
  std::uint32_t days_max = 7;
  bool are_streams_kept = false;  ///< the bytes of upgraded connections, as they pass

  friend bool operator==(const Recording&, const Recording&) = default;
};

/// Who the mirror is to one registry; empty: nobody.
struct MirrorCredentials {
  std::string username;
  Secret password;
  Secret token;                         ///< sent as a bearer token as it is
  std::filesystem::path docker_config;  ///< config.json of Docker, with its helpers

  [[nodiscard]] bool empty() const { return username.empty() && token.empty() && docker_config.empty(); }
  friend bool operator==(const MirrorCredentials&, const MirrorCredentials&) = default;
};

/// A registry that the mirror asks.
struct MirrorUpstream {
  std::string name;          ///< what clients call it: host[:port], in lower case
  std::string url;           ///< host[:port][/prefix], or the same with http:// or https:// in front
  std::filesystem::path ca;  ///< trusted for this one, besides the usual ones; empty: none
  MirrorCredentials credentials;

  friend bool operator==(const MirrorUpstream&, const MirrorUpstream&) = default;
};

/// The mirror of registries on the proxy's own port. The names of `upstreams` are unique.
struct Mirror {
  bool is_enabled = false;   ///< the built-in default, without any file, has it on
  std::string default_name;  ///< of an upstream; empty: docker.io, else the first
  std::vector<MirrorUpstream> upstreams{
      {.name = "docker.io", .url = "https://registry-1.docker.io", .ca = {}, .credentials = {}}};

  friend bool operator==(const Mirror&, const Mirror&) = default;
};

enum class ApiAuth { loopback, token };

struct Api {
  Endpoint listen{.address = "127.0.0.1", .port = 17081};
  ApiAuth auth = ApiAuth::loopback;  ///< `loopback`: no token needed from there; `token`: always
  std::filesystem::path token_file;  ///< the loader fills in `<cert_dir>/api.token`

  friend bool operator==(const Api&, const Api&) = default;
};

struct ForwardLog {
  std::string level = "info";  ///< debug, info, warn, error
  LogFormat format = LogFormat::text;
  std::filesystem::path file;  ///< empty: standard error

  friend bool operator==(const ForwardLog&, const ForwardLog&) = default;
};

/// The whole of the second plane.
struct Forward {
  std::uint32_t threads = 0;  ///< cores; 0: all
  ForwardListener proxy;
  ForwardTls tls;
  RuntimeRules rules;
  Cache cache;
  Mirror mirror;
  Recording recording;
  Api api;
  ForwardLog log;

  friend bool operator==(const Forward&, const Forward&) = default;
};

[[nodiscard]] std::string_view to_string(EvictionPolicy policy);
[[nodiscard]] std::string_view to_string(PrivateContent content);
[[nodiscard]] std::string_view to_string(CachePack pack);
[[nodiscard]] std::string_view to_string(ApiAuth auth);
[[nodiscard]] std::string_view to_string(UpstreamScheme scheme);

}  // namespace propeller::config
