#include "forward/login_check.hpp"

#include "async/offload.hpp"

namespace propeller::forward {

namespace {

base::Clock::time_point now() { return base::Clock::time_point(std::chrono::steady_clock::now()); }

}  // namespace

async::awaitable<bool> LoginCheck::is_right(std::shared_ptr<const Users> users, Login login) {
  if (verified_.contains(login, now())) co_return true;
  if (checks_ >= kChecksMax) co_return false;
  ++checks_;
  const struct Leave {
    std::size_t& checks;
    ~Leave() { --checks; }
  } leave{checks_};
  const bool is_right = co_await async::offload(pool_, [users, login] { return users->verify(login); });
  if (is_right) verified_.add(login, now());
  co_return is_right;
}

}  // namespace propeller::forward
