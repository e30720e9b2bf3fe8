#pragma once

#include <boost/asio/post.hpp>
#include <future>
#include <map>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "async/core.hpp"
#include "mqtt/session.hpp"
#include "support/environment.hpp"

namespace propeller::mqtt {

inline SessionOptions session_options(const std::string& address, std::vector<Subscription> subscriptions = {}) {
  SessionOptions options;
  options.mqtt.address = address;
  options.mqtt.client_id = "session-test";
  options.subscriptions = std::move(subscriptions);
  options.backoff_min = std::chrono::milliseconds(20);
  options.backoff_max = std::chrono::milliseconds(200);
  return options;
}

/// A session on a core of its own, and what it told its owner.
class SessionDriver final : public SessionHandler {
 public:
  explicit SessionDriver(SessionOptions options) : core_("session_test") {
    session_ = std::make_unique<Session>(core_.executor(), std::move(options), *this);
    core_.start();
  }
  ~SessionDriver() override {
    on_core([this] { session_.reset(); });
    core_.stop();
  }

  /// Runs `work` where the session lives.
  template <class F>
  auto on_core(F work) -> std::invoke_result_t<F> {
    std::packaged_task<std::invoke_result_t<F>()> task(std::move(work));
    auto result = task.get_future();
    boost::asio::post(core_.executor(), std::move(task));
    return result.get();
  }

  void start() {
    on_core([this] { session_->start(); });
  }
  Result<void> publish(Outgoing message) {
    return on_core([&] { return session_->publish(std::move(message)); });
  }
  void stop(std::chrono::milliseconds grace) {
    on_core([&] { session_->stop(grace); });
  }
  /// stop() and the destructor: how long a broker can hold up the end.
  void end(std::chrono::milliseconds grace) {
    on_core([&] {
      session_->stop(grace);
      session_.reset();
    });
  }
  Session& session() { return *session_; }
  bool is_ready() {
    return on_core([this] { return session_->is_ready(); });
  }

  /// One thing the session said, in order.
  struct Said {
    enum class What { ready, down, message, delivered, undelivered } what;
    std::uint64_t token = 0;
    Incoming message = {};
    std::optional<Error> why = {};
    BrokerLimits limits = {};
  };
  using What = Said::What;

  std::vector<Said> said() const {
    const std::lock_guard lock(mutex_);
    return said_;
  }
  std::vector<Said> said(What what) const {
    auto all = said();
    std::erase_if(all, [&](const Said& one) { return one.what != what; });
    return all;
  }
  std::size_t count(What what) const { return said(what).size(); }
  std::vector<std::uint64_t> tokens(What what) const {
    std::vector<std::uint64_t> tokens;
    for (const auto& one : said(what)) tokens.push_back(one.token);
    return tokens;
  }
  /// The `number`th thing of a kind, waiting for it.
  Said wait(What what, std::size_t number = 1) const {
    if (!support::wait_until([&] { return count(what) >= number; }))
      throw std::runtime_error("the session did not say it");
    return said(what)[number - 1];
  }

 private:
  void on_ready(const BrokerLimits& limits) override { say({.what = What::ready, .limits = limits}); }
  void on_down(const Error& why) override { say({.what = What::down, .why = why}); }
  void on_message(Incoming message) override { say({.what = What::message, .message = std::move(message)}); }
  void on_delivered(std::uint64_t token) override { say({.what = What::delivered, .token = token}); }
  void on_undelivered(std::uint64_t token, const Error& why) override {
    say({.what = What::undelivered, .token = token, .why = why});
  }
  void say(Said what) {
    const std::lock_guard lock(mutex_);
    said_.push_back(std::move(what));
  }

  async::Core core_;
  std::unique_ptr<Session> session_;
  mutable std::mutex mutex_;
  std::vector<Said> said_;
};

}  // namespace propeller::mqtt
