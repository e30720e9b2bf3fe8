#pragma once

#include <boost/asio/ip/tcp.hpp>
#include <chrono>
#include <memory>
#include <vector>

#include "async/core_pool.hpp"
#include "base/error.hpp"
#include "config/forward_settings.hpp"

namespace propeller::forward {

/// The forward proxy: HTTP, HTTPS through interception or untouched, on every core.
///
/// Errors:   start(): bad_config for files and addresses that cannot be used, io.
/// Threads:  the owner's.
/// Lifetime: stop() before it goes, or the destructor does.
class Proxy {
 public:
  explicit Proxy(config::Forward settings);
  ~Proxy();
  Proxy(const Proxy&) = delete;
  Proxy& operator=(const Proxy&) = delete;

  [[nodiscard]] Result<void> start();
  /// Requests in progress have `grace` to end.
  void stop(std::chrono::milliseconds grace);
  /// Other rules from the next request on.
  void apply(const config::RuntimeRules& rules);

  /// Where it listens, with the ports it got.
  [[nodiscard]] const std::vector<boost::asio::ip::tcp::endpoint>& addresses() const { return addresses_; }

 private:
  struct Parts;
  [[nodiscard]] Result<void> prepare();
  [[nodiscard]] Result<void> listen();

  config::Forward settings_;
  std::unique_ptr<Parts> parts_;
  std::vector<boost::asio::ip::tcp::endpoint> addresses_;
  bool is_running_ = false;
};

}  // namespace propeller::forward
