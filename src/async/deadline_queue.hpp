#pragma once

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/execution_context.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/intrusive/set.hpp>
#include <boost/intrusive/set_hook.hpp>
#include <chrono>

#include "async/core.hpp"

namespace propeller::async {

class DeadlineQueue;

/// A moment of one object, at which expired() is called on its core.
///
/// Bound:    no allocation and no system call to arm, move or disarm it, unless it becomes the core's earliest one.
///           So what is busy arms it no later than needed once, and looks at its own times when it comes.
/// Threads:  the core of the executor given.
/// Lifetime: disarms itself when it goes.
class Deadline : public boost::intrusive::set_base_hook<boost::intrusive::link_mode<boost::intrusive::safe_link>> {
 public:
  using Clock = std::chrono::steady_clock;

  explicit Deadline(const asio::any_io_executor& executor);
  virtual ~Deadline();
  Deadline(const Deadline&) = delete;
  Deadline& operator=(const Deadline&) = delete;

  /// Comes at `time`, or earlier when it was armed for an earlier time.
  void arm_no_later_than(Clock::time_point time);
  void disarm();

 private:
  friend class DeadlineQueue;
  friend bool operator<(const Deadline& left, const Deadline& right) { return left.time_ < right.time_; }
  /// The deadline is disarmed before it is called, and may be armed anew or destroyed in it.
  virtual void expired(Clock::time_point now) = 0;

  DeadlineQueue& queue_;
  Clock::time_point time_;
};

/// The deadlines of one core behind one timer. Asio makes one for each io_context that has a Deadline.
class DeadlineQueue : public asio::execution_context::service {
 public:
  using key_type = DeadlineQueue;
  static inline asio::execution_context::id id;

  explicit DeadlineQueue(asio::execution_context& context);

 private:
  friend class Deadline;
  void shutdown() override { timer_.cancel(); }
  void insert(Deadline& deadline);
  void erase(Deadline& deadline) { deadlines_.erase(deadlines_.iterator_to(deadline)); }
  void wait();
  void run();

  asio::steady_timer timer_;
  asio::steady_timer::time_point wakes_at_ = asio::steady_timer::time_point::max();
  asio::steady_timer::time_point earliest_;  ///< that a deadline may be armed for
  boost::intrusive::multiset<Deadline> deadlines_;
};

}  // namespace propeller::async
