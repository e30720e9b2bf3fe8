#include "forward/caller.hpp"

#include <algorithm>

#include "base/digest.hpp"
#include "forward/cache_matcher.hpp"
#include "forward/registry_path.hpp"
#include "http/syntax.hpp"

namespace propeller::forward {

namespace {

bool is_credential(const http::Field& field) { return carries_credentials(std::span(&field, 1)); }

/// "https://host/v2/acme/m" of everything in that repository.
std::string scope_of(std::string_view url) {
  const auto host_at = std::min(url.find("://"), url.size() - 3) + 3;
  const auto path_at = std::min(url.find('/', host_at), url.size());
  const auto path = url.substr(path_at, url.find('?', path_at) - path_at);
  const auto registry = parse_registry_path(path);
  if (!registry || registry->repository.empty()) return std::string(url);
  return std::string(url.substr(0, path_at)).append("/v2/").append(registry->repository);
}

}  // namespace

Caller caller_of(const CallersQuestion& question) {
  Caller caller;
  if (carries_credentials(question.asked)) {
    caller.login = Caller::Login::callers;
  } else if (!question.own_login.empty() || carries_credentials(question.sent)) {
    caller.login = Caller::Login::own;
  }
  base::Sha256 hash;
  const auto add = [&](std::string_view text) {
    hash.update(text);
    hash.update(std::string_view("\0", 1));
  };
  add(scope_of(question.url));
  add(question.own_login);
  for (const auto& field : question.sent) {
    if (!is_credential(field)) continue;
    std::string name(field.name);
    std::ranges::transform(name, name.begin(), http::to_lower);
    add(name);
    add(field.value);
  }
  caller.name = hash.finish().hex();
  return caller;
}

// A blank is in no URL. What purges by URL takes these, too.
std::optional<std::string> private_key(std::string_view key, const Caller& caller, config::PrivateContent content) {
  constexpr std::string_view kMark = " private";
  if (content == config::PrivateContent::verify) return std::string(key).append(kMark);
  const bool is_for_these = content == config::PrivateContent::proxy_credentials && caller.login == Caller::Login::own;
  if (!is_for_these) return std::nullopt;
  return std::string(key).append(kMark).append(" ").append(caller.name);
}

}  // namespace propeller::forward
