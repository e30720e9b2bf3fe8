#include "store/bell.hpp"

#include <boost/asio/post.hpp>
#include <boost/asio/redirect_error.hpp>
#include <boost/asio/this_coro.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/system/system_error.hpp>

namespace propeller::store {

namespace asio = boost::asio;

Bell::Bell(asio::any_io_executor executor) : executor_(std::move(executor)), timer_(executor_) {}

void Bell::ring() {
  asio::post(executor_, [self = shared_from_this()] { self->timer_.cancel(); });
}

async::awaitable<void> Bell::wait(TimePoint deadline) {
  timer_.expires_at(deadline);
  boost::system::error_code ignored;
  co_await timer_.async_wait(asio::redirect_error(asio::use_awaitable, ignored));
  const auto state = co_await asio::this_coro::cancellation_state;
  if (state.cancelled() != asio::cancellation_type::none)
    throw boost::system::system_error(asio::error::operation_aborted);
}

}  // namespace propeller::store
