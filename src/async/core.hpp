#pragma once

#include <boost/asio/awaitable.hpp>
#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/io_context.hpp>
#include <string>
#include <thread>

namespace propeller::async {

namespace asio = boost::asio;
template <class T>
using awaitable = asio::awaitable<T>;

/// One thread with one io_context: everything that runs on it needs no lock.
///
/// Threads:  start(), stop() and the destructor from the owner's thread; post to executor() from any.
/// Lifetime: outlives whatever was posted to it; the destructor stops and joins.
class Core {
 public:
  /// `name` is the thread's name as `top -H` shows it, 15 characters at most.
  explicit Core(std::string name);
  ~Core();
  Core(const Core&) = delete;
  Core& operator=(const Core&) = delete;

  void start();
  /// Ends the loop after the handler in progress and joins. Safe to call twice.
  void stop();

  [[nodiscard]] asio::io_context& context() { return context_; }
  [[nodiscard]] asio::io_context::executor_type executor() { return context_.get_executor(); }

 private:
  std::string name_;
  asio::io_context context_{1};
  asio::executor_work_guard<asio::io_context::executor_type> work_;
  std::thread thread_;
};

}  // namespace propeller::async
