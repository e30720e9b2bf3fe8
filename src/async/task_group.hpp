#pragma once

#include <list>
#include <optional>

#include <boost/asio/cancellation_signal.hpp>
#include "async/core.hpp"
#include "async/event.hpp"

namespace propeller::async {

/// The only way to start a coroutine: it can be cancelled and waited for.
///
/// Errors:   a coroutine reports by value; cancellation (operation_aborted) ends it here, anything else thrown is
///           our bug and aborts.
/// Threads:  one core, where the coroutines run too.
/// Lifetime: join() before the group goes, or let the io_context go first; the destructor checks it.
class TaskGroup {
 public:
  explicit TaskGroup(asio::any_io_executor executor);
  ~TaskGroup();
  TaskGroup(const TaskGroup&) = delete;
  TaskGroup& operator=(const TaskGroup&) = delete;

  void spawn(awaitable<void> task);

  /// Asks every coroutine to unwind; those spawned later are not concerned.
  void cancel();

  /// Waits until none is left. Not from within a coroutine of the group.
  awaitable<void> join();

  [[nodiscard]] std::size_t size() const { return tasks_.size(); }

 private:
  struct Task {
    asio::cancellation_signal signal;
  };
  asio::any_io_executor executor_;
  std::list<Task> tasks_;
  std::optional<Event> drained_;  ///< somebody waits for the last one: most groups never have one
};

}  // namespace propeller::async
