#pragma once

#include <cstddef>
#include <memory>
#include <string_view>
#include <vector>

#include "async/core.hpp"

namespace propeller::async {

/// The cores of the HTTP planes: one thread each, named "<name>_0", "<name>_1", ….
///
/// Bound:    as many as asked for, from 1 to kCoresMax.
/// Threads:  start() and stop() from the owner's thread; operator[] from any.
/// Lifetime: outlives whatever was posted to its cores.
class CorePool {
 public:
  static constexpr std::size_t kCoresMax = 256;

  /// `count` 0: one for each processor that this process may use. `name` has 11 characters at most.
  CorePool(std::string_view name, std::size_t count);

  void start();
  /// Ends every loop after the handler in progress, and joins. Safe to call twice.
  void stop();

  [[nodiscard]] std::size_t size() const { return cores_.size(); }
  [[nodiscard]] Core& operator[](std::size_t index) { return *cores_[index]; }

 private:
  std::vector<std::unique_ptr<Core>> cores_;
};

}  // namespace propeller::async
