#include "store/keeper.hpp"

#include <pthread.h>

#include <algorithm>
#include <chrono>

namespace propeller::store {

void Keeper::start() {
  thread_ = std::jthread([this](const std::stop_token& stop) {
    pthread_setname_np(pthread_self(), "store");
    work(stop);
  });
}

void Keeper::stop() {
  thread_.request_stop();
  if (thread_.joinable()) thread_.join();
}

void Keeper::work(const std::stop_token& stop) {
  using Clock = std::chrono::steady_clock;
  const StoreOptions& options = depot_.options();
  depot_.settle_strays(stop);
  auto flush_at = Clock::now() + options.flush_interval;
  auto retry_at = Clock::now() + options.retry_interval;
  std::unique_lock lock(mutex_);
  while (!stopped_.wait_until(lock, stop, std::min(flush_at, retry_at), [&] { return stop.stop_requested(); })) {
    const auto now = Clock::now();
    if (now >= flush_at) {
      depot_.flush_recency();
      flush_at = now + options.flush_interval;
    }
    if (now >= retry_at) {
      depot_.try_storing_again();
      retry_at = now + options.retry_interval;
    }
  }
}

}  // namespace propeller::store
