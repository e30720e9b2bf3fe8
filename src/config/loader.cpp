#include "config/loader.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <optional>

#include "config/forward_loader.hpp"
#include "config/identity_file.hpp"
#include "config/parse.hpp"
#include "config/setters.hpp"
#include "config/variables.hpp"

namespace propeller::config {

namespace {

using Values = std::map<std::string, std::string, std::less<>>;

constexpr std::string_view kPrefix = "PROXY_";
/// What carries a channel's message to deployed proplets is a packet of at most 10 MiB, base64 included.
constexpr std::uint64_t kChunkSizeDeployedMax = 7'800'000;
constexpr std::uint64_t kChannelMemoryWarning = 64 * base::kMiB;

std::string_view lookup(const auto& values, std::string_view name) {
  const auto found = values.find(name);
  return found == values.end() ? std::string_view() : std::string_view(found->second);
}

struct Found {
  std::string origin;
  std::string value;
};

class Loader {
 public:
  Loader(const Environment& environment, const Flags& flags, const Host& host)
      : environment_(environment), flags_(flags), host_(host) {}

  Loaded run() {
    read_file();
    for (const auto& variable : variables()) take(variable);
    warn_about_unknown();
    complete_identity();
    complete_channels();
    complete_registry();
    complete_stream();
    check_tls();
    loaded_.settings = std::move(draft_.settings);
    return std::move(loaded_);
  }

 private:
  void error(std::string text) { loaded_.problems.errors.push_back(std::move(text)); }
  void warning(std::string text) { loaded_.problems.warnings.push_back(std::move(text)); }

  /// The value in force, before config.toml. Names of one variable that disagree are told.
  std::optional<Found> find(const Variable& variable) {
    std::optional<Found> found;
    const auto look = [&](const auto& values, std::string name, bool is_general) {
      const auto value = lookup(values, name);
      if (value.empty()) return;
      if (!found) {
        found = Found{std::move(name), std::string(value)};
      } else if (found->value != value && !is_general) {
        warning(fmt::format("{} and {} are both set and differ: {} is used", found->origin, name, found->origin));
      }
    };
    for (const auto name : variable.names()) look(flags_, flag_of(name), false);
    if (found) return found;
    // LOG_LEVEL beside PROXY_LOG_LEVEL is not a contradiction: one is for every program, the other for this one.
    for (const auto name : variable.names()) look(environment_, std::string(name), !name.starts_with(kPrefix));
    return found;
  }

  void read_file() {
    const auto is_config_file = [](const Variable& variable) { return variable.name == "PROXY_CONFIG_FILE"; };
    const auto given = find(*std::find_if(variables().begin(), variables().end(), is_config_file));
    const std::filesystem::path file =
        given ? std::filesystem::path(given->value) : host_.working_directory / "config.toml";
    std::error_code ignored;
    if (!given && !std::filesystem::exists(file, ignored)) return;
    if (!std::filesystem::is_regular_file(file, ignored)) {
      if (given) error(fmt::format("{}={}: there is no such file", given->origin, show_value(given->value)));
      return;
    }
    file_name_ = file.lexically_normal().string();
    draft_.settings.config_file = file_name_;
    file_ = read_identity_file(file_name_, loaded_.problems);
  }

  void take(const Variable& variable) {
    auto found = find(variable);
    if (!found) {
      const auto value = lookup(file_, variable.name);
      if (!value.empty()) found = Found{file_name_, std::string(value)};
    }
    if (!found) return;
    loaded_.origins.emplace(variable.name, found->origin);
    const auto refusal = variable.set(draft_, found->value);
    if (!refusal) return;
    refused_.emplace_back(variable.name);
    const auto name = found->origin == file_name_ ? fmt::format("{} ({})", variable.name, file_name_) : found->origin;
    auto text = variable.is_secret ? fmt::format("{}: {}", name, *refusal)
                                   : fmt::format("{}={}: {}", name, show_value(found->value), *refusal);
    if (variable.group == Group::service) loaded_.service.errors.push_back(text);
    error(std::move(text));
  }

  [[nodiscard]] bool is_refused(std::string_view name) const {
    return std::find(refused_.begin(), refused_.end(), name) != refused_.end();
  }

  void warn_about_unknown() {
    std::vector<std::string_view> known;
    for (const auto& variable : variables()) {
      for (const auto name : variable.names()) known.push_back(name);
    }
    for (const auto& variable : forward_variables())
      known.insert(known.end(), variable.names.begin(), variable.names.end());
    for (const auto& [name, value] : environment_) {
      if (!name.starts_with(kPrefix) || std::find(known.begin(), known.end(), name) != known.end()) continue;
      const auto meant = suggest(name, known);
      auto text =
          fmt::format("unknown variable {}{}", name, meant.empty() ? "" : fmt::format("; did you mean {}?", meant));
      loaded_.service.warnings.push_back(text);
      warning(std::move(text));
    }
  }

  void complete_identity() {
    const bool wants_domain = std::any_of(draft_.families.begin(), draft_.families.end(),
                                          [](TopicFamily family) { return family != TopicFamily::classic; });
    std::vector<std::string> missing;
    std::vector<std::string> present;
    const auto need = [&](bool is_there, std::string_view name, std::string what) {
      if (is_refused(name)) return;
      if (is_there) {
        present.push_back(loaded_.origins.at(std::string(name)));
      } else {
        missing.push_back(std::move(what));
      }
    };
    need(!draft_.identity.empty(), "PROXY_PROPLET_ID",
         "the identity (PROXY_PROPLET_ID, PROXY_CLIENT_ID or PROXY_ENTITY_ID)");
    need(!draft_.settings.mqtt.password.empty(), "PROXY_PROPLET_KEY",
         "its key (PROXY_PROPLET_KEY, PROXY_CLIENT_KEY or PROXY_API_KEY)");
    need(!draft_.channels.empty(), "PROXY_CHANNEL_ID", "the channel (PROXY_CHANNEL_ID)");
    if (wants_domain)
      need(!draft_.tenant.empty(), "PROXY_DOMAIN_ID",
           "the domain that PROXY_TOPIC_FAMILY wants (PROXY_DOMAIN_ID or PROXY_TENANT_ID)");
    if (missing.empty()) return;
    error(fmt::format(
        "the set of ids is incomplete: missing is {}{}; set the variable, or give it in [proxy] of config.toml",
        fmt::join(missing, ", and "),
        present.empty() ? "" : fmt::format("; there is {}", fmt::join(present, " and "))));
  }

  /// One value for all channels, or one for each.
  template <class T>
  T value_for(const std::vector<T>& values, std::size_t channel, T fallback) const {
    if (values.empty()) return fallback;
    return values.size() == 1 ? values.front() : values[std::min(channel, values.size() - 1)];
  }

  void check_list_size(std::string_view name, std::size_t size) {
    if (size <= 1 || draft_.channels.empty() || size == draft_.channels.size()) return;
    error(fmt::format("{} lists {} values for {} channels: give one for all, or one for each", name, size,
                      draft_.channels.size()));
  }

  void complete_channels() {
    auto& settings = draft_.settings;
    check_list_size("PROXY_TOPIC_FAMILY", draft_.families.size());
    check_list_size("PROXY_CHANNEL_PROFILE", draft_.profiles.size());
    const auto usual_family = draft_.tenant.empty() ? TopicFamily::classic : TopicFamily::domain;
    for (std::size_t i = 0; i < draft_.channels.size(); ++i) {
      const auto family = value_for(draft_.families, i, usual_family);
      const auto profile = value_for(draft_.profiles, i, ChannelProfile::standard);
      const int usual_qos = family == TopicFamily::classic ? 1 : 2;
      settings.channels.push_back({.id = draft_.channels[i],
                                   .tenant = family == TopicFamily::classic ? std::string() : draft_.tenant,
                                   .family = family,
                                   .profile = profile,
                                   .qos = profile == ChannelProfile::embedded ? 0 : draft_.qos.value_or(usual_qos)});
    }
    const auto& channels = settings.channels;
    settings.mqtt.qos = draft_.qos.value_or(usual_family == TopicFamily::classic ? 1 : 2);
    const auto first_standard = std::find_if(channels.begin(), channels.end(), [](const Channel& channel) {
      return channel.profile == ChannelProfile::standard;
    });
    if (first_standard != channels.end()) {
      settings.mqtt.qos = first_standard->qos;
    } else if (!channels.empty()) {
      settings.mqtt.qos = 0;
    }
    settings.mqtt.username = draft_.identity;
    const bool is_classic = !channels.empty() && channels.front().family == TopicFamily::classic;
    settings.mqtt.client_id = is_classic ? "Proplet-" + draft_.identity : draft_.identity;
    for (const auto& channel : channels) {
      if (settings.mqtt.share_group.empty() || channel.family == TopicFamily::domain) continue;
      error(fmt::format(
          "PROXY_MQTT_SHARE_GROUP={}: not with {} channels ({}), whose clients take chunks in the order of arrival; "
          "allowed on domain channels",
          show_value(settings.mqtt.share_group), to_string(channel.family), channel.id));
      break;
    }
  }

  void complete_registry() {
    auto& registry = draft_.settings.registry;
    const bool has_login = !registry.username.empty() && !registry.password.empty();
    const bool has_any = !registry.username.empty() || !registry.password.empty() || !registry.token.empty();
    if (registry.is_authenticated) {
      if (!has_login && registry.token.empty()) {
        const auto missing = registry.username.empty() && registry.password.empty()
                                 ? "PROXY_REGISTRY_USERNAME and PROXY_REGISTRY_PASSWORD, or PROXY_REGISTRY_TOKEN"
                             : registry.username.empty() ? "PROXY_REGISTRY_USERNAME (or PROXY_REGISTRY_TOKEN instead)"
                                                         : "PROXY_REGISTRY_PASSWORD (or PROXY_REGISTRY_TOKEN instead)";
        error(fmt::format("PROXY_AUTHENTICATE is true, but there are no credentials: missing is {}", missing));
      }
      if (has_login && !registry.token.empty()) {
        warning("PROXY_REGISTRY_TOKEN and PROXY_REGISTRY_USERNAME are both set: the token is used");
      }
    } else if (has_any) {
      if (!is_refused("PROXY_AUTHENTICATE")) {
        warning("PROXY_REGISTRY_USERNAME, _PASSWORD or _TOKEN is set, but not used: PROXY_AUTHENTICATE is not true");
      }
      registry.username.clear();
      registry.password = Secret();
      registry.token = Secret();
    }
    complete_docker_config();
  }

  void complete_docker_config() {
    const bool is_given = !draft_.docker_config_dir.empty();
    const auto home = lookup(environment_, "HOME");
    if (!is_given && home.empty()) return;
    const auto directory =
        is_given ? std::filesystem::path(draft_.docker_config_dir) : std::filesystem::path(home) / ".docker";
    std::error_code ignored;
    if (std::filesystem::is_regular_file(directory / "config.json", ignored)) {
      draft_.settings.registry.docker_config = directory / "config.json";
    } else if (is_given) {
      warning(fmt::format("DOCKER_CONFIG={}: there is no config.json in this directory",
                          show_value(draft_.docker_config_dir)));
    }
  }

  void complete_stream() {
    auto& stream = draft_.settings.stream;
    if (stream.spool_dir.empty()) {
      const auto state = lookup(environment_, "STATE_DIRECTORY");
      const auto cache = lookup(environment_, "XDG_CACHE_HOME");
      const auto home = lookup(environment_, "HOME");
      if (!state.empty()) {
        stream.spool_dir = state.substr(0, state.find(':'));  // systemd lists several with colons
      } else if (!cache.empty()) {
        stream.spool_dir = std::filesystem::path(cache) / "propeller-proxy";
      } else if (host_.is_root) {
        stream.spool_dir = "/var/cache/propeller-proxy";
      } else if (!home.empty()) {
        stream.spool_dir = std::filesystem::path(home) / ".cache" / "propeller-proxy";
      } else {
        error("PROXY_SPOOL_DIR is not set, and there is no HOME to choose a directory in");
      }
    }
    auto& store = draft_.settings.store;
    if (store.dir.empty() && !stream.spool_dir.empty()) store.dir = stream.spool_dir / "cache";
    if (stream.image_size_max_bytes > stream.spool_size_bytes) {
      warning(fmt::format("PROXY_MAX_IMAGE_SIZE{} is more than PROXY_SPOOL_SIZE can hold: lowered to {}",
                          draft_.is_image_size_given ? "" : " (default)", base::format_bytes(stream.spool_size_bytes)));
      stream.image_size_max_bytes = stream.spool_size_bytes;
    }
    if (stream.chunk_size_bytes > kChunkSizeDeployedMax) {
      warning(fmt::format(
          "PROXY_CHUNK_SIZE={}: deployed proplets refuse messages over 10 MiB, which {} bytes become in base64; "
          "at most {} is safe",
          stream.chunk_size_bytes, stream.chunk_size_bytes, kChunkSizeDeployedMax));
    }
    if (const auto memory = stream.chunk_size_bytes * stream.channel_capacity; memory > kChannelMemoryWarning) {
      warning(fmt::format("PROXY_CHUNK_SIZE times PROXY_CHANNEL_CAPACITY is {} of memory", base::format_bytes(memory)));
    }
  }

  void check_tls() {
    const auto& mqtt = draft_.settings.mqtt;
    const auto& tls = mqtt.tls;
    if (tls.client_cert.empty() != tls.client_key.empty() && !is_refused("PROXY_MQTT_TLS_CLIENT_CERT") &&
        !is_refused("PROXY_MQTT_TLS_CLIENT_KEY")) {
      error(tls.client_key.empty() ? "PROXY_MQTT_TLS_CLIENT_CERT is set without PROXY_MQTT_TLS_CLIENT_KEY"
                                   : "PROXY_MQTT_TLS_CLIENT_KEY is set without PROXY_MQTT_TLS_CLIENT_CERT");
    }
    const auto scheme = std::string_view(mqtt.address).substr(0, mqtt.address.find(':'));
    const bool is_tls = scheme == "ssl" || scheme == "mqtts" || scheme == "wss";
    if (!is_tls && (!tls.ca_cert.empty() || !tls.client_cert.empty() || tls.is_verification_skipped)) {
      warning(fmt::format("PROXY_MQTT_TLS_... is set, but {} is not encrypted: use ssl://, mqtts:// or wss://",
                          mqtt.address));
    }
    if (is_tls && tls.is_verification_skipped) {
      warning("PROXY_MQTT_TLS_INSECURE_SKIP_VERIFY is true: anybody in between can pose as the broker");
    }
  }

  const Environment& environment_;
  const Flags& flags_;
  const Host& host_;
  Loaded loaded_;
  Draft draft_;
  Values file_;
  std::string file_name_;
  std::vector<std::string> refused_;
};

}  // namespace

Loaded load(const Environment& environment, const Flags& flags, const Host& host) {
  return Loader(environment, flags, host).run();
}

}  // namespace propeller::config
