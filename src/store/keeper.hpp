#pragma once

#include <condition_variable>
#include <mutex>
#include <thread>

#include "store/depot.hpp"

namespace propeller::store {

/// The store's housekeeping thread: settles strays after the start, writes recency to the index now and then, and tries
/// a disk that failed again.
///
/// Threads:  start() and stop() by the owner. Lifetime: the depot outlives it.
class Keeper {
 public:
  explicit Keeper(Depot& depot) : depot_(depot) {}
  Keeper(const Keeper&) = delete;
  Keeper& operator=(const Keeper&) = delete;

  void start();
  void stop();

 private:
  void work(const std::stop_token& stop);

  Depot& depot_;
  std::mutex mutex_;
  std::condition_variable_any stopped_;
  std::jthread thread_;
};

}  // namespace propeller::store
