#pragma once

#include <chrono>
#include <cstdint>
#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

#include "base/secret.hpp"
#include "base/units.hpp"

/// Plain values with their defaults. The loader fills them from the environment and flags, the planes receive
/// theirs through the constructor; nobody below reads the environment.
namespace propeller::config {

/// Which topics a channel uses (PROTOCOL 1.1).
enum class TopicFamily { classic, domain_messages, domain };

/// `embedded`: one message of at most 1023 bytes, QoS 0 (PROTOCOL 1.4).
enum class ChannelProfile { standard, embedded };

enum class MqttVersion { v3_1_1, v5 };

struct Channel {
  std::string id;
  std::string tenant;  ///< domain id; empty for the classic family
  TopicFamily family = TopicFamily::classic;
  ChannelProfile profile = ChannelProfile::standard;
  int qos = 2;  ///< of its chunks: 1 for classic, 2 for the others unless said otherwise, always 0 for embedded
};

struct MqttTls {
  std::filesystem::path ca_cert;
  std::filesystem::path client_cert;
  std::filesystem::path client_key;
  bool is_verification_skipped = false;
};

struct Mqtt {
  std::string address = "tcp://localhost:1883";  ///< scheme tcp, mqtt, ssl, mqtts, ws or wss
  std::string client_id;                         ///< as the family wants it (PROTOCOL 1.1), before any suffix
  std::string username;
  Secret password;
  int qos = 2;                                ///< of the first channel that is not embedded; see Channel::qos
  std::chrono::milliseconds timeout{30'000};  ///< connect and acknowledgement
  std::chrono::seconds keep_alive{30};
  MqttVersion version = MqttVersion::v3_1_1;
  std::uint32_t inflight_max = 20;  ///< messages sent and not acknowledged
  std::string share_group;          ///< empty: not shared
  MqttTls tls;
};

inline constexpr std::size_t kAllowedHostsMax = 256;

struct Registry {
  std::string url;  ///< host or http(s)://host[:port]; put before names without a host; empty: docker.io
  bool is_authenticated = false;
  std::string username;
  Secret password;
  Secret token;
  std::filesystem::path ca_cert;
  std::vector<std::string> allow;       ///< host[:port], "*.example.org", CIDR, or "*"; what requests may name; empty:
                                        ///< the configured one and public hosts; at most kAllowedHostsMax
  std::string proxy;                    ///< URL of an HTTP proxy; the environment's is never taken
  std::filesystem::path docker_config;  ///< config.json of Docker; empty: none
  std::chrono::milliseconds connect_timeout{10'000};
  // Four attempts that hang end within the 55 s that deployed clients wait (PROTOCOL 1.4).
  std::chrono::milliseconds first_byte_timeout{10'000};
  std::chrono::milliseconds stall_timeout{10'000};  ///< no byte, or hardly any, for so long ends the attempt
  std::uint32_t attempts_max = 4;
  bool falls_back_to_latest = false;  ///< PROTOCOL 1.3: when the tag does not exist
};

struct Stream {
  std::uint64_t chunk_size_bytes = 512'000;
  std::uint32_t channel_capacity = 10;  ///< chunks between the two workers, in all
  std::uint64_t image_size_max_bytes = base::kGiB;
  std::uint32_t transfers_max = 256;  ///< accepted and not finished; more are `overloaded`
  bool is_pass_through = false;       ///< deliver what is not WASM too
  std::filesystem::path spool_dir;
  std::uint64_t spool_size_bytes = 2 * base::kGiB;
};

/// Of a bridge that runs by itself; beside a forward proxy it is the proxy's.
struct BridgeStore {
  bool is_enabled = true;
  std::filesystem::path dir;
  std::uint64_t size_max_bytes = 2 * base::kGiB;
};

enum class LogFormat { text, json };

struct Log {
  std::string level = "info";  ///< trace, debug, info, warn, error
  LogFormat format = LogFormat::text;
};

struct Admin {
  std::string address = "127.0.0.1";
  std::uint16_t port = 9191;  ///< 0: the kernel picks one (tests)
};

struct Settings {
  std::vector<Channel> channels;
  Mqtt mqtt;
  Registry registry;
  Stream stream;
  BridgeStore store;
  Admin admin;
  Log log;
  std::chrono::milliseconds shutdown_timeout{30'000};
  std::filesystem::path config_file;  ///< the config.toml that was read; empty: none
};

/// The names that the variables take.
[[nodiscard]] std::string_view to_string(TopicFamily family);
[[nodiscard]] std::string_view to_string(ChannelProfile profile);
[[nodiscard]] std::string_view to_string(MqttVersion version);
[[nodiscard]] std::string_view to_string(LogFormat format);

}  // namespace propeller::config
