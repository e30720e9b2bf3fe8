#include "net/dialer.hpp"

#include <fmt/ostream.h>
#include <sys/socket.h>

#include <algorithm>
#include <boost/asio/redirect_error.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/this_coro.hpp>
#include <boost/asio/use_awaitable.hpp>

#include "net/socket_error.hpp"

namespace propeller::net {

namespace {

namespace asio = boost::asio;
using asio::ip::tcp;
using async::awaitable;
using boost::system::error_code;
using Clock = std::chrono::steady_clock;

struct Attempt {
  Attempt(const asio::any_io_executor& executor, const tcp::endpoint& to) : socket(executor), endpoint(to) {}
  tcp::socket socket;
  tcp::endpoint endpoint;
  bool is_over = false, is_connected = false;
};

/// The attempts of one dial; the reactor's handlers hold it too, and may come after the coroutine has gone.
struct Race : std::enable_shared_from_this<Race> {
  explicit Race(const asio::any_io_executor& executor) : wake(executor) {}

  void start(const tcp::endpoint& endpoint) {
    auto& attempt = *attempts.emplace_back(std::make_unique<Attempt>(wake.get_executor(), endpoint));
    error_code error;
    attempt.socket.open(endpoint.protocol(), error);
    if (!error) attempt.socket.non_blocking(true, error);
    if (!error) attempt.socket.set_option(tcp::no_delay(true), error);
    if (error) return end(attempt, error.value());
    // Not async_connect(): a socket that connects at once, as on loopback, costs no turn through the reactor.
    if (::connect(attempt.socket.native_handle(), endpoint.data(), static_cast<socklen_t>(endpoint.size())) == 0)
      return end(attempt, 0);
    if (errno != EINPROGRESS) return end(attempt, errno);
    attempt.socket.async_wait(tcp::socket::wait_write, [self = shared_from_this(), &attempt](const error_code& ended) {
      if (ended) return;  // the race is over
      int code = 0;
      socklen_t size = sizeof code;
      ::getsockopt(attempt.socket.native_handle(), SOL_SOCKET, SO_ERROR, &code, &size);
      self->end(attempt, code);
    });
  }

  void end(Attempt& attempt, int code) {
    attempt.is_over = true;
    attempt.is_connected = code == 0;
    if (code != 0) {
      error_code ignored;
      attempt.socket.close(ignored);
      last = socket_error(code, Origin::upstream, fmt::format("connecting to {}", fmt::streamed(attempt.endpoint)))
                 .error();
    }
    wake.cancel();
  }

  void stop() {
    error_code ignored;
    for (const auto& attempt : attempts) attempt->socket.close(ignored);
  }

  [[nodiscard]] bool is_running() const {
    return std::ranges::any_of(attempts, [](const auto& attempt) { return !attempt->is_over; });
  }
  [[nodiscard]] Attempt* winner() const {
    const auto found = std::ranges::find_if(attempts, [](const auto& attempt) { return attempt->is_connected; });
    return found == attempts.end() ? nullptr : found->get();
  }

  asio::steady_timer wake;
  std::vector<std::unique_ptr<Attempt>> attempts;
  Error last{Code::connection_refused, Origin::upstream, "it has no address"};
};

Result<std::vector<tcp::endpoint>> allowed(const Addresses& addresses, std::uint16_t port,
                                           const AddressPolicy& policy) {
  std::vector<tcp::endpoint> endpoints;
  Result<void> refused;
  for (const auto& address : interleave_families(addresses)) {
    const tcp::endpoint endpoint(address, port);
    auto verdict = policy ? policy(endpoint) : Result<void>{};
    if (verdict) {
      endpoints.push_back(endpoint);
    } else {
      refused = std::move(verdict);
    }
  }
  if (endpoints.empty() && !refused) return std::unexpected(std::move(refused.error()));
  return endpoints;
}

/// Waits until an attempt has ended or it is `until`.
awaitable<void> wait(Race& race, Clock::time_point until) {
  race.wake.expires_at(until);
  error_code ignored;
  co_await race.wake.async_wait(asio::redirect_error(asio::use_awaitable, ignored));
  if (const auto state = co_await asio::this_coro::cancellation_state;
      state.cancelled() != asio::cancellation_type::none) {
    throw boost::system::system_error(asio::error::operation_aborted);
  }
}

}  // namespace

Addresses interleave_families(const Addresses& addresses) {
  Addresses first, second, order;
  for (const auto& address : addresses)
    (address.is_v6() == addresses.front().is_v6() ? first : second).push_back(address);
  for (std::size_t i = 0; i < std::max(first.size(), second.size()); ++i) {
    if (i < first.size()) order.push_back(first[i]);
    if (i < second.size()) order.push_back(second[i]);
  }
  return order;
}

awaitable<Result<std::unique_ptr<TcpStream>>> Dialer::dial(DialRequest request) {
  const auto addresses = co_await resolver_.resolve(request.host, request.deadline);
  if (!addresses) co_return std::unexpected(addresses.error());
  const auto endpoints = allowed(*addresses, request.port, request.policy);
  if (!endpoints) co_return std::unexpected(endpoints.error());

  const auto race = std::make_shared<Race>(executor_);
  const struct Stop {
    Race& race;
    ~Stop() { race.stop(); }
  } stop{*race};
  auto next = endpoints->begin();
  auto next_at = Clock::now();
  for (;;) {
    if (auto* const winner = race->winner())
      co_return std::make_unique<TcpStream>(std::move(winner->socket), winner->endpoint, Origin::upstream);
    const auto now = Clock::now();
    if (now >= request.deadline) {
      co_return fail(Code::timeout, Origin::upstream,
                     fmt::format("no connection to {}:{} in time", request.host, request.port));
    }
    const bool is_running = race->is_running();
    if (next == endpoints->end() && !is_running) co_return std::unexpected(std::move(race->last));
    if (next != endpoints->end() && (!is_running || now >= next_at)) {
      race->start(*next++);
      next_at = now + kStagger;
    } else {
      co_await wait(*race, next == endpoints->end() ? request.deadline : std::min(request.deadline, next_at));
    }
  }
}

}  // namespace propeller::net
