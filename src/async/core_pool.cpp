#include "async/core_pool.hpp"

#include <fmt/format.h>
#include <sched.h>

#include <algorithm>

namespace propeller::async {

namespace {

/// Not hardware_concurrency() alone: a container is often given a part of the machine.
std::size_t usable_processors() {
  cpu_set_t set;
  CPU_ZERO(&set);
  const bool is_known = ::sched_getaffinity(0, sizeof set, &set) == 0;
  return is_known ? static_cast<std::size_t>(CPU_COUNT(&set)) : std::thread::hardware_concurrency();
}

}  // namespace

CorePool::CorePool(std::string_view name, std::size_t count) {
  count = std::clamp<std::size_t>(count == 0 ? usable_processors() : count, 1, kCoresMax);
  cores_.reserve(count);
  for (std::size_t i = 0; i < count; ++i) cores_.push_back(std::make_unique<Core>(fmt::format("{}_{}", name, i)));
}

void CorePool::start() {
  for (const auto& core : cores_) core->start();
}

void CorePool::stop() {
  for (const auto& core : cores_) core->stop();
}

}  // namespace propeller::async
