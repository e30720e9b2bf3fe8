#include "system/receiver.hpp"

#include <mosquitto.h>

#include <charconv>
#include <nlohmann/json.hpp>
#include <stdexcept>

#include "support/base64.hpp"

namespace propeller::bench {
namespace {

constexpr std::uint64_t kWindow = 20;
constexpr std::uint64_t kAcknowledgeEvery = 4;

std::uint64_t number_at(std::string_view text, std::size_t at) {
  std::uint64_t value = 0;
  std::from_chars(text.data() + at, text.data() + text.size(), value);
  return value;
}

}  // namespace

Receiver::Receiver(std::uint16_t port, std::string prefix)
    : prefix_(std::move(prefix)), chunk_topic_(prefix_ + "server") {
  mosquitto_lib_init();
  client_ = mosquitto_new(nullptr, true, this);
  mosquitto_int_option(client_, MOSQ_OPT_TCP_NODELAY, 1);
  mosquitto_message_callback_set(client_, &Receiver::on_message);
  mosquitto_subscribe_callback_set(client_, [](mosquitto*, void* object, int, int, const int*) {
    auto* me = static_cast<Receiver*>(object);
    const std::lock_guard lock(me->mutex_);
    me->is_subscribed_ = true;
    me->changed_.notify_all();
  });
  if (mosquitto_connect(client_, "127.0.0.1", port, 60) != MOSQ_ERR_SUCCESS ||
      mosquitto_loop_start(client_) != MOSQ_ERR_SUCCESS)
    throw std::runtime_error("the measuring device cannot connect");
  mosquitto_subscribe(client_, nullptr, (chunk_topic_ + "/#").c_str(), 1);
  std::unique_lock lock(mutex_);
  if (!changed_.wait_for(lock, std::chrono::seconds(10), [this] { return is_subscribed_; }))
    throw std::runtime_error("the measuring device cannot subscribe");
}

Receiver::~Receiver() {
  mosquitto_disconnect(client_);
  mosquitto_loop_stop(client_, true);
  mosquitto_destroy(client_);
}

void Receiver::on_message(mosquitto*, void* object, const mosquitto_message* message) {
  auto* me = static_cast<Receiver*>(object);
  const std::string_view topic(message->topic);
  const std::string_view payload(static_cast<const char*>(message->payload),
                                 static_cast<std::size_t>(message->payloadlen));
  if (topic == me->chunk_topic_) {
    me->take_chunk(payload);
  } else if (topic.size() > me->chunk_topic_.size()) {
    me->take_direct(topic.substr(me->chunk_topic_.size() + 1), payload);
  }
}

void Receiver::take_chunk(std::string_view payload) {
  // {"app_name":"…","chunk_idx":0,"total_chunks":21,"data":"…
  constexpr std::string_view kBegin = R"({"app_name":")", kIndex = R"(","chunk_idx":)", kTotal = R"("total_chunks":)";
  const auto head = payload.substr(0, 2048);
  const auto index_at = head.find(kIndex), total_at = head.find(kTotal);
  if (!head.starts_with(kBegin) || index_at == std::string_view::npos || total_at == std::string_view::npos) return;
  const std::lock_guard lock(mutex_);
  const auto image = images_.find(head.substr(kBegin.size(), index_at - kBegin.size()));
  if (image == images_.end()) return;
  image->second.total = number_at(head, total_at + kTotal.size());
  count(image->second, number_at(head, index_at + kIndex.size()), payload);
}

void Receiver::take_direct(std::string_view rest, std::string_view payload) {
  const auto slash = rest.find('/');
  if (slash == std::string_view::npos) return;
  const std::string device(rest.substr(0, slash));
  const auto tail = rest.substr(slash + 1);
  std::string acknowledgement;
  {
    const std::lock_guard lock(mutex_);
    const auto name = names_of_devices_.find(device);
    if (name == names_of_devices_.end()) return;
    Image& image = images_[name->second];
    if (tail == "manifest") {
      image.total = nlohmann::json::parse(payload).at("total_chunks");
      finish_if_complete(image);
      return;
    }
    const auto last = tail.rfind('/');
    count(image, number_at(tail, last + 1), payload);
    if (image.count == image.total || image.count >= image.acknowledged + kAcknowledgeEvery) {
      image.acknowledged = image.count;
      acknowledgement = nlohmann::json{{"transfer", tail.substr(0, last)}, {"ack", image.count}}.dump();
    }
  }
  if (acknowledgement.empty()) return;
  mosquitto_publish(client_, nullptr, (prefix_ + "proplet").c_str(), static_cast<int>(acknowledgement.size()),
                    acknowledgement.data(), 0, false);
}

void Receiver::count(Image& image, std::uint64_t index, std::string_view payload) {
  if (index >= (1U << 24)) return;
  if (image.has.size() <= index) image.has.resize(index + 1);
  payload_bytes_ += payload.size();
  if (image.has[index]) return;
  image.has[index] = true;
  ++image.count;
  if (is_kept_) {
    if (image.chunks.size() <= index) image.chunks.resize(index + 1);
    image.chunks[index] = payload;
  }
  finish_if_complete(image);
  changed_.notify_all();
}

void Receiver::finish_if_complete(Image& image) {
  if (image.total == 0 || image.count != image.total) return;
  ++complete_;
  last_ = std::chrono::steady_clock::now();
  changed_.notify_all();
}

void Receiver::forget_all() {
  const std::lock_guard lock(mutex_);
  images_.clear();
  names_of_devices_.clear();
  payload_bytes_ = 0;
  complete_ = 0;
}

void Receiver::ask(const std::string& name, Delivery delivery) {
  nlohmann::json wish{{"app_name", name}};
  {
    const std::lock_guard lock(mutex_);
    images_[name] = Image{};
    if (delivery == Delivery::direct) {
      const std::string device = "dev" + std::to_string(names_of_devices_.size());
      names_of_devices_[device] = name;
      wish["deliver"] = "direct";
      wish["proplet_id"] = device;
      wish["window"] = kWindow;
    }
  }
  const std::string text = wish.dump();
  mosquitto_publish(client_, nullptr, (prefix_ + "proplet").c_str(), static_cast<int>(text.size()), text.data(), 1,
                    false);
}

Received Receiver::fetch(const std::vector<std::string>& names, Delivery delivery, std::chrono::seconds limit) {
  forget_all();
  const auto begin = std::chrono::steady_clock::now();
  for (const auto& name : names) ask(name, delivery);
  std::unique_lock lock(mutex_);
  const bool is_complete = changed_.wait_for(lock, limit, [&] { return complete_ == names.size(); });
  return {.is_complete = is_complete,
          .seconds = std::chrono::duration<double>(last_ - begin).count(),
          .payload_bytes = payload_bytes_};
}

bool Receiver::wait_chunks(const std::string& name, std::uint64_t wanted, std::chrono::seconds limit) {
  std::unique_lock lock(mutex_);
  return changed_.wait_for(lock, limit, [&] { return images_[name].count >= wanted; });
}

bool Receiver::wait_complete(const std::string& name, std::chrono::seconds limit) {
  std::unique_lock lock(mutex_);
  return changed_.wait_for(lock, limit,
                           [&] { return images_[name].total > 0 && images_[name].count == images_[name].total; });
}

bool Receiver::is_complete(const std::string& name) {
  const std::lock_guard lock(mutex_);
  return images_[name].total > 0 && images_[name].count == images_[name].total;
}

std::string Receiver::bytes_of(const std::string& name) {
  const std::lock_guard lock(mutex_);
  std::string bytes;
  for (const auto& chunk : images_[name].chunks) {
    const auto data = chunk.find(R"("data":")");
    if (chunk.starts_with(R"({"app_name":)") && data != std::string::npos) {
      bytes += support::decode_base64(std::string_view(chunk).substr(data + 8, chunk.size() - data - 10)).value_or("");
    } else {
      bytes += chunk;
    }
  }
  return bytes;
}

}  // namespace propeller::bench
