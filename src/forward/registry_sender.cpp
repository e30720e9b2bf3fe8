#include "forward/registry_sender.hpp"

#include "forward/cache_matcher.hpp"
#include "forward/redirects.hpp"
#include "observe/log.hpp"

namespace propeller::forward {

namespace {

using Answer = Result<http::ClientResponse>;
using observe::kv;

constexpr int kUnauthorized = 401;
std::string repository_in(std::string_view path) {
  const auto parsed = parse_registry_path(path.substr(0, path.find('?')));
  return parsed ? parsed->repository : std::string();
}

}  // namespace

RegistrySender::RegistrySender(const async::asio::any_io_executor& executor, http::Client& client, Connector& connector,
                               PolicyPtr policy, std::shared_ptr<const MirrorTable> table)
    : hops_(client, connector, std::move(policy)), table_(std::move(table)) {
  if (!table_) return;
  for (const auto& registry : table_->all()) logins_.try_emplace(registry.get(), executor, *registry, hops_);
}

async::awaitable<void> RegistrySender::stop() {
  for (auto& [registry, login] : logins_) co_await login.stop();
}

async::awaitable<Answer> RegistrySender::send(const http::Destination& destination, http::OutgoingRequest& request) {
  const auto* registry = table_ && !destination.tls_profile.empty() ? table_->find(destination.tls_profile) : nullptr;
  if (registry == nullptr) co_return co_await hops_.ask(destination, request);
  auto answer = co_await send_with_login(*registry, destination, request);
  if (!answer) co_return answer;
  registry->limit.note(answer->fields);
  if (is_redirect(answer->status)) {
    auto asked = registry->origin;
    asked.target = request.path;
    answer = co_await hops_.follow(registry, std::move(asked), std::move(*answer), request);
  }
  if (!answer) co_return answer;
  co_return co_await with_digest(request, std::move(*answer));
}

async::awaitable<Answer> RegistrySender::send_with_login(const MirrorRegistry& registry,
                                                         const http::Destination& destination,
                                                         http::OutgoingRequest& request) {
  if (request.fields.contains("Authorization")) co_return co_await hops_.ask(destination, request);
  auto& login = logins_.at(&registry);
  const auto repository = repository_in(request.path);
  const auto prepared = co_await login.prepare(repository);
  const auto sent = prepared.value_or("");
  if (!sent.empty()) request.fields.set("Authorization", sent);
  auto answer = co_await hops_.ask(destination, request);
  if (!answer || answer->status != kUnauthorized) co_return answer;
  const auto better = co_await login.answer(repository, answer->fields.joined("WWW-Authenticate"), sent);
  if (!better) {
    observe::log_warn("the mirror cannot log in", {kv("registry", registry.name), kv("repository", repository),
                                                   kv("reason", better.error().detail)});
  }
  if (!better || better->empty()) co_return answer;
  co_await pass_over(std::move(*answer));
  request.fields.set("Authorization", *better);
  co_return co_await hops_.ask(destination, request);
}

}  // namespace propeller::forward
