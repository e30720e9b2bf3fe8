#include "config/forward_show.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "config/parse.hpp"

namespace propeller::config {

namespace {

class Lines {
 public:
  void add(std::string_view key, std::string value) { lines_.emplace_back(key, std::move(value)); }
  void add(std::string_view key, std::string_view value) { add(key, std::string(value)); }
  void add(std::string_view key, const char* value) { add(key, std::string(value)); }
  void add(std::string_view key, bool value) { add(key, value ? "true" : "false"); }
  void add(std::string_view key, std::uint64_t value) { add(key, fmt::to_string(value)); }
  void add(std::string_view key, std::chrono::milliseconds value) { add(key, format_duration(value)); }
  void add(std::string_view key, const std::filesystem::path& value) { add(key, value.string()); }
  void add(std::string_view key, const Endpoint& value) { add(key, text_of(value)); }
  void add(std::string_view key, const std::vector<std::string>& values) {
    add(key, fmt::format("{}", fmt::join(values, ", ")));
  }
  template <class T>
  void add(std::string_view key, const std::vector<T>& values) {
    std::vector<std::string> texts;
    for (const auto& value : values) texts.push_back(text_of(value));
    add(key, texts);
  }
  std::vector<std::pair<std::string, std::string>> take() { return std::move(lines_); }

 private:
  static std::string text_of(const std::filesystem::path& path) { return path.string(); }
  static std::string text_of(const Endpoint& endpoint) {
    const bool is_v6 = endpoint.address.find(':') != std::string::npos;
    return fmt::format("{}{}{}:{}", is_v6 ? "[" : "", endpoint.address, is_v6 ? "]" : "", endpoint.port);
  }

  std::vector<std::pair<std::string, std::string>> lines_;
};

std::string show(const std::optional<UpstreamProxy>& upstream) {
  if (!upstream) return {};
  return fmt::format("{}://{}{}:{}", to_string(upstream->scheme), upstream->username.empty() ? "" : "***@",
                     upstream->host, upstream->port);
}

void show_proxy(const ForwardListener& proxy, Lines& lines) {
  lines.add("proxy.listen", proxy.listen);
  lines.add("proxy.open", proxy.is_open);
  lines.add("proxy.users", proxy.users);
  lines.add("proxy.allow_targets", proxy.allow_targets);
  lines.add("proxy.proxy_protocol", proxy.proxy_protocol);
  lines.add("proxy.upstream", show(proxy.upstream));
  lines.add("proxy.no_proxy", proxy.no_proxy);
  lines.add("proxy.bandwidth.total", proxy.bandwidth.total);
  lines.add("proxy.bandwidth.per_client", proxy.bandwidth.per_client);
  lines.add("proxy.read_timeout", proxy.timeouts.read);
  lines.add("proxy.write_timeout", proxy.timeouts.write);
  lines.add("proxy.connect_timeout", proxy.timeouts.connect);
  lines.add("proxy.first_byte_timeout", proxy.timeouts.first_byte);
  lines.add("proxy.idle_timeout", proxy.timeouts.idle);
  lines.add("proxy.tunnel_idle_timeout", proxy.timeouts.tunnel_idle);
}

void show_tls(const ForwardTls& tls, Lines& lines) {
  lines.add("tls.cert_dir", tls.cert_dir);
  lines.add("tls.upstream_ca", tls.upstream_ca);
  lines.add("tls.insecure_hosts", tls.insecure_hosts);
  lines.add("tls.passthrough", tls.passthrough);
  lines.add("tls.learn_passthrough", tls.is_passthrough_learned);
}

void show_rules(const RuntimeRules& rules, Lines& lines) {
  lines.add("allowlist.enabled", rules.allowlist.is_enabled);
  lines.add("allowlist.domains", rules.allowlist.domains);
  lines.add("allowlist.ips", rules.allowlist.ips);
  for (const auto& rule : rules.headers) {
    std::vector<std::string> names;
    for (const auto& each : rule.set) names.push_back(fmt::format("{}={}", each.name, each.value.masked()));
    for (const auto& each : rule.append) names.push_back(fmt::format("{}+={}", each.name, each.value.masked()));
    lines.add(fmt::format("headers[\"{}\"]", rule.pattern), names);
  }
}

void show_cache(const Cache& cache, Lines& lines) {
  lines.add("cache.enabled", cache.is_enabled);
  lines.add("cache.dir", cache.dir);
  lines.add("cache.max_size", cache.size_max_bytes);
  lines.add("cache.max_object", cache.object_size_max_bytes);
  lines.add("cache.min_free", cache.disk_free_min_bytes);
  lines.add("cache.policy", to_string(cache.policy));
  lines.add("cache.patterns", cache.patterns);
  lines.add("cache.content_aware", cache.is_content_aware);
}

void show_recording(const Recording& recording, Lines& lines) {
  lines.add("recording.enabled", recording.is_enabled);
  lines.add("recording.dir", recording.dir);
  lines.add("recording.max_body_size", fmt::to_string(recording.body_size_max_bytes));
  lines.add("recording.max_size", recording.size_max_bytes);
  lines.add("recording.max_days", std::uint64_t{recording.days_max});
}

}  // namespace

std::vector<std::pair<std::string, std::string>> show_forward(const Forward& settings) {
  Lines lines;
  lines.add("threads", std::uint64_t{settings.threads});
  show_proxy(settings.proxy, lines);
  show_tls(settings.tls, lines);
  show_rules(settings.rules, lines);
  show_cache(settings.cache, lines);
  show_recording(settings.recording, lines);
  lines.add("api.listen", settings.api.listen);
  lines.add("api.auth", to_string(settings.api.auth));
  lines.add("api.token_file", settings.api.token_file);
  lines.add("logging.level", settings.log.level);
  lines.add("logging.format", to_string(settings.log.format));
  lines.add("logging.file", settings.log.file);
  return lines.take();
}

}  // namespace propeller::config
