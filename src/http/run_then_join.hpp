#pragma once

#include "async/task_group.hpp"

namespace propeller::http {

/// Runs `work`, then cancels and joins `tasks`: they refer to what goes when this returns. Also when `work` unwinds,
/// which then goes on.
async::awaitable<void> run_then_join(async::awaitable<void> work, async::TaskGroup& tasks);

}  // namespace propeller::http
