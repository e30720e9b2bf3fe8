#include "net/resolver.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <boost/asio/post.hpp>
#include <boost/asio/redirect_error.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/this_coro.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <mutex>
#include <optional>

namespace propeller::net {

namespace {

namespace asio = boost::asio;
using async::awaitable;
using Clock = std::chrono::steady_clock;

ResolverOptions with_defaults(ResolverOptions options) {
  if (!options.look_up) options.look_up = look_up;
  return options;
}

}  // namespace

struct Resolver::Entry {
  std::string host;
  std::optional<Result<Addresses>> addresses = {};
  Clock::time_point ends_at = {};
  Addresses good = {};  ///< the last that were said
  Clock::time_point good_until = {};
  bool is_late = false;  ///< somebody has waited for the new answer in vain

  [[nodiscard]] bool is_good() const { return !good.empty() && Clock::now() < good_until; }
  std::vector<asio::steady_timer*> waiting = {};  ///< each stands in the frame of a coroutine
};

/// Where the pool's threads bring answers, as long as somebody is there.
struct Resolver::Mailbox {
  std::mutex mutex;
  Resolver* resolver = nullptr;
};

Resolver::Resolver(asio::any_io_executor executor, asio::thread_pool& pool, ResolverOptions options)
    : executor_(std::move(executor)),
      pool_(pool),
      options_(with_defaults(std::move(options))),
      mailbox_(std::make_shared<Mailbox>()) {
  mailbox_->resolver = this;
}

Resolver::~Resolver() {
  const std::lock_guard lock(mailbox_->mutex);
  mailbox_->resolver = nullptr;
}

awaitable<Result<Addresses>> Resolver::resolve(std::string host, Clock::time_point deadline) {
  boost::system::error_code is_name;
  if (const auto address = asio::ip::make_address(host, is_name); !is_name) co_return Addresses{address};
  std::ranges::transform(host, host.begin(),
                         [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c; });

  const auto found = entry(host);
  if (!found) co_return std::unexpected(found.error());
  const auto& wanted = *found;
  if (wanted->addresses) co_return *wanted->addresses;

  const bool is_good = wanted->is_good();
  if (is_good && wanted->is_late) co_return wanted->good;
  asio::steady_timer timer(executor_, is_good ? std::min(deadline, Clock::now() + options_.late_after) : deadline);
  wanted->waiting.push_back(&timer);
  const struct Leave {
    Entry& entry;
    asio::steady_timer& timer;
    ~Leave() { std::erase(entry.waiting, &timer); }
  } leave{*wanted, timer};
  boost::system::error_code ignored;
  co_await timer.async_wait(asio::redirect_error(asio::use_awaitable, ignored));
  if (const auto state = co_await asio::this_coro::cancellation_state;
      state.cancelled() != asio::cancellation_type::none) {
    throw boost::system::system_error(asio::error::operation_aborted);
  }
  if (wanted->addresses) co_return *wanted->addresses;
  wanted->is_late = true;
  if (is_good) co_return wanted->good;
  co_return fail(Code::timeout, Origin::upstream, fmt::format("the address of {} was not found in time", host));
}

/// The entry of a host with an answer that holds, or with a question under way.
Result<std::shared_ptr<Resolver::Entry>> Resolver::entry(const std::string& host) {
  std::shared_ptr<Entry> before;
  if (const auto found = by_host_.find(host); found != by_host_.end()) {
    const auto place = found->second;
    if (!(*place)->addresses || (*place)->ends_at > Clock::now()) {
      entries_.splice(entries_.begin(), entries_, place);
      return *place;
    }
    before = *place;
    if (lookups_ >= options_.lookups_max && before->is_good()) {
      before->addresses = before->good;
      before->ends_at = Clock::now() + options_.failure_kept_for;
      return before;
    }
    by_host_.erase(found);
    entries_.erase(place);
  }
  if (lookups_ >= options_.lookups_max)
    return fail(Code::limit_exceeded, Origin::internal, "too many host names are being looked up");
  if (entries_.size() >= options_.entries_max) forget_oldest();
  entries_.push_front(std::make_shared<Entry>(host));
  if (before) {
    entries_.front()->good = std::move(before->good);
    entries_.front()->good_until = before->good_until;
  }
  by_host_.emplace(entries_.front()->host, entries_.begin());
  ask(entries_.front());
  return entries_.front();
}

void Resolver::forget_oldest() {
  by_host_.erase(entries_.back()->host);
  entries_.pop_back();
}

void Resolver::ask(const std::shared_ptr<Entry>& entry) {
  ++lookups_;
  asio::post(pool_, [mailbox = mailbox_, entry, look_up = options_.look_up] {
    auto addresses = look_up(entry->host);
    const std::lock_guard lock(mailbox->mutex);
    if (mailbox->resolver == nullptr) return;
    asio::post(mailbox->resolver->executor_, [mailbox, entry, addresses = std::move(addresses)]() mutable {
      // On the resolver's core, where it is destroyed too: no lock is needed to look.
      if (mailbox->resolver != nullptr) mailbox->resolver->answer(*entry, std::move(addresses));
    });
  });
}

void Resolver::answer(Entry& entry, Result<Addresses> addresses) {
  --lookups_;
  if (addresses && addresses->empty())
    addresses = fail(Code::dns_failed, Origin::upstream, fmt::format("{} has no address", entry.host));
  if (addresses) {
    entry.good = *addresses;
    entry.good_until = Clock::now() + options_.old_kept_for;
  } else if (addresses.error().code != Code::timeout) {
    entry.good.clear();
  } else if (entry.is_good()) {
    addresses = entry.good;
  } else {
    addresses.error().code = Code::dns_failed;
  }
  entry.ends_at = Clock::now() + (addresses ? options_.kept_for : options_.failure_kept_for);
  entry.addresses = std::move(addresses);
  for (auto* const timer : entry.waiting) timer->cancel();
}

}  // namespace propeller::net
