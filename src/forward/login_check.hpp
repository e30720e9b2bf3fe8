#pragma once

#include <boost/asio/thread_pool.hpp>
#include <cstddef>
#include <memory>

#include "async/core.hpp"
#include "async/event.hpp"
#include "forward/users.hpp"

namespace propeller::forward {

/// Verifies logins for one core without holding it up: what was right a short while ago is remembered, hashes are
/// computed on the pool.
///
/// Bound:    kChecksMax hashes under way: guessing passwords must not keep the pool from looking up names. Others wait,
///           no more than there are connections.
/// Threads:  one core.
/// Lifetime: `verified` and `pool` outlive it; nobody waits on it when it goes.
class LoginCheck {
 public:
  static constexpr std::size_t kChecksMax = 4;

  LoginCheck(const boost::asio::any_io_executor& executor, VerifiedLogins& verified, boost::asio::thread_pool& pool)
      : verified_(verified), pool_(pool), check_ended_(executor) {}

  async::awaitable<bool> is_right(std::shared_ptr<const Users> users, Login login);

 private:
  async::awaitable<bool> check(std::shared_ptr<const Users> users, Login login);

  VerifiedLogins& verified_;
  boost::asio::thread_pool& pool_;
  std::size_t checks_ = 0;
  async::Event check_ended_;
};

}  // namespace propeller::forward
