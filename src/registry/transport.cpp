#include "registry/transport.hpp"

#include <charconv>

namespace propeller::registry {

namespace {

bool is_redirect(int status) {
  return status == 301 || status == 302 || status == 303 || status == 307 || status == 308;
}

}  // namespace

Transport::Transport(async::asio::any_io_executor executor, const config::Registry& settings, const HostPolicy& policy)
    : multi_(std::move(executor)), settings_(settings), policy_(policy) {}

async::awaitable<Attempt<std::unique_ptr<Exchange>>> Transport::send(SendRequest request) {
  for (int hops = 0;; ++hops) {
    if (auto allowed = policy_.check_name(request.url, request.pointer); !allowed) co_return give_up(allowed.error());
    auto lines = request.header_lines;
    if (!request.authorization.empty()) lines.push_back("Authorization: " + request.authorization);
    auto started = co_await start({.url = request.url,
                                   .pointer = request.pointer,
                                   .header_lines = std::move(lines),
                                   .form = request.form,
                                   .buffer_bytes = request.buffer_bytes});
    if (!started) co_return started;
    auto exchange = std::move(*started);
    if (!is_redirect(exchange->head().status)) co_return exchange;

    const std::string where = request.url.authority();
    if (!request.form.empty())
      co_return give_up(Code::registry_unavailable, Origin::upstream,
                        where + " redirects a request that carries credentials");
    if (hops == kRedirectsMax)
      co_return give_up(Code::registry_unavailable, Origin::upstream, where + " redirects for ever");
    auto next = resolve_url(request.url, exchange->head().field("location"));
    if (!next) co_return give_up(next.error());
    if (request.must_stay_encrypted && request.url.is_https() && !next->is_https()) {
      co_return give_up(Code::registry_unavailable, Origin::upstream, where + " redirects from https to http");
    }
    if (!next->has_same_origin(request.url)) request.authorization.clear();
    request.pointer = policy_.is_configured(request.url) ? Pointer::configured_registry : Pointer::other_registry;
    request.url = std::move(*next);
    co_await exchange->drain();
  }
}

// A name server that drops questions for IPv6 would otherwise keep us from the registry for good. The next attempt asks
// for IPv4 alone.
async::awaitable<Attempt<std::unique_ptr<Exchange>>> Transport::start(ExchangeRequest request) {
  const std::string host = request.url.host;
  request.is_ipv4_only = ipv4_names_.contains(host);
  auto exchange = std::make_unique<Exchange>(multi_, settings_, policy_, std::move(request));
  auto started = co_await exchange->start();
  if (started) co_return exchange;
  if (ipv4_names_.erase(host) == 0 && started.error().error.code == Code::timeout && exchange->is_without_address()) {
    if (ipv4_names_.size() == kIpv4NamesMax) ipv4_names_.clear();
    ipv4_names_.insert(host);
  }
  co_return std::unexpected(started.error());
}

async::awaitable<Attempt<std::string>> read_document(Exchange& exchange, std::size_t bytes_max,
                                                     std::chrono::milliseconds time_max) {
  const std::string where = exchange.url().authority();
  const auto too_large = [&] {
    return give_up(Code::too_large, Origin::upstream,
                   where + " sent a document of more than " + std::to_string(bytes_max) + " bytes");
  };
  const auto announced = exchange.head().field("content-length");
  std::uint64_t length = 0;
  if (std::from_chars(announced.data(), announced.data() + announced.size(), length).ec == std::errc{} &&
      length > bytes_max)
    co_return too_large();

  const auto deadline = std::chrono::steady_clock::now() + time_max;
  std::string document;
  for (;;) {
    const auto bytes = co_await exchange.read(bytes_max);
    if (!bytes) co_return std::unexpected(bytes.error());
    if (bytes->empty()) co_return document;
    if (document.size() + bytes->size() > bytes_max) co_return too_large();
    document.append(reinterpret_cast<const char*>(bytes->data()), bytes->size());
    if (std::chrono::steady_clock::now() > deadline) co_return try_again(Code::timeout, where + " sends too slowly");
  }
}

}  // namespace propeller::registry
