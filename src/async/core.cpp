#include "async/core.hpp"

#include <pthread.h>

#include "base/assert.hpp"

namespace propeller::async {

Core::Core(std::string name) : name_(std::move(name)), work_(asio::make_work_guard(context_)) {
  ASSERT(name_.size() <= 15);
}

Core::~Core() { stop(); }

void Core::start() {
  ASSERT(!thread_.joinable());
  thread_ = std::thread([this] {
    pthread_setname_np(pthread_self(), name_.c_str());
    context_.run();
  });
}

void Core::stop() {
  work_.reset();
  context_.stop();
  if (thread_.joinable()) thread_.join();
}

}  // namespace propeller::async
