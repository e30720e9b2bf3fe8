#include "http/client_pool.hpp"

#include <algorithm>
#include <utility>

#include "http/client_connection.hpp"
#include "http/http2_client.hpp"

namespace propeller::http {

ClientPool::ClientPool(async::asio::any_io_executor executor, const ClientLimits& limits)
    : limits_(limits), tasks_(std::move(executor)) {}

ClientPool::~ClientPool() = default;

std::shared_ptr<ClientConnection> ClientPool::take(const std::string& key) {
  const auto found = by_key_.find(key);
  if (found == by_key_.end()) return nullptr;
  auto& waiting = found->second;
  std::shared_ptr<ClientConnection> taken;
  const auto now = Clock::now();
  while (taken == nullptr && !waiting.empty()) {
    Idle last = std::move(waiting.back());
    waiting.pop_back();
    --idle_;
    // Input on an idle connection is its end, or bytes that nobody asked for.
    if (now - last.since < limits_.idle_timeout && !last.connection->has_input()) taken = std::move(last.connection);
  }
  if (waiting.empty()) by_key_.erase(found);
  return taken;
}

void ClientPool::put(const std::string& key, std::shared_ptr<ClientConnection> connection) {
  if (is_stopped_ || idle_ >= limits_.idle_max) return;
  auto& waiting = by_key_[key];
  if (waiting.size() >= limits_.idle_per_destination_max) return;
  waiting.push_back({std::move(connection), Clock::now()});
  ++idle_;
  if (!std::exchange(is_sweeping_, true)) tasks_.spawn(sweep());
}

/// As long as there is something to look after.
awaitable<void> ClientPool::sweep() {
  while (idle_ > 0) {
    co_await async::sleep_for(std::min<Clock::duration>(limits_.idle_timeout / 4, std::chrono::seconds(5)));
    drop_useless(Clock::now());
  }
  is_sweeping_ = false;
}

std::shared_ptr<Http2ClientConnection> ClientPool::find_http2(const std::string& key) const {
  const auto [begin, end] = http2_.equal_range(key);
  const auto found = std::find_if(begin, end, [](const auto& entry) { return entry.second->takes_requests(); });
  return found == end ? nullptr : found->second;
}

void ClientPool::add_http2(const std::string& key, std::shared_ptr<Http2ClientConnection> connection) {
  http2_.emplace(key, connection);
  tasks_.spawn(drive(key, std::move(connection)));
}

awaitable<void> ClientPool::drive(std::string key, std::shared_ptr<Http2ClientConnection> connection) {
  /// Forgotten however it ends.
  struct Forget {
    ClientPool& pool;
    const std::string& key;
    const Http2ClientConnection* connection;
    ~Forget() {
      const auto [begin, end] = pool.http2_.equal_range(key);
      const auto found = std::find_if(begin, end, [&](const auto& entry) { return entry.second.get() == connection; });
      if (found != end) pool.http2_.erase(found);
    }
  };
  const Forget forget{*this, key, connection.get()};
  co_await connection->drive();
}

void ClientPool::drop_useless(Clock::time_point now) {
  for (auto entry = by_key_.begin(); entry != by_key_.end();) {
    idle_ -= std::erase_if(entry->second, [&](const Idle& idle) {
      return now - idle.since >= limits_.idle_timeout || idle.connection->has_input();
    });
    entry = entry->second.empty() ? by_key_.erase(entry) : std::next(entry);
  }
}

awaitable<void> ClientPool::stop() {
  is_stopped_ = true;
  by_key_.clear();
  idle_ = 0;
  tasks_.cancel();
  co_await tasks_.join();
}

}  // namespace propeller::http
