#include "config/forward_changes.hpp"

#include <array>

namespace propeller::config {

namespace {

/// One key, or some keys that are one value for us.
struct Key {
  std::string_view name;
  bool is_hot;
  bool (*is_same)(const Forward& a, const Forward& b);
  void (*take)(Forward& to, const Forward& from);  ///< of what needs a restart
};

using F = const Forward&;

template <class Get>
constexpr Key hot(std::string_view name, Get /*field*/) {
  return {name, true, [](F a, F b) { return Get{}(a) == Get{}(b); }, nullptr};
}

template <class Get>
constexpr Key cold(std::string_view name, Get /*field*/) {
  return {name, false, [](F a, F b) { return Get{}(a) == Get{}(b); },
          [](Forward& to, F from) { Get{}(to) = Get{}(from); }};
}

constexpr std::array kKeys{
    cold("threads", [](auto& f) -> auto& { return f.threads; }),
    cold("proxy.listen", [](auto& f) -> auto& { return f.proxy.listen; }),
    hot("proxy.open", [](auto& f) -> auto& { return f.proxy.is_open; }),
    hot("proxy.users", [](auto& f) -> auto& { return f.proxy.users; }),
    hot("proxy.proxy_protocol", [](auto& f) -> auto& { return f.proxy.proxy_protocol; }),
    hot("proxy.allow_targets", [](auto& f) -> auto& { return f.proxy.allow_targets; }),
    cold("proxy.upstream", [](auto& f) -> auto& { return f.proxy.upstream; }),
    cold("proxy.no_proxy", [](auto& f) -> auto& { return f.proxy.no_proxy; }),
    cold("proxy.bandwidth", [](auto& f) -> auto& { return f.proxy.bandwidth; }),
    cold("proxy timeouts", [](auto& f) -> auto& { return f.proxy.timeouts; }),
    cold("tls.cert_dir", [](auto& f) -> auto& { return f.tls.cert_dir; }),
    cold("tls.upstream_ca", [](auto& f) -> auto& { return f.tls.upstream_ca; }),
    cold("tls.insecure_hosts", [](auto& f) -> auto& { return f.tls.insecure_hosts; }),
    hot("tls.passthrough", [](auto& f) -> auto& { return f.tls.passthrough; }),
    hot("tls.learn_passthrough", [](auto& f) -> auto& { return f.tls.is_passthrough_learned; }),
    hot("allowlist", [](auto& f) -> auto& { return f.rules.allowlist; }),
    hot("headers", [](auto& f) -> auto& { return f.rules.headers; }),
    cold("cache.enabled", [](auto& f) -> auto& { return f.cache.is_enabled; }),
    cold("cache.dir", [](auto& f) -> auto& { return f.cache.dir; }),
    cold("cache.max_size", [](auto& f) -> auto& { return f.cache.size_max_bytes; }),
    cold("cache.max_object", [](auto& f) -> auto& { return f.cache.object_size_max_bytes; }),
    cold("cache.min_free", [](auto& f) -> auto& { return f.cache.disk_free_min_bytes; }),
    cold("cache.policy", [](auto& f) -> auto& { return f.cache.policy; }),
    hot("cache.patterns", [](auto& f) -> auto& { return f.cache.patterns; }),
    hot("cache.content_aware", [](auto& f) -> auto& { return f.cache.is_content_aware; }),
    cold("recording.enabled", [](auto& f) -> auto& { return f.recording.is_enabled; }),
    cold("recording.dir", [](auto& f) -> auto& { return f.recording.dir; }),
    cold("recording.max_body_size", [](auto& f) -> auto& { return f.recording.body_size_max_bytes; }),
    cold("recording.max_size", [](auto& f) -> auto& { return f.recording.size_max_bytes; }),
    cold("recording.max_days", [](auto& f) -> auto& { return f.recording.days_max; }),
    cold("api.listen", [](auto& f) -> auto& { return f.api.listen; }),
    hot("api.auth", [](auto& f) -> auto& { return f.api.auth; }),
    cold("api.token_file", [](auto& f) -> auto& { return f.api.token_file; }),
    hot("logging.level", [](auto& f) -> auto& { return f.log.level; }),
    cold("logging.format", [](auto& f) -> auto& { return f.log.format; }),
    cold("logging.file", [](auto& f) -> auto& { return f.log.file; }),
};

}  // namespace

ForwardChanges compare(const Forward& before, const Forward& after) {
  ForwardChanges changes;
  for (const auto& key : kKeys) {
    if (!key.is_same(before, after)) (key.is_hot ? changes.applied : changes.needs_restart).push_back(key.name);
  }
  return changes;
}

Forward keep_until_restart(const Forward& before, Forward after) {
  for (const auto& key : kKeys) {
    if (!key.is_hot) key.take(after, before);
  }
  return after;
}

}  // namespace propeller::config
