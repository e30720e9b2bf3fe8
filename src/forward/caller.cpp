#include "forward/caller.hpp"

#include <algorithm>

#include "base/digest.hpp"
#include "forward/cache_matcher.hpp"
#include "forward/registry_path.hpp"
#include "http/syntax.hpp"

namespace propeller::forward {

namespace {

bool is_credential(const http::Field& field, const std::vector<std::string>& secret_fields) {
  const auto is_same = [&](std::string_view name) { return http::equals_ignoring_case(name, field.name); };
  return carries_credentials(std::span(&field, 1)) || std::ranges::any_of(secret_fields, is_same);
}

/// "https://host/v2/acme/m" of everything in that repository. A name that is none ("a%2f..%2fb") may mean another one
/// to the registry, and a query may be what gives access: those are by themselves.
std::string scope_of(std::string_view url) {
  const auto host_at = std::min(url.find("://"), url.size() - 3) + 3;
  const auto path_at = std::min(url.find('/', host_at), url.size());
  const auto path = url.substr(path_at, url.find('?', path_at) - path_at);
  const auto registry = parse_registry_path(path);
  const bool is_by_itself =
      !registry || registry->repository.empty() || !check_names(*registry) || url.find('?') != std::string_view::npos;
  if (is_by_itself) return std::string(url);
  return std::string(url.substr(0, path_at)).append("/v2/").append(registry->repository);
}

}  // namespace

Caller caller_of(const CallersQuestion& question) {
  Caller caller;
  if (carries_credentials(question.asked)) {
    caller.login = Caller::Login::callers;
  } else if (!question.own_login.empty() || !question.secret_fields.empty() || carries_credentials(question.sent)) {
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
    if (!is_credential(field, question.secret_fields)) continue;
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
