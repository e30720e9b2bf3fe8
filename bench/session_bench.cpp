// How fast the MQTT session carries chunk messages, next to a bare libmosquitto publisher on the same broker.
//
//   session_bench                        own broker on loopback, at 0 and 300 ms round trip
//   session_bench ADDRESS [QOS] [COUNT]  a broker elsewhere (a limited link, another machine)
//
// 682 700 bytes a message, as 512 000 raw bytes become; a subscriber in a process of its own takes everything.

#include <fmt/format.h>
#include <mosquitto.h>
#include <sys/resource.h>

#include <boost/asio/post.hpp>
#include <condition_variable>
#include <future>
#include <mutex>

#include "async/core.hpp"
#include "mqtt/broker_address.hpp"
#include "mqtt/session.hpp"
#include "support/delay_relay.hpp"
#include "support/mosquitto.hpp"
#include "support/subprocess.hpp"

using namespace propeller;
using namespace std::chrono_literals;
using Clock = std::chrono::steady_clock;

namespace {

constexpr std::size_t kMessageBytes = 682'700;
constexpr std::size_t kRawBytes = 512'000;
constexpr const char* kTopic = "bench";

struct Run {
  std::string address;
  int qos = 1;
  std::size_t window = 8;
  std::size_t count = 500;
};

double cpu_seconds() {
  rusage usage{};
  ::getrusage(RUSAGE_SELF, &usage);
  const auto seconds = [](const timeval& time) {
    return static_cast<double>(time.tv_sec) + static_cast<double>(time.tv_usec) / 1e6;
  };
  return seconds(usage.ru_utime) + seconds(usage.ru_stime);
}

void report(std::string_view who, const Run& run, Clock::duration elapsed, double cpu) {
  const double seconds = std::chrono::duration<double>(elapsed).count();
  const double bytes = static_cast<double>(run.count * kMessageBytes);
  const auto memory_kb = [] {
    rusage usage{};
    ::getrusage(RUSAGE_SELF, &usage);
    return usage.ru_maxrss;
  }();
  fmt::print(
      "{:<8} qos {} window {:>2} {:>4} messages: {:7.3f} s {:8.2f} MB/s encoded {:8.2f} MB/s raw {:5.2f} cpu-s/GiB, "
      "peak {} MB\n",
      who, run.qos, run.window, run.count, seconds, bytes / seconds / 1e6,
      static_cast<double>(run.count * kRawBytes) / seconds / 1e6, cpu / (bytes / 1073741824.0), memory_kb / 1024);
  std::fflush(stdout);
}

/// A window of messages around libmosquitto's own publish().
class BarePublisher {
 public:
  explicit BarePublisher(const Run& run) : run_(run) {
    const auto address = mqtt::BrokerAddress::parse(run.address);
    client_ = ::mosquitto_new(nullptr, true, this);
    ::mosquitto_max_inflight_messages_set(client_, static_cast<unsigned>(2 * run.window));
    ::mosquitto_publish_callback_set(client_,
                                     [](mosquitto*, void* self, int) { static_cast<BarePublisher*>(self)->taken(); });
    ::mosquitto_connect_callback_set(
        client_, [](mosquitto*, void* self, int) { static_cast<BarePublisher*>(self)->connected_.set_value(); });
    if (!address || ::mosquitto_connect(client_, address->host.c_str(), address->port, 60) != 0)
      throw std::runtime_error("no broker");
    ::mosquitto_loop_start(client_);
    connected_.get_future().wait();
  }
  ~BarePublisher() {
    ::mosquitto_disconnect(client_);
    ::mosquitto_loop_stop(client_, false);
    ::mosquitto_destroy(client_);
  }
  BarePublisher(const BarePublisher&) = delete;
  BarePublisher& operator=(const BarePublisher&) = delete;

  void run() {
    const std::string payload(kMessageBytes, 'x');
    std::unique_lock lock(mutex_);
    for (std::size_t i = 0; i < run_.count; ++i) {
      changed_.wait(lock, [&] { return i - taken_ < run_.window; });
      lock.unlock();
      ::mosquitto_publish(client_, nullptr, kTopic, static_cast<int>(payload.size()), payload.data(), run_.qos, false);
      lock.lock();
    }
    changed_.wait(lock, [&] { return taken_ == run_.count; });
  }

 private:
  void taken() {
    const std::lock_guard lock(mutex_);
    ++taken_;
    changed_.notify_all();
  }
  const Run run_;
  mosquitto* client_ = nullptr;
  std::promise<void> connected_;
  std::mutex mutex_;
  std::condition_variable changed_;
  std::size_t taken_ = 0;
};

/// The session with the window of messages and bytes that the bridge keeps.
class SessionPublisher final : public mqtt::SessionHandler {
 public:
  explicit SessionPublisher(const Run& run) : run_(run), core_("session_bench") {
    mqtt::SessionOptions options;
    options.mqtt.address = run.address;
    options.mqtt.client_id = "session-bench";
    options.subscriptions = {{"bench/requests", 1}};
    session_ = std::make_unique<mqtt::Session>(core_.executor(), options, *this);
    core_.start();
    boost::asio::post(core_.executor(), [this] { session_->start(); });
    ready_.get_future().wait();
  }
  ~SessionPublisher() override {
    std::promise<void> gone;
    boost::asio::post(core_.executor(), [&] {
      session_.reset();
      gone.set_value();
    });
    gone.get_future().wait();
  }
  SessionPublisher(const SessionPublisher&) = delete;
  SessionPublisher& operator=(const SessionPublisher&) = delete;

  void run() {
    boost::asio::post(core_.executor(), [this] { top_up(); });
    done_.get_future().wait();
  }

 private:
  void on_ready(const mqtt::BrokerLimits&) override {
    if (!std::exchange(is_ready_, true)) ready_.set_value();
  }
  void on_down(const Error& why) override { fmt::print("down: {}\n", base::describe(why)); }
  void on_message(mqtt::Incoming) override {}
  void on_undelivered(std::uint64_t, const Error& why) override {
    fmt::print("undelivered: {}\n", base::describe(why));
  }
  void on_delivered(std::uint64_t) override {
    if (++taken_ == run_.count) return done_.set_value();
    top_up();
  }
  void top_up() {
    while (sent_ < run_.count && sent_ - taken_ < run_.window &&
           (sent_ == taken_ || (sent_ - taken_ + 1) * kMessageBytes <= session_->window_bytes())) {
      std::string payload;
      payload.resize_and_overwrite(kMessageBytes,
                                   [](char* begin, std::size_t size) { return std::fill_n(begin, size, 'x') - begin; });
      if (!session_->publish({.topic = kTopic, .payload = std::move(payload), .qos = run_.qos, .token = sent_})) return;
      ++sent_;
    }
  }

  const Run run_;
  async::Core core_;
  std::unique_ptr<mqtt::Session> session_;
  std::promise<void> ready_, done_;
  bool is_ready_ = false;
  std::size_t sent_ = 0, taken_ = 0;
};

template <class Publisher>
void measure(std::string_view who, const Run& run) {
  Publisher publisher(run);
  const auto start = Clock::now();
  const double cpu = cpu_seconds();
  publisher.run();
  report(who, run, Clock::now() - start, cpu_seconds() - cpu);
}

int subscribe(const std::string& text) {
  const auto address = mqtt::BrokerAddress::parse(text);
  auto* const client = ::mosquitto_new(nullptr, true, nullptr);
  ::mosquitto_connect_callback_set(
      client, [](mosquitto* self, void*, int) { ::mosquitto_subscribe(self, nullptr, kTopic, 2); });
  ::mosquitto_subscribe_callback_set(client, [](mosquitto*, void*, int, int, const int*) {
    fmt::print("subscribed\n");
    std::fflush(stdout);
  });
  if (!address || ::mosquitto_connect(client, address->host.c_str(), address->port, 60) != 0) return 1;
  return ::mosquitto_loop_forever(client, -1, 1);
}

void measure_own_broker(const std::string& self) {
  support::Mosquitto broker({.inflight_max = 100, .is_log_verbose = false});
  support::Subprocess subscriber({.arguments = {self, "--subscribe", broker.address()}});
  if (!subscriber.wait_line("subscribed")) throw std::runtime_error("no subscriber");
  for (const int qos : {1, 2}) {
    const Run run{.address = broker.address(), .qos = qos};
    measure<BarePublisher>("raw", run);
    measure<SessionPublisher>("session", run);
  }
  support::DelayRelay relay({.target_port = broker.port(), .one_way = 150ms});
  for (const int qos : {1, 2})
    measure<SessionPublisher>(
        "300 ms", {.address = fmt::format("tcp://127.0.0.1:{}", relay.port()), .qos = qos, .window = 20, .count = 21});
}

}  // namespace

int main(int argc, char** argv) {
  ::mosquitto_lib_init();
  const std::vector<std::string> arguments(argv, argv + argc);
  if (argc == 3 && arguments[1] == "--subscribe") return subscribe(arguments[2]);
  if (argc == 1) {
    measure_own_broker(arguments[0]);
    return 0;
  }
  Run run{.address = arguments[1],
          .qos = argc > 2 ? std::stoi(arguments[2]) : 1,
          .window = 20,
          .count = argc > 3 ? std::stoul(arguments[3]) : 21};
  measure<BarePublisher>("raw", run);
  measure<SessionPublisher>("session", run);
  return 0;
}
