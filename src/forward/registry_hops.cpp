#include "forward/registry_hops.hpp"

#include "base/digest.hpp"
#include "forward/cache_matcher.hpp"
#include "forward/redirects.hpp"
#include "forward/registry_path.hpp"
#include "registry/manifest.hpp"

namespace propeller::forward {

async::awaitable<Result<http::ClientResponse>> RegistryHops::ask(http::Destination destination,
                                                                 http::OutgoingRequest& request) const {
  connector_.route(destination, request);
  co_return co_await client_.send(destination, request);
}

async::awaitable<Result<http::ClientResponse>> RegistryHops::send(const MirrorRegistry* registry, const http::Uri& to,
                                                                  http::OutgoingRequest& request) const {
  const auto& access = policy_->access;
  const bool is_own = registry != nullptr && registry->is_at(to.host, to.port);
  const auto verdict = is_own ? access.check_configured_host(to.host) : access.check_host(to.host, to.port);
  if (!verdict.is_allowed) co_return fail(Code::not_allowed, Origin::client, std::string(verdict.reason));
  co_return co_await ask({.scheme = to.scheme,
                          .host = to.host,
                          .port = to.port,
                          .tls_profile = registry != nullptr ? registry->name : std::string()},
                         request);
}

async::awaitable<Result<http::ClientResponse>> RegistryHops::follow(const MirrorRegistry* registry, http::Uri at,
                                                                    http::ClientResponse answer,
                                                                    const http::OutgoingRequest& request) const {
  auto last = redirected(request, at, at);
  for (int count = 0; is_redirect(answer.status); ++count) {
    if (count == kRedirectsMax) co_return fail(Code::protocol_error, Origin::upstream, "too many redirects");
    auto next = redirect_target(at, answer.fields.find("Location").value_or(""));
    if (!next) co_return std::unexpected(next.error());
    co_await pass_over(std::move(answer));
    last = redirected(last, at, *next);
    auto got = co_await send(registry, *next, last);
    if (!got) co_return got;
    answer = std::move(*got);
    at = std::move(*next);
  }
  co_return std::move(answer);
}

async::awaitable<void> pass_over(http::ClientResponse answer) {
  constexpr std::size_t kPassedOverBytesMax = 64 * 1024;
  (void)co_await http::read_all(*answer.body, kPassedOverBytesMax);
}

async::awaitable<Result<http::ClientResponse>> with_digest(const http::OutgoingRequest& request,
                                                           http::ClientResponse answer) {
  constexpr int kOk = 200, kPartialContent = 206;
  const auto path = std::string_view(request.path).substr(0, request.path.find('?'));
  const auto parsed = parse_registry_path(path);
  const bool has_content = answer.status == kOk || answer.status == kPartialContent;
  if (!has_content || !parsed || answer.fields.contains("Docker-Content-Digest")) co_return std::move(answer);
  if (parsed->call != RegistryCall::blob && parsed->call != RegistryCall::manifest) co_return std::move(answer);
  if (const auto digest = digest_in_path("/" + parsed->reference)) {
    answer.fields.add("Docker-Content-Digest", digest->to_string());
    co_return std::move(answer);
  }
  const auto length = answer.body->length();
  const bool is_whole = answer.status == kOk && request.method == "GET" && !answer.fields.contains("Content-Encoding");
  if (!is_whole || !names_a_tag(path) || !length || *length > registry::kManifestBytesMax) co_return std::move(answer);
  auto manifest = co_await http::read_all(*answer.body, registry::kManifestBytesMax);
  if (!manifest) co_return std::unexpected(manifest.error());
  answer.fields.add("Docker-Content-Digest", base::sha256(*manifest).to_string());
  answer.body = std::make_unique<http::MemoryBody>(std::move(*manifest));
  co_return std::move(answer);
}

}  // namespace propeller::forward
