#include "base/assert.hpp"

#include <execinfo.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>

namespace propeller::base {

void assertion_failed(const char* expression, std::source_location where) {
  std::fprintf(stderr, "propeller-proxy: bug: %s is false, at %s:%u in %s\n", expression, where.file_name(),
               static_cast<unsigned>(where.line()), where.function_name());
  constexpr int kFramesMax = 64;
  void* frames[kFramesMax];
  backtrace_symbols_fd(frames, backtrace(frames, kFramesMax), STDERR_FILENO);
  std::abort();
}

}  // namespace propeller::base
