#include "forward/registry_sender.hpp"

#include "forward/cache_matcher.hpp"
#include "forward/redirects.hpp"
#include "observe/log.hpp"

namespace propeller::forward {

namespace {

using Answer = Result<http::ClientResponse>;
using observe::kv;

constexpr int kUnauthorized = 401;
constexpr std::size_t kPassedOverBytesMax = 64 * 1024;

/// Of an answer that nobody gets: its connection serves again where it is short.
async::awaitable<void> pass_over(http::ClientResponse answer) {
  (void)co_await http::read_all(*answer.body, kPassedOverBytesMax);
}

std::string repository_in(std::string_view path) {
  const auto parsed = parse_registry_path(path.substr(0, path.find('?')));
  return parsed ? parsed->repository : std::string();
}

/// Registries and storage need not say what the client knows already; the store would have to.
void fill_digest(std::string_view path, http::ClientResponse& answer) {
  constexpr int kOk = 200, kPartialContent = 206;
  const auto parsed = parse_registry_path(path.substr(0, path.find('?')));
  const bool has_content = answer.status == kOk || answer.status == kPartialContent;
  if (!has_content || !parsed || answer.fields.contains("Docker-Content-Digest")) return;
  if (parsed->call != RegistryCall::blob && parsed->call != RegistryCall::manifest) return;
  if (const auto digest = digest_in_path("/" + parsed->reference))
    answer.fields.add("Docker-Content-Digest", digest->to_string());
}

}  // namespace

RegistrySender::RegistrySender(const async::asio::any_io_executor& executor, http::Client& client, Connector& connector,
                               PolicyPtr policy, std::shared_ptr<const MirrorTable> table)
    : client_(client), hops_(client, connector, std::move(policy)), table_(std::move(table)) {
  if (!table_) return;
  for (const auto& registry : table_->all()) logins_.try_emplace(registry.get(), executor, *registry, hops_);
}

async::awaitable<void> RegistrySender::stop() {
  for (auto& [registry, login] : logins_) co_await login.stop();
}

async::awaitable<Answer> RegistrySender::send(const http::Destination& destination, http::OutgoingRequest& request) {
  const auto* registry = table_ && !destination.tls_profile.empty() ? table_->find(destination.tls_profile) : nullptr;
  if (registry == nullptr) co_return co_await client_.send(destination, request);
  auto answer = co_await send_with_login(*registry, destination, request);
  if (!answer) co_return answer;
  registry->limit.note(answer->fields);
  if (is_redirect(answer->status)) answer = co_await follow(*registry, std::move(*answer), request);
  if (answer) fill_digest(request.path, *answer);
  co_return answer;
}

async::awaitable<Answer> RegistrySender::send_with_login(const MirrorRegistry& registry,
                                                         const http::Destination& destination,
                                                         http::OutgoingRequest& request) {
  if (request.fields.contains("Authorization")) co_return co_await client_.send(destination, request);
  auto& login = logins_.at(&registry);
  const auto repository = repository_in(request.path);
  const auto prepared = co_await login.prepare(repository);
  const auto sent = prepared.value_or("");
  if (!sent.empty()) request.fields.set("Authorization", sent);
  auto answer = co_await client_.send(destination, request);
  if (!answer || answer->status != kUnauthorized) co_return answer;
  const auto better = co_await login.answer(repository, answer->fields.joined("WWW-Authenticate"), sent);
  if (!better) {
    observe::log_warn("the mirror cannot log in", {kv("registry", registry.name), kv("repository", repository),
                                                   kv("reason", better.error().detail)});
  }
  if (!better || better->empty()) co_return answer;
  co_await pass_over(std::move(*answer));
  request.fields.set("Authorization", *better);
  co_return co_await client_.send(destination, request);
}

async::awaitable<Answer> RegistrySender::follow(const MirrorRegistry& registry, http::ClientResponse answer,
                                                const http::OutgoingRequest& request) {
  auto at = registry.origin;
  at.target = request.path;
  auto last = redirected(request, at, at);
  for (int count = 0; is_redirect(answer.status); ++count) {
    if (count == kRedirectsMax) co_return fail(Code::protocol_error, Origin::upstream, "too many redirects");
    auto next = redirect_target(at, answer.fields.find("Location").value_or(""));
    if (!next) co_return std::unexpected(next.error());
    co_await pass_over(std::move(answer));
    last = redirected(last, at, *next);
    auto got = co_await hops_.send(registry, *next, last);
    if (!got) co_return got;
    answer = std::move(*got);
    at = std::move(*next);
  }
  co_return std::move(answer);
}

}  // namespace propeller::forward
