#include "forward/login_check.hpp"

#include "async/offload.hpp"

namespace propeller::forward {

namespace {

base::Clock::time_point now() { return base::Clock::time_point(std::chrono::steady_clock::now()); }

}  // namespace

async::awaitable<bool> LoginCheck::is_right(std::shared_ptr<const Users> users, Login login) {
  // Many connections of one client come with one login: the first one's verdict is good for all.
  while (!verified_.contains(login, now())) {
    if (checks_ < kChecksMax) co_return co_await check(std::move(users), std::move(login));
    co_await check_ended_.wait();
  }
  co_return true;
}

async::awaitable<bool> LoginCheck::check(std::shared_ptr<const Users> users, Login login) {
  ++checks_;
  const struct Leave {
    LoginCheck& self;
    ~Leave() {
      --self.checks_;
      self.check_ended_.notify_all();
    }
  } leave{*this};
  const bool is_right = co_await async::offload(pool_, [users, login] { return users->verify(login); });
  if (is_right) verified_.add(login, now());
  co_return is_right;
}

}  // namespace propeller::forward
