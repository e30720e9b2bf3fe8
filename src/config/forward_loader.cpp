#include "config/forward_loader.hpp"

#include <fmt/format.h>

#include <fstream>
#include <iterator>
#include <optional>

#include "config/parse.hpp"
#include "config/setters.hpp"
#include "config/site_setters.hpp"
#include "config/workspace_file.hpp"

namespace propeller::config {

namespace {

constexpr std::array<ForwardVariable, 8> kVariables{{
    {{"CONFIG_FILE", ""}, "--config", "FILE", "propeller-proxy.yaml if there is one", "The site's configuration file"},
    {{"PROXY_WORKSPACE", ""},
     "--workspace",
     "DIRECTORY",
     "none",
     "Lays .discobot/proxy/config.yaml or .propeller/proxy.yaml of it over that file, as far as it can be harmless"},
    {{"PROXY_TRUST_WORKSPACE", ""},
     "--trust-workspace",
     "BOOL",
     "false",
     "The workspace's file may say everything: headers, allow-list, directories, who is served",
     true},
    {{"PROXY_PORT", ""}, "--proxy-port", "PORT", "17080", "Port of the forward proxy; 0: any free one"},
    {{"PROXY_API_PORT", "API_PORT"}, "--api-port", "PORT", "17081", "Port of its API; 0: any free one"},
    {{"PROXY_CERT_DIR", "CERT_DIR"},
     "--cert-dir",
     "DIRECTORY",
     "./certs",
     "Where its certificate authority is kept; without any file in the state directory"},
    {{"PROXY_LOG_LEVEL", "LOG_LEVEL"}, "--log-level", "LEVEL", "info", "trace, debug, info, warn or error"},
    {{"PROXY_LOG_FORMAT", "LOG_FORMAT"}, "--log-format", "FORMAT", "text", "text or json"},
}};

struct Found {
  std::string origin;
  std::string value;
};

std::string_view lookup(const auto& values, std::string_view name) {
  const auto found = values.find(name);
  return found == values.end() ? std::string_view() : std::string_view(found->second);
}

/// The line of a key that several places decide about; 1 when it is not in the file.
std::size_t line_at(const YamlNode& root, std::string_view section, std::string_view key) {
  const auto* there = root.find(section);
  const auto* value = there == nullptr ? nullptr : there->find(key);
  return value != nullptr ? value->line : there != nullptr ? there->line : 1;
}

class ForwardLoader {
 public:
  ForwardLoader(const Environment& environment, const Flags& flags, const Host& host)
      : environment_(environment), flags_(flags), host_(host) {}

  ForwardLoaded run() {
    auto site = read_site_file();
    lay_workspace_over(std::move(site), loaded_.file.empty() ? loaded_.settings : Forward{});
    take_variables();
    check_ports();
    check_reach();
    auto& api = loaded_.settings.api;
    if (api.token_file.empty()) api.token_file = loaded_.settings.tls.cert_dir / "api.token";
    return std::move(loaded_);
  }

 private:
  void error(std::string text) { loaded_.problems.errors.push_back(std::move(text)); }

  /// About values that the file, the environment and defaults make together.
  void error_at(std::string_view section, std::string_view key, std::string_view what) {
    const auto place = loaded_.file.empty()
                           ? std::string()
                           : fmt::format("{}:{}: ", loaded_.file.string(), line_at(root_, section, key));
    error(fmt::format("{}{}.{}: {}", place, section, key, what));
  }

  std::optional<Found> find(std::string_view first_name) {
    for (const auto& variable : kVariables) {
      if (variable.names[0] != first_name) continue;
      if (const auto value = lookup(flags_, variable.flag); !value.empty())
        return Found{std::string(variable.flag), std::string(value)};
      for (const auto name : variable.names) {
        if (const auto value = lookup(environment_, name); !name.empty() && !value.empty())
          return Found{std::string(name), std::string(value)};
      }
    }
    return std::nullopt;
  }

  template <class Set>
  bool take(std::string_view name, Set set) {
    const auto found = find(name);
    if (!found) return false;
    if (const auto refusal = set(found->value))
      error(fmt::format("{}={}: {}", found->origin, show_value(found->value), *refusal));
    return true;
  }

  /// The site's file, and the built-in default when there is none.
  YamlNode read_site_file() {
    const auto given = find("CONFIG_FILE");
    const auto file = given ? std::filesystem::path(given->value) : host_.working_directory / kSiteFileName;
    std::error_code ignored;
    if (!given && !std::filesystem::exists(file, ignored)) {
      loaded_.settings = builtin_forward(environment_, host_);
      return {};
    }
    loaded_.file = file.lexically_normal();
    auto root =
        parse_file(loaded_.file, given ? fmt::format("{}={}", given->origin, show_value(given->value)) : file.string());
    if (!root) return {};
    warn_of_writers(loaded_.file);
    root_ = std::move(*root);
    loaded_.sections = read_site(root_, loaded_.file.string(), loaded_.settings, loaded_.problems);
    return root_;
  }

  /// Nothing when it is none; `name` is what the operator calls it.
  std::optional<YamlNode> parse_file(const std::filesystem::path& file, const std::string& name) {
    const auto refuse = [&](std::string_view why) {
      error(fmt::format("{}: {}", name, why));
      return std::nullopt;
    };
    std::error_code ignored;
    if (!std::filesystem::is_regular_file(file, ignored)) return refuse("there is no such file");
    std::ifstream stream(file, std::ios::binary);
    std::string text(kYamlBytesMax + 1, '\0');
    if (!stream) return refuse("the file cannot be read (permissions)");
    stream.read(text.data(), static_cast<std::streamsize>(text.size()));
    text.resize(static_cast<std::size_t>(stream.gcount()));
    auto root = parse_yaml(text);
    if (root) return std::move(*root);
    // "line 3: what" becomes "file:3: what".
    error(fmt::format("{}:{}", file.string(), std::string_view(root.error().detail).substr(5)));
    return std::nullopt;
  }

  /// `before`: the settings without any file. Each file is judged by itself first, so that a mistake has its place.
  void lay_workspace_over(YamlNode site, Forward before) {
    bool is_trusted = false;
    take("PROXY_TRUST_WORKSPACE", [&](const std::string& value) { return set_bool(is_trusted, value); });
    const auto given = find("PROXY_WORKSPACE");
    if (!given) return;
    std::error_code ignored;
    if (!std::filesystem::is_directory(given->value, ignored))
      return error(fmt::format("{}={}: there is no such directory", given->origin, show_value(given->value)));
    const auto file = find_workspace_file(given->value);
    if (!file) return;
    loaded_.workspace_file = *file;
    auto root = parse_file(*file, file->string());
    if (!root) return;
    YamlReport report(file->string(), loaded_.problems);
    if (is_trusted) {
      warn_of_writers(*file);
    } else {
      take_untrusted_keys_only(*root, report);
    }
    Forward alone = before;
    read_site(*root, file->string(), alone, loaded_.problems);
    if (!loaded_.problems.errors.empty()) return;
    Problems together;
    loaded_.settings = std::move(before);
    read_site(lay_over(std::move(site), *root),
              loaded_.file.empty() ? file->string() : fmt::format("{} over {}", file->string(), loaded_.file.string()),
              loaded_.settings, together);
    loaded_.problems.errors = std::move(together.errors);
  }

  /// Whoever writes the file decides whom we serve, and which hosts get which secrets.
  void warn_of_writers(const std::filesystem::path& file) {
    namespace fs = std::filesystem;
    std::error_code error;
    const auto mode = fs::status(file, error).permissions();
    if (error || (mode & fs::perms::others_write) == fs::perms::none) return;
    loaded_.problems.warnings.push_back(
        fmt::format("{}: everybody on this machine may change it (chmod o-w mends that)", file.string()));
  }

  void take_variables() {
    auto& settings = loaded_.settings;
    std::uint16_t port = 0;
    const bool is_port_set = take("PROXY_PORT", [&](const std::string& value) {
      auto refusal = set_count(port, value, 0, 65535);
      if (!refusal) {
        for (auto& endpoint : settings.proxy.listen) endpoint.port = port;
      }
      return refusal;
    });
    loaded_.is_port_given = is_port_set;
    take("PROXY_API_PORT", [&](const std::string& v) { return set_count(settings.api.listen.port, v, 0, 65535); });
    take("PROXY_CERT_DIR", [&](const std::string& v) { return set_directory(settings.tls.cert_dir, v); });
    take("PROXY_LOG_LEVEL", [&](const std::string& v) { return set_log_level(settings.log.level, v); });
    take("PROXY_LOG_FORMAT", [&](const std::string& v) { return set_log_format(settings.log.format, v); });
  }

  void check_ports() {
    const auto& settings = loaded_.settings;
    for (const auto& endpoint : settings.proxy.listen) {
      if (endpoint.port == 0 || endpoint.port != settings.api.listen.port) continue;
      return error_at("proxy", "api_port", fmt::format("{} is the port of the proxy too", endpoint.port));
    }
  }

  void check_reach() {
    const auto& proxy = loaded_.settings.proxy;
    if (proxy.is_open || !proxy.users.empty()) return;
    for (const auto& endpoint : proxy.listen) {
      if (is_loopback(endpoint.address)) continue;
      return error_at("proxy", "listen",
                      fmt::format("{} can be reached by others: give proxy.users (an htpasswd file), or say that "
                                  "everybody may use it with proxy.open: true",
                                  endpoint.address));
    }
  }

  const Environment& environment_;
  const Flags& flags_;
  const Host& host_;
  ForwardLoaded loaded_;
  YamlNode root_;
};

std::filesystem::path state_directory(const Environment& environment, const Host& host) {
  if (const auto state = lookup(environment, "STATE_DIRECTORY"); !state.empty())
    return state.substr(0, state.find(':'));  // systemd lists several with colons
  if (host.is_root) return "/var/lib/propeller-proxy";
  if (const auto state = lookup(environment, "XDG_STATE_HOME"); !state.empty())
    return std::filesystem::path(state) / "propeller-proxy";
  if (const auto home = lookup(environment, "HOME"); !home.empty())
    return std::filesystem::path(home) / ".local/state/propeller-proxy";
  return host.working_directory;
}

}  // namespace

std::span<const ForwardVariable> forward_variables() { return kVariables; }

Forward builtin_forward(const Environment& environment, const Host& host) {
  Forward forward;
  const auto state = state_directory(environment, host);
  forward.tls.cert_dir = state / "certs";
  forward.cache.is_enabled = true;
  forward.cache.dir = state / "cache";
  forward.cache.patterns = registry_patterns();
  forward.mirror.is_enabled = true;
  forward.recording.dir = state / "recordings";
  return forward;
}

ForwardLoaded load_forward(const Environment& environment, const Flags& flags, const Host& host) {
  return ForwardLoader(environment, flags, host).run();
}

}  // namespace propeller::config
