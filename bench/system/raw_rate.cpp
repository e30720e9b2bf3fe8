#include "system/raw_rate.hpp"

#include <mosquitto.h>

#include <chrono>
#include <condition_variable>
#include <memory>
#include <mutex>
#include <stdexcept>
#include <string>

namespace propeller::bench {
namespace {

struct Shared {
  std::mutex mutex;
  std::condition_variable changed;
  bool is_subscribed = false, is_connected = false;
  std::uint64_t received = 0;
};

using Client = std::unique_ptr<mosquitto, decltype(&mosquitto_destroy)>;

Client connect(std::uint16_t port, Shared& shared) {
  Client client(mosquitto_new(nullptr, true, &shared), &mosquitto_destroy);
  mosquitto_int_option(client.get(), MOSQ_OPT_TCP_NODELAY, 1);
  if (mosquitto_connect(client.get(), "127.0.0.1", port, 60) != MOSQ_ERR_SUCCESS)
    throw std::runtime_error("the raw client cannot connect");
  return client;
}

void notify(Shared& shared, const auto& change) {
  const std::lock_guard lock(shared.mutex);
  change(shared);
  shared.changed.notify_all();
}

}  // namespace

double raw_rate(std::uint16_t port, std::uint64_t payload_bytes, std::uint64_t messages, int window) {
  mosquitto_lib_init();
  Shared shared;
  const Client subscriber = connect(port, shared), publisher = connect(port, shared);
  mosquitto_subscribe_callback_set(subscriber.get(), [](mosquitto*, void* object, int, int, const int*) {
    notify(*static_cast<Shared*>(object), [](Shared& state) { state.is_subscribed = true; });
  });
  mosquitto_message_callback_set(subscriber.get(), [](mosquitto*, void* object, const mosquitto_message*) {
    notify(*static_cast<Shared*>(object), [](Shared& state) { ++state.received; });
  });
  mosquitto_connect_callback_set(publisher.get(), [](mosquitto*, void* object, int) {
    notify(*static_cast<Shared*>(object), [](Shared& state) { state.is_connected = true; });
  });
  mosquitto_max_inflight_messages_set(publisher.get(), static_cast<unsigned>(window));
  mosquitto_subscribe(subscriber.get(), nullptr, "raw", 1);
  mosquitto_loop_start(subscriber.get());
  mosquitto_loop_start(publisher.get());
  const std::string payload(payload_bytes, 'x');
  double seconds = 0;
  {
    std::unique_lock lock(shared.mutex);
    shared.changed.wait(lock, [&] { return shared.is_subscribed && shared.is_connected; });
    lock.unlock();
    const auto begin = std::chrono::steady_clock::now();
    for (std::uint64_t i = 0; i < messages; ++i)
      mosquitto_publish(publisher.get(), nullptr, "raw", static_cast<int>(payload.size()), payload.data(), 1, false);
    lock.lock();
    shared.changed.wait(lock, [&] { return shared.received == messages; });
    seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
  }
  for (const auto& client : {subscriber.get(), publisher.get()}) {
    mosquitto_disconnect(client);
    mosquitto_loop_stop(client, true);
  }
  return static_cast<double>(payload_bytes * messages) / seconds;
}

}  // namespace propeller::bench
