#pragma once

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/thread_pool.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <functional>

#include "async/core.hpp"

namespace propeller::async {

/// Runs `f` on the blocking pool and resumes the caller on its own core with the result. For disk, hashing and
/// decompression that would hold a core for more than about a millisecond. `f` must not throw.
///
/// Lifetime: cancellation does not stop `f`; what it refers to lives until it returns, so capture by value or
/// shared_ptr.
template <class F>
auto offload(asio::thread_pool& pool, F f) -> awaitable<std::invoke_result_t<F>> {
  using Value = std::invoke_result_t<F>;
  co_return co_await asio::async_initiate<decltype(asio::use_awaitable), void(Value)>(
      [&pool](auto handler, F work) {
        auto executor = asio::get_associated_executor(handler);
        asio::post(pool, [work = std::move(work), handler = std::move(handler), executor]() mutable {
          asio::post(executor, [value = work(), handler = std::move(handler)]() mutable {
            std::move(handler)(std::move(value));
          });
        });
      },
      asio::use_awaitable, std::move(f));
}

}  // namespace propeller::async
