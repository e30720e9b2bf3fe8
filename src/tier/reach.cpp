#include "tier/reach.hpp"

#include <algorithm>

#include "observe/log.hpp"

namespace propeller::tier {

using observe::kv;

namespace {

constexpr std::size_t kProbeBytesMax = 64 * 1024;
constexpr std::size_t kDoublingsMax = 16;

}  // namespace

std::chrono::milliseconds rest_after(std::size_t failures, std::chrono::milliseconds first) {
  const auto doublings = std::min(failures - std::min<std::size_t>(failures, 1), kDoublingsMax);
  return std::min(first * (1 << doublings), std::max(first, kRestMax));
}

std::string Reach::reason() const {
  const std::scoped_lock lock(mutex_);
  return reason_;
}

void Reach::fail(const Error& error) {
  probe_.read_errors.add();
  set_out(error);
  failed_.notify_all();
}

void Reach::set_out(const Error& error) {
  is_up_ = false;
  probe_.up.set(0);
  const std::scoped_lock lock(mutex_);
  if (reason_.empty())
    observe::log_warn("the second tier is out: registries are asked instead", {kv("reason", error.detail)});
  reason_ = error.detail;
}

void Reach::set_up() {
  is_up_ = true;
  probe_.up.set(1);
  const std::scoped_lock lock(mutex_);
  observe::log_info(reason_.empty() ? "the second tier is there" : "the second tier is back");
  reason_.clear();
}

async::awaitable<void> Reach::watch() {
  for (;;) {
    const auto answer = co_await client_.get_text(probe_name_, kProbeBytesMax);
    if (answer) {
      set_up();
      while (is_up()) co_await failed_.wait();
      ++failures_;
    } else {
      probe_.read_errors.add();
      set_out(answer.error());
    }
    // What only we have asked in vain for costs nobody anything.
    co_await sleep_(rest_after(failures_, rest_));
  }
}

}  // namespace propeller::tier
