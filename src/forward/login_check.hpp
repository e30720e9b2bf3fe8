#pragma once

#include <boost/asio/thread_pool.hpp>
#include <cstddef>
#include <memory>

#include "async/core.hpp"
#include "forward/users.hpp"

namespace propeller::forward {

/// Verifies logins for one core without holding it up: what was right a short while ago is remembered, hashes are
/// computed on the pool.
///
/// Bound:    kChecksMax hashes under way; whoever comes with more is refused, or guessing passwords would keep the pool
///           from everything else.
/// Threads:  one core.
/// Lifetime: `verified` and `pool` outlive it.
class LoginCheck {
 public:
  static constexpr std::size_t kChecksMax = 32;

  LoginCheck(VerifiedLogins& verified, boost::asio::thread_pool& pool) : verified_(verified), pool_(pool) {}

  async::awaitable<bool> is_right(std::shared_ptr<const Users> users, Login login);

 private:
  VerifiedLogins& verified_;
  boost::asio::thread_pool& pool_;
  std::size_t checks_ = 0;
};

}  // namespace propeller::forward
