#pragma once

#include <source_location>

namespace propeller::base {

/// Prints the expression, the place and a backtrace to standard error, then aborts. Threads: any.
[[noreturn]] void assertion_failed(const char* expression,
                                   std::source_location where = std::source_location::current());

}  // namespace propeller::base

/// Checks for our own bugs; stays on in release. What a peer can cause is a Result, never an ASSERT.
#define ASSERT(condition) (static_cast<bool>(condition) ? void(0) : ::propeller::base::assertion_failed(#condition))
