#pragma once

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/ip/address.hpp>
#include <boost/asio/thread_pool.hpp>
#include <chrono>
#include <cstddef>
#include <functional>
#include <list>
#include <memory>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "async/core.hpp"
#include "base/error.hpp"
#include "net/look_up.hpp"

namespace propeller::net {

struct ResolverOptions {
  /// Asks the system; blocks. Called on the pool.
  std::function<Result<Addresses>(const std::string& host)> look_up = {};
  std::chrono::milliseconds kept_for{30'000};  ///< the system does not tell how long an answer holds
  std::chrono::milliseconds late_after{1800};  ///< a new answer; the one before serves then
  std::chrono::milliseconds old_kept_for = std::chrono::hours(24);  ///< while nobody says anything else
  std::chrono::milliseconds failure_kept_for{2000};  ///< so that a storm of requests is not one of questions
  std::size_t entries_max = 1024;
  std::size_t lookups_max = 64;  ///< under way at a time
};

/// Addresses of host names: asked for on a pool of threads that may block, and kept for a while. While no name server
/// answers, those of before serve; that a name is not known is an answer.
///
/// Order:    as the system prefers them (RFC 6724), at most kAddressesMax (net/look_up.hpp).
/// Bound:    entries_max names, the one used longest ago goes first; one question at a time for a name, whoever asks
///           meanwhile gets its answer; more than lookups_max at a time are limit_exceeded.
/// Errors:   dns_failed with the system's words, timeout, limit_exceeded.
/// Threads:  one core.
/// Lifetime: nobody waits on it when it goes; questions under way are forgotten. It goes before its core.
/// Source:   RFC 8767 5 (serving stale data)
class Resolver {
 public:
  Resolver(boost::asio::any_io_executor executor, boost::asio::thread_pool& pool, ResolverOptions options = {});
  ~Resolver();
  Resolver(const Resolver&) = delete;
  Resolver& operator=(const Resolver&) = delete;

  /// An address is its own answer.
  [[nodiscard]] async::awaitable<Result<Addresses>> resolve(std::string host,
                                                            std::chrono::steady_clock::time_point deadline);
  [[nodiscard]] std::size_t size() const { return by_host_.size(); }

 private:
  struct Entry;
  struct Mailbox;
  using Entries = std::list<std::shared_ptr<Entry>>;

  Result<std::shared_ptr<Entry>> entry(const std::string& host);
  void ask(const std::shared_ptr<Entry>& entry);
  void answer(Entry& entry, Result<Addresses> addresses);
  void forget_oldest();

  boost::asio::any_io_executor executor_;
  boost::asio::thread_pool& pool_;
  const ResolverOptions options_;
  std::shared_ptr<Mailbox> mailbox_;
  Entries entries_;  ///< the one used last first
  std::unordered_map<std::string_view, Entries::iterator> by_host_;
  std::size_t lookups_ = 0;
};

}  // namespace propeller::net
