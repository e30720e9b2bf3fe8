#include "async/deadline_queue.hpp"

#include <algorithm>
#include <boost/asio/query.hpp>

namespace propeller::async {

Deadline::Deadline(const asio::any_io_executor& executor)
    : queue_(asio::use_service<DeadlineQueue>(asio::query(executor, asio::execution::context))) {}

Deadline::~Deadline() { disarm(); }

void Deadline::arm_no_later_than(Clock::time_point time) {
  if (is_linked()) {
    if (time_ <= time) return;
    queue_.erase(*this);
  }
  time_ = std::max(time, queue_.earliest_);
  queue_.insert(*this);
}

void Deadline::disarm() {
  if (is_linked()) queue_.erase(*this);
}

DeadlineQueue::DeadlineQueue(asio::execution_context& context)
    : asio::execution_context::service(context), timer_(static_cast<asio::io_context&>(context)) {}

void DeadlineQueue::insert(Deadline& deadline) {
  deadlines_.insert(deadline);
  if (deadline.time_ < wakes_at_) wait();
}

void DeadlineQueue::wait() {
  wakes_at_ = deadlines_.begin()->time_;
  timer_.expires_at(wakes_at_);
  timer_.async_wait([this](const boost::system::error_code& error) {
    if (!error) run();
  });
}

void DeadlineQueue::run() {
  const auto now = Deadline::Clock::now();
  // A deadline that arms itself for the past has to wait for its next turn, or it would hold the core for ever.
  earliest_ = now + Deadline::Clock::duration(1);
  wakes_at_ = Deadline::Clock::time_point::min();  // insert() leaves the timer alone meanwhile
  for (auto first = deadlines_.begin(); first != deadlines_.end() && first->time_ <= now; first = deadlines_.begin()) {
    Deadline& due = *first;
    deadlines_.erase(first);
    due.expired(now);
  }
  wakes_at_ = Deadline::Clock::time_point::max();
  if (!deadlines_.empty()) wait();
}

}  // namespace propeller::async
