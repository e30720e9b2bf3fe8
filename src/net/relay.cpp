#include "net/relay.hpp"

#include <array>
#include <boost/asio/this_coro.hpp>
#include <exception>
#include <memory>

#include "async/task_group.hpp"

namespace propeller::net {

namespace {

using async::awaitable;
using Clock = std::chrono::steady_clock;

struct Relay {
  Stream& left;
  Stream& right;
  RelayOptions options;
  Clock::time_point active_at = Clock::now();
  Result<void> outcome = {};

  /// The first error counts; the other direction is woken by it.
  void break_off(Error error) {
    if (!outcome) return;
    outcome = std::unexpected(std::move(error));
    left.reset();
    right.reset();
  }
};

awaitable<Result<void>> wait_for_input(Relay& relay, Stream& from) {
  for (;;) {
    auto ready = co_await from.wait_input();
    // Silence in one direction is no idleness while the other one carries something.
    const bool is_idle = Clock::now() - relay.active_at >= relay.options.idle_timeout;
    if (ready || ready.error().code != Code::timeout || is_idle) co_return ready;
  }
}

awaitable<Result<void>> pump(Relay& relay, Stream& from, Stream& to, std::uint64_t& count) {
  std::unique_ptr<std::array<char, kRelayBufferBytes>> buffer;
  for (;;) {
    if (!buffer) buffer = std::make_unique_for_overwrite<std::array<char, kRelayBufferBytes>>();
    const auto got = from.try_read(*buffer);
    if (!got) co_return std::unexpected(got.error());
    if (!*got) {
      buffer.reset();
      if (auto ready = co_await wait_for_input(relay, from); !ready) co_return ready;
      continue;
    }
    if (**got == 0) co_return co_await to.shutdown_write();
    relay.active_at = Clock::now();
    if (auto sent = co_await to.write({buffer->data(), **got}); !sent) co_return sent;
    relay.active_at = Clock::now();
    count += **got;
  }
}

awaitable<void> pump_one_way(Relay& relay, Stream& from, Stream& to, std::uint64_t& count) {
  if (auto done = co_await pump(relay, from, to, count); !done) relay.break_off(std::move(done.error()));
}

}  // namespace

awaitable<Result<void>> relay(Stream& left, Stream& right, RelayOptions options, RelayBytes& bytes) {
  Relay state{.left = left, .right = right, .options = options};
  for (Stream* const stream : {&left, &right})
    stream->set_timeouts({.read = options.idle_timeout, .write = options.idle_timeout});
  async::TaskGroup back(left.executor());
  back.spawn(pump_one_way(state, right, left, bytes.to_left));
  std::exception_ptr cancelled;
  try {
    co_await pump_one_way(state, left, right, bytes.to_right);
    co_await back.join();
  } catch (...) {
    cancelled = std::current_exception();
  }
  if (cancelled) {
    // The other direction refers to this frame: it has to end first, whatever is cancelled.
    co_await boost::asio::this_coro::reset_cancellation_state(boost::asio::disable_cancellation());
    left.reset();
    right.reset();
    co_await back.join();
    std::rethrow_exception(cancelled);
  }
  left.close();
  right.close();
  co_return state.outcome;
}

}  // namespace propeller::net
