#pragma once

#include <boost/asio/steady_timer.hpp>
#include <memory>

#include "config/forward_settings.hpp"
#include "forward/token_bucket.hpp"
#include "net/stream.hpp"

namespace propeller::forward {

/// The limits of `proxy.bandwidth`: what clients send, and what they get, each for itself.
struct BandwidthLimits {
  explicit BandwidthLimits(const config::Bandwidth& settings)
      : up(settings.total, settings.per_client), down(settings.total, settings.per_client) {}

  BandwidthLimiter up, down;
};

/// A client's connection, at the speed that the limits leave it: in pieces of kPieceBytes, each followed by the wait
/// that pays for it. So a slow limit is a slow stream and not one that comes in bursts.
///
/// Threads:  one core.
/// Lifetime: `limits` outlives it.
class LimitedStream final : public net::Stream {
 public:
  static constexpr std::size_t kPieceBytes = 16 * 1024;

  LimitedStream(std::unique_ptr<net::Stream> below, BandwidthLimits& limits);

  [[nodiscard]] async::awaitable<Result<void>> send_file(int file, std::uint64_t offset, std::uint64_t count) override;
  [[nodiscard]] async::awaitable<Result<void>> shutdown_write() override { return below_->shutdown_write(); }
  void close() override;
  void reset() override;
  [[nodiscard]] const boost::asio::any_io_executor& executor() override { return below_->executor(); }
  void set_timeouts(net::Timeouts timeouts) override { below_->set_timeouts(timeouts); }
  void set_read_deadline(std::optional<std::chrono::steady_clock::time_point> deadline) override {
    below_->set_read_deadline(deadline);
  }

 private:
  /// One direction, and when what went is paid for.
  struct Direction {
    Direction(const boost::asio::any_io_executor& executor, BandwidthLimiter& limiting)
        : limiter(limiting), timer(executor) {}

    BandwidthLimiter& limiter;
    boost::asio::steady_timer timer;
    std::chrono::steady_clock::time_point paid_at{};
  };

  Result<std::optional<std::size_t>> receive_now(std::span<char> room) override;
  Result<std::size_t> send_now(std::span<const std::string_view> parts) override;
  async::awaitable<Result<void>> wait_readable() override;
  async::awaitable<Result<void>> wait_writable() override;
  bool has_arrived() override { return below_->has_input(); }
  void pay(Direction& direction, std::uint64_t bytes);
  async::awaitable<void> wait_until_paid(Direction& direction);
  void wake();

  const std::unique_ptr<net::Stream> below_;
  const std::string client_;
  Direction up_, down_;
  bool is_closed_ = false;
};

/// The stream itself where nothing is limited.
[[nodiscard]] std::unique_ptr<net::Stream> limited(std::unique_ptr<net::Stream> stream, BandwidthLimits& limits);

}  // namespace propeller::forward
