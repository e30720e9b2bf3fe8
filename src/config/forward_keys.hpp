#pragma once

#include <string_view>

#include "config/forward_settings.hpp"

namespace propeller::config {

/// When another value of a key is in force.
enum class TakesEffect { at_once, at_restart };

/// Every key of docs/configuration.md once: visit(name, TakesEffect, get), where get(settings) is the key's value, to
/// read or to write. A key that is a table for the user may be one value here.
template <class Visit>
void for_each_key(const Visit& visit) {
  constexpr auto kAtOnce = TakesEffect::at_once, kAtRestart = TakesEffect::at_restart;
  visit("threads", kAtRestart, [](auto& f) -> auto& { return f.threads; });
  visit("proxy.listen", kAtRestart, [](auto& f) -> auto& { return f.proxy.listen; });
  visit("proxy.open", kAtOnce, [](auto& f) -> auto& { return f.proxy.is_open; });
  visit("proxy.users", kAtOnce, [](auto& f) -> auto& { return f.proxy.users; });
  visit("proxy.proxy_protocol", kAtOnce, [](auto& f) -> auto& { return f.proxy.proxy_protocol; });
  visit("proxy.allow_targets", kAtOnce, [](auto& f) -> auto& { return f.proxy.allow_targets; });
  visit("proxy.upstream", kAtRestart, [](auto& f) -> auto& { return f.proxy.upstream; });
  visit("proxy.no_proxy", kAtRestart, [](auto& f) -> auto& { return f.proxy.no_proxy; });
  visit("proxy.bandwidth.total", kAtRestart, [](auto& f) -> auto& { return f.proxy.bandwidth.total; });
  visit("proxy.bandwidth.per_client", kAtRestart, [](auto& f) -> auto& { return f.proxy.bandwidth.per_client; });
  visit("proxy.read_timeout", kAtRestart, [](auto& f) -> auto& { return f.proxy.timeouts.read; });
  visit("proxy.write_timeout", kAtRestart, [](auto& f) -> auto& { return f.proxy.timeouts.write; });
  visit("proxy.connect_timeout", kAtRestart, [](auto& f) -> auto& { return f.proxy.timeouts.connect; });
  visit("proxy.first_byte_timeout", kAtRestart, [](auto& f) -> auto& { return f.proxy.timeouts.first_byte; });
  visit("proxy.idle_timeout", kAtRestart, [](auto& f) -> auto& { return f.proxy.timeouts.idle; });
  visit("proxy.tunnel_idle_timeout", kAtRestart, [](auto& f) -> auto& { return f.proxy.timeouts.tunnel_idle; });
  visit("tls.cert_dir", kAtRestart, [](auto& f) -> auto& { return f.tls.cert_dir; });
  visit("tls.upstream_ca", kAtRestart, [](auto& f) -> auto& { return f.tls.upstream_ca; });
  visit("tls.insecure_hosts", kAtRestart, [](auto& f) -> auto& { return f.tls.insecure_hosts; });
  visit("tls.passthrough", kAtOnce, [](auto& f) -> auto& { return f.tls.passthrough; });
  visit("tls.learn_passthrough", kAtOnce, [](auto& f) -> auto& { return f.tls.is_passthrough_learned; });
  visit("allowlist", kAtOnce, [](auto& f) -> auto& { return f.rules.allowlist; });
  visit("headers", kAtOnce, [](auto& f) -> auto& { return f.rules.headers; });
  visit("cache.enabled", kAtRestart, [](auto& f) -> auto& { return f.cache.is_enabled; });
  visit("cache.dir", kAtRestart, [](auto& f) -> auto& { return f.cache.dir; });
  visit("cache.max_size", kAtRestart, [](auto& f) -> auto& { return f.cache.size_max_bytes; });
  visit("cache.max_object", kAtRestart, [](auto& f) -> auto& { return f.cache.object_size_max_bytes; });
  visit("cache.min_free", kAtRestart, [](auto& f) -> auto& { return f.cache.disk_free_min_bytes; });
  visit("cache.policy", kAtRestart, [](auto& f) -> auto& { return f.cache.policy; });
  visit("cache.patterns", kAtOnce, [](auto& f) -> auto& { return f.cache.patterns; });
  visit("cache.content_aware", kAtOnce, [](auto& f) -> auto& { return f.cache.is_content_aware; });
  visit("cache.http", kAtOnce, [](auto& f) -> auto& { return f.cache.are_http_rules_on; });
  visit("cache.packs", kAtOnce, [](auto& f) -> auto& { return f.cache.packs; });
  visit("cache.ttl", kAtOnce, [](auto& f) -> auto& { return f.cache.ttl_max; });
  visit("cache.private", kAtOnce, [](auto& f) -> auto& { return f.cache.private_content; });
  visit("cache.private_ttl", kAtOnce, [](auto& f) -> auto& { return f.cache.private_ttl; });
  visit("cache.tag_window", kAtOnce, [](auto& f) -> auto& { return f.cache.tag_window; });
  visit("cache.compression", kAtOnce, [](auto& f) -> auto& { return f.cache.is_text_compressed; });
  visit("cache.second_tier", kAtRestart, [](auto& f) -> auto& { return f.cache.second_tier; });
  visit("mirror.enabled", kAtRestart, [](auto& f) -> auto& { return f.mirror.is_enabled; });
  visit("mirror.default", kAtRestart, [](auto& f) -> auto& { return f.mirror.default_name; });
  visit("mirror.upstreams", kAtRestart, [](auto& f) -> auto& { return f.mirror.upstreams; });
  visit("recording.enabled", kAtRestart, [](auto& f) -> auto& { return f.recording.is_enabled; });
  visit("recording.dir", kAtRestart, [](auto& f) -> auto& { return f.recording.dir; });
  visit("recording.max_body_size", kAtRestart, [](auto& f) -> auto& { return f.recording.body_size_max_bytes; });
  visit("recording.max_size", kAtRestart, [](auto& f) -> auto& { return f.recording.size_max_bytes; });
  visit("recording.max_days", kAtRestart, [](auto& f) -> auto& { return f.recording.days_max; });
  visit("recording.streams", kAtRestart, [](auto& f) -> auto& { return f.recording.are_streams_kept; });
  visit("api.listen", kAtRestart, [](auto& f) -> auto& { return f.api.listen; });
  visit("api.auth", kAtOnce, [](auto& f) -> auto& { return f.api.auth; });
  visit("api.token_file", kAtRestart, [](auto& f) -> auto& { return f.api.token_file; });
  visit("logging.level", kAtOnce, [](auto& f) -> auto& { return f.log.level; });
  visit("logging.format", kAtRestart, [](auto& f) -> auto& { return f.log.format; });
  visit("logging.file", kAtRestart, [](auto& f) -> auto& { return f.log.file; });
}

}  // namespace propeller::config
