#include "async/task_group.hpp"

#include <boost/asio/bind_cancellation_slot.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/error.hpp>
#include <boost/system/system_error.hpp>
#include <exception>

#include "base/assert.hpp"

namespace propeller::async {

namespace {

bool is_cancellation(const std::exception_ptr& error) {
  try {
    std::rethrow_exception(error);
  } catch (const boost::system::system_error& thrown) {
    return thrown.code() == asio::error::operation_aborted;
  } catch (...) {
    return false;
  }
}

}  // namespace

TaskGroup::TaskGroup(asio::any_io_executor executor) : executor_(std::move(executor)) {}

TaskGroup::~TaskGroup() = default;

void TaskGroup::spawn(awaitable<void> task) {
  const auto place = tasks_.emplace(tasks_.end());
  auto ended = asio::bind_cancellation_slot(place->signal.slot(), [this, place](const std::exception_ptr& error) {
    if (error && !is_cancellation(error)) std::rethrow_exception(error);
    tasks_.erase(place);
    if (tasks_.empty() && drained_) drained_->notify_all();
  });
  // Asio keeps several copies for as long as the task lasts: they are a seventh of the size this way.
  if (const auto* const core = executor_.target<asio::io_context::executor_type>()) {
    asio::co_spawn(*core, std::move(task), std::move(ended));
  } else {
    asio::co_spawn(executor_, std::move(task), std::move(ended));
  }
}

void TaskGroup::cancel() {
  // A coroutine may end, and leave the list, while its signal is emitted.
  for (auto task = tasks_.begin(); task != tasks_.end();) (task++)->signal.emit(asio::cancellation_type::terminal);
}

awaitable<void> TaskGroup::join() {
  if (!tasks_.empty() && !drained_) drained_.emplace(executor_);
  while (!tasks_.empty()) co_await drained_->wait();
}

}  // namespace propeller::async
