#include "config/site_file.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "config/parse.hpp"
#include "config/rule_text.hpp"
#include "config/setters.hpp"
#include "config/site_headers.hpp"
#include "config/site_mirror.hpp"
#include "config/site_second_tier.hpp"
#include "config/site_setters.hpp"
#include "config/yaml_section.hpp"

namespace propeller::config {

namespace {

constexpr std::size_t kCaFilesMax = 64;
constexpr std::chrono::milliseconds kCacheTtlMax = std::chrono::days(365);
constexpr std::chrono::milliseconds kPrivateTtlMax = std::chrono::hours(24);
constexpr std::chrono::milliseconds kTagWindowMax = std::chrono::hours(24);

using V = const std::string&;

/// Adds to a list what passes `check`; the same entry twice is one.
YamlSection::Set add_to(std::vector<std::string>& to, Refusal (*check)(V)) {
  return [&to, check](V value) -> Refusal {
    if (auto refusal = check(value)) return refusal;
    if (std::ranges::find(to, value) == to.end()) to.push_back(value);
    return std::nullopt;
  };
}

void read_listen(YamlSection& section, std::string_view name, std::vector<Endpoint>& to) {
  const auto port = to.front().port;
  std::vector<Endpoint> given;
  section.list(name, kListenersMax, [&](V value) -> Refusal {
    Endpoint endpoint{.address = {}, .port = port};
    if (auto refusal = set_endpoint(endpoint, value)) return refusal;
    given.push_back(endpoint);
    return std::nullopt;
  });
  if (!given.empty()) to = std::move(given);
}

void read_timeouts(YamlSection& section, ForwardTimeouts& to) {
  const auto timeout = [&](std::string_view name, std::chrono::milliseconds& value) {
    section.value(name, [&](V v) { return set_timeout(value, v); });
  };
  timeout("read_timeout", to.read);
  timeout("write_timeout", to.write);
  timeout("connect_timeout", to.connect);
  timeout("first_byte_timeout", to.first_byte);
  timeout("idle_timeout", to.idle);
  timeout("tunnel_idle_timeout", to.tunnel_idle);
}

void read_proxy(YamlSection section, Forward& forward) {
  auto& to = forward.proxy;
  std::uint16_t port = to.listen.front().port;
  section.value("port", [&](V v) { return set_count(port, v, 1, 65535); });
  section.value("api_port", [&](V v) { return set_count(forward.api.listen.port, v, 1, 65535); });
  for (auto& endpoint : to.listen) endpoint.port = port;
  read_listen(section, "listen", to.listen);
  section.boolean("open", to.is_open);
  section.value("users", [&](V v) { return set_readable_file(to.users, v); });
  section.list("allow_targets", kListEntriesMax, add_to(to.allow_targets, check_address_or_range));
  section.list("proxy_protocol", kListEntriesMax, add_to(to.proxy_protocol, check_address_or_range));
  section.value("upstream", [&](V v) { return set_upstream(to.upstream, v); });
  section.list("no_proxy", kListEntriesMax, [&](V v) -> Refusal {
    for (const auto& entry : split_list(v)) {
      if (auto refusal = add_to(to.no_proxy, check_no_proxy)(entry)) return refusal;
    }
    return std::nullopt;
  });
  if (!to.no_proxy.empty() && !to.upstream) {
    section.report().warning(section.line_of("no_proxy"), section.path_of("no_proxy"),
                             "not used without proxy.upstream");
  }
  auto bandwidth = section.section("bandwidth");
  bandwidth.value("total", [&](V v) { return set_size(to.bandwidth.total, v, 0); });
  bandwidth.value("per_client", [&](V v) { return set_size(to.bandwidth.per_client, v, 0); });
  bandwidth.finish();
  read_timeouts(section, to.timeouts);
  section.finish();
}

void read_tls(YamlSection section, ForwardTls& to) {
  section.value("cert_dir", [&](V v) -> Refusal {
    if (v.empty()) return "a directory is needed";
    return set_directory(to.cert_dir, v);
  });
  section.list("upstream_ca", kCaFilesMax, [&](V v) -> Refusal {
    std::filesystem::path file;
    if (auto refusal = set_readable_file(file, v)) return refusal;
    to.upstream_ca.push_back(std::move(file));
    return std::nullopt;
  });
  section.list("insecure_hosts", kListEntriesMax, add_to(to.insecure_hosts, check_domain_pattern));
  section.list("passthrough", kListEntriesMax, add_to(to.passthrough, check_domain_pattern));
  section.boolean("learn_passthrough", to.is_passthrough_learned);
  for (const auto& host : to.insecure_hosts) {
    section.report().warning(section.line_of("insecure_hosts"), section.path_of("insecure_hosts"),
                             fmt::format("anybody in between can pose as {}", host));
  }
  section.finish();
}

void read_allowlist(YamlSection section, AllowList& to) {
  section.boolean("enabled", to.is_enabled);
  section.list("domains", kListEntriesMax, add_to(to.domains, check_domain_pattern));
  section.list("ips", kListEntriesMax, add_to(to.ips, check_address_or_range));
  section.finish();
}

void read_logging(YamlSection section, ForwardLog& to) {
  section.value("level", [&](V v) { return set_log_level(to.level, v); });
  section.value("format", [&](V v) { return set_log_format(to.format, v); });
  section.value("file", [&](V v) { return set_directory(to.file, v); });
  bool is_body_wanted = false;
  section.boolean("include_body", is_body_wanted);
  if (is_body_wanted) {
    section.report().warning(section.line_of("include_body"), section.path_of("include_body"),
                             "bodies are never logged; recording.max_body_size keeps them");
  }
  section.finish();
}

void read_cache(YamlSection section, Cache& to) {
  section.boolean("enabled", to.is_enabled);
  section.value("dir", [&](V v) { return set_directory(to.dir, v); });
  section.value("max_size", [&](V v) { return set_size(to.size_max_bytes, v, to.is_enabled ? 1 : 0); });
  section.value("max_object", [&](V v) { return set_size(to.object_size_max_bytes, v, 0); });
  section.value("min_free", [&](V v) { return set_size(to.disk_free_min_bytes, v, 0); });
  section.value("policy", [&](V v) { return set_policy(to.policy, v); });
  section.boolean("content_aware", to.is_content_aware);
  section.boolean("http", to.are_http_rules_on);
  section.list("packs", kListEntriesMax, [&](V v) { return add_pack(to.packs, v); });
  if (!to.packs.empty() && !to.are_http_rules_on)
    section.report().warning(section.line_of("packs"), section.path_of("packs"), "not used with cache.http off");
  section.value("ttl", [&](V v) { return set_duration(to.ttl_max, v, std::chrono::milliseconds(0), kCacheTtlMax); });
  section.value("private", [&](V v) { return set_private_content(to.private_content, v); });
  section.value("private_ttl",
                [&](V v) { return set_duration(to.private_ttl, v, std::chrono::milliseconds(0), kPrivateTtlMax); });
  section.value("tag_window",
                [&](V v) { return set_duration(to.tag_window, v, std::chrono::milliseconds(0), kTagWindowMax); });
  section.boolean("compression", to.is_text_compressed);
  const bool has_patterns = section.take("patterns") != nullptr;
  std::vector<std::string> patterns;
  section.list("patterns", kCachePatternsMax, [&](V v) -> Refusal {
    if (auto refusal = check_expression(v)) return refusal;
    patterns.push_back(v);
    return std::nullopt;
  });
  // An empty list means the usual ones, as it does for existing files; content_aware needs none.
  const bool is_default = patterns.empty() && !(has_patterns && to.is_content_aware);
  to.patterns = is_default ? registry_patterns() : std::move(patterns);
  if (to.is_enabled && to.dir.empty())
    section.report().error(section.line_of("dir"), section.path_of("dir"), "a directory is needed");
  read_second_tier(section.section("second_tier"), to.second_tier);
  if (!to.is_enabled && !to.second_tier.empty())
    section.report().warning(section.line_of("second_tier"), section.path_of("second_tier"),
                             "not used without cache.enabled: true");
  section.finish();
}

void read_recording(YamlSection section, Recording& to) {
  section.boolean("enabled", to.is_enabled);
  section.value("dir", [&](V v) { return set_directory(to.dir, v); });
  section.value("max_body_size", [&](V v) { return set_size_or_all(to.body_size_max_bytes, v); });
  section.value("max_size", [&](V v) { return set_size(to.size_max_bytes, v, base::kMiB); });
  section.value("max_days", [&](V v) { return set_count(to.days_max, v, 1, kRecordingDaysMax); });
  section.boolean("streams", to.are_streams_kept);
  if (to.are_streams_kept) {
    section.report().warning(section.line_of("streams"), section.path_of("streams"),
                             "what passes through WebSockets is written down with the secrets in it");
  }
  if (to.is_enabled && to.dir.empty())
    section.report().error(section.line_of("dir"), section.path_of("dir"), "a directory is needed");
  section.finish();
}

void read_api(YamlSection section, Api& to) {
  section.value("listen", [&](V v) { return set_endpoint(to.listen, v); });
  section.value("auth", [&](V v) { return set_api_auth(to.auth, v); });
  section.value("token_file", [&](V v) { return set_directory(to.token_file, v); });
  section.finish();
}

}  // namespace

std::vector<std::string> registry_patterns() {
  return {"^/v2/.*/blobs/sha256:.*", "^/v2/.*/manifests/sha256:.*", "^/registry-v2/docker/registry/v2/blobs/sha256/",
          "^/v2/.*/(blobs|manifests)/sha512:.*"};
}

SiteSections read_site(const YamlNode& root, const std::string& file, Forward& to, Problems& problems) {
  YamlReport report(file, problems);
  YamlSection site(&root, "", report);
  site.value("threads", [&](V v) { return set_count(to.threads, v, 0, kThreadsMax); });
  read_proxy(site.section("proxy"), to);
  read_tls(site.section("tls"), to.tls);
  read_allowlist(site.section("allowlist"), to.rules.allowlist);
  read_headers(site.section("headers"), to.rules.headers);
  read_logging(site.section("logging"), to.log);
  read_cache(site.section("cache"), to.cache);
  read_mirror(site.section("mirror"), to.mirror);
  read_recording(site.section("recording"), to.recording);
  read_api(site.section("api"), to.api);
  site.finish();
  return {.has_proxy = site.has("proxy") || site.has("mirror"), .has_cache = site.has("cache")};
}

}  // namespace propeller::config
