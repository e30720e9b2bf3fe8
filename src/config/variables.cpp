#include "config/variables.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "config/parse.hpp"
#include "config/registry_variables.hpp"
#include "config/setters.hpp"

namespace propeller::config {

namespace {

std::string join(const auto& values) { return fmt::format("{}", fmt::join(values, ",")); }

/// One value when all channels have it, else the list.
std::string per_channel(const Settings& s, std::string (*of)(const Channel&)) {
  std::vector<std::string> values;
  bool is_same = true;
  for (const auto& channel : s.channels) {
    values.push_back(of(channel));
    is_same = is_same && values.back() == values.front();
  }
  if (is_same && !values.empty()) return values.front();
  return join(values);
}

using std::string;
using S = const Settings&;
using V = const string&;

constexpr Variable kBeforeRegistry[] = {
    // Broker
    {"PROXY_MQTT_ADDRESS",
     {},
     Group::broker,
     "URL",
     "tcp://localhost:1883",
     "The broker: tcp://, mqtt://, ssl://, mqtts://, ws:// or wss:// host[:port]",
     [](Draft& d, V v) { return set_broker_address(d.settings.mqtt.address, v); },
     [](S s) { return s.mqtt.address; }},
    {"PROXY_MQTT_VERSION",
     {},
     Group::broker,
     "VERSION",
     "3.1.1",
     "MQTT version: 3.1.1 (or 4) or 5",
     [](Draft& d, V v) { return set_mqtt_version(d.settings.mqtt.version, v); },
     [](S s) { return string(to_string(s.mqtt.version)); }},
    {"PROXY_MQTT_QOS",
     {},
     Group::broker,
     "0|1|2",
     "1 on classic channels, 2 on others",
     "Quality of service of chunks; embedded channels always have 0",
     set_qos,
     [](S s) { return per_channel(s, [](const Channel& c) { return fmt::to_string(c.qos); }); }},
    {"PROXY_MQTT_TIMEOUT",
     {},
     Group::broker,
     "DURATION",
     "30s",
     "For connecting and for acknowledgements",
     [](Draft& d, V v) { return set_duration(d.settings.mqtt.timeout, v, kMqttTimeoutMin, kMqttTimeoutMax); },
     [](S s) { return format_duration(s.mqtt.timeout); }},
    {"PROXY_MQTT_INFLIGHT",
     {},
     Group::broker,
     "N",
     "20",
     "Messages sent and not yet acknowledged, at most",
     [](Draft& d, V v) { return set_count(d.settings.mqtt.inflight_max, v, 1, kInflightMax); },
     [](S s) { return fmt::to_string(s.mqtt.inflight_max); }},
    {"PROXY_MQTT_SHARE_GROUP",
     {},
     Group::broker,
     "NAME",
     "",
     "Several bridges share the requests of a channel ($share/NAME/...); domain channels only",
     set_share_group,
     [](S s) { return s.mqtt.share_group; }},
    {"PROXY_MQTT_TLS_CA_CERT",
     {},
     Group::broker,
     "FILE",
     "the system's",
     "PEM file of the authorities that may sign the broker's certificate",
     [](Draft& d, V v) { return set_readable_file(d.settings.mqtt.tls.ca_cert, v); },
     [](S s) { return s.mqtt.tls.ca_cert.string(); }},
    {"PROXY_MQTT_TLS_CLIENT_CERT",
     {},
     Group::broker,
     "FILE",
     "",
     "PEM file of the bridge's own certificate",
     [](Draft& d, V v) { return set_readable_file(d.settings.mqtt.tls.client_cert, v); },
     [](S s) { return s.mqtt.tls.client_cert.string(); }},
    {"PROXY_MQTT_TLS_CLIENT_KEY",
     {},
     Group::broker,
     "FILE",
     "",
     "PEM file of its private key",
     [](Draft& d, V v) { return set_readable_file(d.settings.mqtt.tls.client_key, v); },
     [](S s) { return s.mqtt.tls.client_key.string(); }},
    {"PROXY_MQTT_TLS_INSECURE_SKIP_VERIFY",
     {},
     Group::broker,
     "BOOL",
     "false",
     "Do not verify the broker's certificate",
     [](Draft& d, V v) { return set_bool(d.settings.mqtt.tls.is_verification_skipped, v); },
     [](S s) { return show_bool(s.mqtt.tls.is_verification_skipped); },
     false,
     true},

    // Identity and channels
    {"PROXY_PROPLET_ID",
     {"PROXY_CLIENT_ID", "PROXY_ENTITY_ID"},
     Group::identity,
     "ID",
     "",
     "The bridge's identity: the MQTT user name",
     [](Draft& d, V v) { return set_text(d.identity, v); },
     [](S s) { return s.mqtt.username; }},
    {"PROXY_PROPLET_KEY",
     {"PROXY_CLIENT_KEY", "PROXY_API_KEY"},
     Group::identity,
     "KEY",
     "",
     "Its key: the MQTT password",
     [](Draft& d, V v) { return set_secret(d.settings.mqtt.password, v); },
     [](S s) { return string(s.mqtt.password.masked()); },
     true},
    {"PROXY_CHANNEL_ID",
     {},
     Group::identity,
     "ID[,ID...]",
     "",
     "The channels to serve, separated by commas",
     set_channels,
     [](S s) { return join_ids(s.channels); }},
    {"PROXY_DOMAIN_ID",
     {"PROXY_TENANT_ID", ""},
     Group::identity,
     "ID",
     "",
     "The domain (tenant) of the channels; switches to the domain topics",
     set_tenant,
     [](S s) { return s.channels.empty() ? string() : s.channels.front().tenant; }},
    {"PROXY_TOPIC_FAMILY",
     {},
     Group::identity,
     "FAMILY[,...]",
     "domain with a domain id, else classic",
     "classic, domain-messages or domain; one for all channels, or one for each",
     set_families,
     [](S s) { return per_channel(s, [](const Channel& c) { return string(to_string(c.family)); }); }},
    {"PROXY_CHANNEL_PROFILE",
     {},
     Group::identity,
     "PROFILE[,...]",
     "standard",
     "standard, or embedded (one message of 1023 bytes, QoS 0); one for all channels, or one for each",
     set_profiles,
     [](S s) { return per_channel(s, [](const Channel& c) { return string(to_string(c.profile)); }); }},
    {"PROXY_CONFIG_FILE",
     {},
     Group::identity,
     "FILE",
     "config.toml, if it is there",
     "File whose [proxy] section gives the ids and the key that are not set otherwise",
     [](Draft&, V) { return Refusal{}; },
     [](S s) { return s.config_file.string(); }},
};

constexpr Variable kAfterRegistry[] = {
    // Transfers
    {"PROXY_CHUNK_SIZE",
     {},
     Group::transfers,
     "BYTES",
     "512000",
     "Raw bytes of an image in one chunk",
     [](Draft& d, V v) { return set_bytes(d.settings.stream.chunk_size_bytes, v, kChunkSizeMin, kChunkSizeMax); },
     [](S s) { return fmt::to_string(s.stream.chunk_size_bytes); }},
    {"PROXY_CHANNEL_CAPACITY",
     {},
     Group::transfers,
     "CHUNKS",
     "10",
     "Chunks between download and delivery, in all; memory is this times the chunk size",
     [](Draft& d, V v) { return set_count(d.settings.stream.channel_capacity, v, 1, kChannelCapacityMax); },
     [](S s) { return fmt::to_string(s.stream.channel_capacity); }},
    {"PROXY_MAX_IMAGE_SIZE",
     {},
     Group::transfers,
     "BYTES",
     "1GiB",
     "Larger images are refused (too_large)",
     set_image_size,
     [](S s) { return fmt::to_string(s.stream.image_size_max_bytes); }},
    {"PROXY_MAX_TRANSFERS",
     {},
     Group::transfers,
     "N",
     "256",
     "Transfers accepted and not finished; more are refused (overloaded)",
     [](Draft& d, V v) { return set_count(d.settings.stream.transfers_max, v, 1, kTransfersMax); },
     [](S s) { return fmt::to_string(s.stream.transfers_max); }},
    {"PROXY_PASS_THROUGH",
     {},
     Group::transfers,
     "BOOL",
     "false",
     "Deliver images that are not WASM too",
     [](Draft& d, V v) { return set_bool(d.settings.stream.is_pass_through, v); },
     [](S s) { return show_bool(s.stream.is_pass_through); },
     false,
     true},
    {"PROXY_SPOOL_DIR",
     {},
     Group::transfers,
     "DIRECTORY",
     "$STATE_DIRECTORY, $XDG_CACHE_HOME/propeller-proxy, /var/cache/propeller-proxy (root) or ~/.cache/propeller-proxy",
     "Where images are kept on disk",
     [](Draft& d, V v) {
       d.settings.stream.spool_dir = v;
       return Refusal{};
     },
     [](S s) { return s.stream.spool_dir.string(); }},
    {"PROXY_SPOOL_SIZE",
     {},
     Group::transfers,
     "BYTES",
     "2GiB",
     "Bytes of disk it may use",
     [](Draft& d, V v) { return set_bytes(d.settings.stream.spool_size_bytes, v, kSpoolSizeMin, kSpoolSizeMax); },
     [](S s) { return fmt::to_string(s.stream.spool_size_bytes); }},

    // Content store
    {"PROXY_CACHE",
     {},
     Group::store,
     "on|off",
     "on",
     "Keep what registries have said and sent, for the time when they do not answer",
     [](Draft& d, V v) { return set_on_off(d.settings.store.is_enabled, v); },
     [](S s) { return string(s.store.is_enabled ? "on" : "off"); }},
    {"PROXY_CACHE_DIR",
     {},
     Group::store,
     "DIRECTORY",
     "cache in PROXY_SPOOL_DIR",
     "Where it is kept on disk",
     [](Draft& d, V v) {
       d.settings.store.dir = v;
       return Refusal{};
     },
     [](S s) { return s.store.dir.string(); }},
    {"PROXY_CACHE_SIZE",
     {},
     Group::store,
     "BYTES",
     "2GiB",
     "Bytes of disk it may use",
     [](Draft& d, V v) { return set_bytes(d.settings.store.size_max_bytes, v, kSpoolSizeMin, kSpoolSizeMax); },
     [](S s) { return fmt::to_string(s.store.size_max_bytes); }},

    // Service
    {"PROXY_HTTP_PORT",
     {},
     Group::service,
     "PORT",
     "9191",
     "Port of /health, /ready and /metrics; 0: any free one",
     [](Draft& d, V v) { return set_count(d.settings.admin.port, v, 0, 65535); },
     [](S s) { return fmt::to_string(s.admin.port); }},
    {"PROXY_HTTP_ADDRESS",
     {},
     Group::service,
     "ADDRESS",
     "127.0.0.1",
     "Address it listens on; 0.0.0.0 or :: for all",
     [](Draft& d, V v) { return set_ip_address(d.settings.admin.address, v); },
     [](S s) { return s.admin.address; }},
    {"PROXY_LOG_LEVEL",
     {"LOG_LEVEL", ""},
     Group::service,
     "LEVEL",
     "info",
     "trace, debug, info, warn or error",
     [](Draft& d, V v) { return set_log_level(d.settings.log.level, v); },
     [](S s) { return s.log.level; }},
    {"PROXY_LOG_FORMAT",
     {"LOG_FORMAT", ""},
     Group::service,
     "FORMAT",
     "text",
     "text or json",
     [](Draft& d, V v) { return set_log_format(d.settings.log.format, v); },
     [](S s) { return string(to_string(s.log.format)); }},
    {"PROXY_SHUTDOWN_TIMEOUT",
     {"SHUTDOWN_TIMEOUT", ""},
     Group::service,
     "DURATION",
     "30s",
     "How long transfers may go on after SIGTERM",
     [](Draft& d, V v) {
       return set_duration(d.settings.shutdown_timeout, v, kShutdownTimeoutMin, kShutdownTimeoutMax);
     },
     [](S s) { return format_duration(s.shutdown_timeout); }},
};

}  // namespace

std::span<const Variable> variables() {
  // In the order in which people read it.
  static const std::vector<Variable> all = [] {
    std::vector<Variable> rows(std::begin(kBeforeRegistry), std::end(kBeforeRegistry));
    for (const auto part : {registry_variables(), std::span<const Variable>(kAfterRegistry)})
      rows.insert(rows.end(), part.begin(), part.end());
    return rows;
  }();
  return all;
}

}  // namespace propeller::config
