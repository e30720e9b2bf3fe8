#pragma once

#include <memory>
#include <string>
#include <unordered_map>
#include <utility>
#include <vector>

#include "async/task_group.hpp"
#include "http/client.hpp"

namespace propeller::http {

class ClientConnection;
class Http2ClientConnection;

/// The idle connections of a Client, and the count of all.
///
/// Order:    by destination, last in, first out.
/// Bound:    ClientLimits; a connection that finds no room is closed.
/// Threads:  one core.
class ClientPool {
 public:
  ClientPool(async::asio::any_io_executor executor, const ClientLimits& limits);
  ~ClientPool();

  /// The connection used last that is still of use; nothing when there is none.
  [[nodiscard]] std::shared_ptr<ClientConnection> take(const std::string& key);
  void put(const std::string& key, std::shared_ptr<ClientConnection> connection);
  awaitable<void> stop();

  /// A connection of HTTP/2 that takes one more request; nothing when there is none.
  [[nodiscard]] std::shared_ptr<Http2ClientConnection> find_http2(const std::string& key) const;
  /// Drives it from now on, and knows it until it is over.
  void add_http2(const std::string& key, std::shared_ptr<Http2ClientConnection> connection);

  /// Counts a connection from before it is made until it is gone.
  class Slot {
   public:
    explicit Slot(ClientPool& pool) : pool_(&pool) { ++pool.open_; }
    Slot(Slot&& other) noexcept : pool_(std::exchange(other.pool_, nullptr)) {}
    Slot& operator=(Slot&&) = delete;
    ~Slot() {
      if (pool_ != nullptr) --pool_->open_;
    }

   private:
    ClientPool* pool_;
  };

  [[nodiscard]] std::size_t idle() const { return idle_; }
  [[nodiscard]] std::size_t open() const { return open_; }
  [[nodiscard]] const ClientLimits& limits() const { return limits_; }

 private:
  using Clock = std::chrono::steady_clock;
  struct Idle {
    std::shared_ptr<ClientConnection> connection;
    Clock::time_point since;
  };
  awaitable<void> sweep();
  void drop_useless(Clock::time_point now);
  awaitable<void> drive(std::string key, std::shared_ptr<Http2ClientConnection> connection);

  const ClientLimits limits_;
  std::unordered_map<std::string, std::vector<Idle>> by_key_;
  std::unordered_multimap<std::string, std::shared_ptr<Http2ClientConnection>> http2_;
  std::size_t idle_ = 0, open_ = 0;
  bool is_stopped_ = false, is_sweeping_ = false;
  async::TaskGroup tasks_;
};

}  // namespace propeller::http
