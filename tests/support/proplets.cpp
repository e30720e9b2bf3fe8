#include "support/proplets.hpp"

#include <utility>

namespace propeller::support {

RustProplet::RustProplet(MqttClientOptions options, ChannelTopics topics, int qos) : topics_(std::move(topics)) {
  options.on_message = [this](const MqttMessage& message) { take(message); };
  client_ = std::make_unique<MqttClient>(std::move(options));
  client_->subscribe(topics_.chunks(), qos);
}

void RustProplet::request(const std::string& app_name) {
  {
    const std::lock_guard lock(mutex_);
    modules_.erase(app_name);
  }
  client_->publish(topics_.request(), request_for(app_name));
}

void RustProplet::take(const MqttMessage& message) {
  auto chunk = message.payload.size() > kPacketBytesMax ? std::nullopt : parse_chunk(message.payload);
  const std::lock_guard lock(mutex_);
  if (!chunk || chunk->total == 0 || chunk->index >= chunk->total) {
    ++dropped_;
    return;
  }
  const auto now = std::chrono::steady_clock::now();
  std::erase_if(sets_, [&](const auto& entry) { return now - entry.second.begun > kSetLifetime; });
  // A finished module stays with whoever asked; further copies of its chunks find no set in progress.
  if (modules_.contains(chunk->app_name)) {
    ++duplicates_;
    return;
  }
  auto [entry, is_new] = sets_.try_emplace(chunk->app_name);
  Set& set = entry->second;
  if (is_new) {
    set.total = chunk->total;
    set.begun = now;
  }
  if (set.total != chunk->total) {
    ++dropped_;
    return;
  }
  if (!set.chunks.try_emplace(chunk->index, std::move(chunk->data)).second) ++duplicates_;
  if (set.chunks.size() < set.total) return;
  std::string module;
  for (const auto& [index, data] : set.chunks) module += data;
  modules_[chunk->app_name] = std::move(module);
  sets_.erase(entry);
  changed_.notify_all();
}

std::optional<std::string> RustProplet::wait_module(const std::string& app_name, milliseconds limit) {
  std::unique_lock lock(mutex_);
  if (!changed_.wait_for(lock, limit, [&] { return modules_.contains(app_name); })) return std::nullopt;
  return modules_[app_name];
}

std::size_t RustProplet::chunks_held(const std::string& app_name) const {
  const std::lock_guard lock(mutex_);
  const auto set = sets_.find(app_name);
  return set == sets_.end() ? 0 : set->second.chunks.size();
}

std::size_t RustProplet::duplicates() const {
  const std::lock_guard lock(mutex_);
  return duplicates_;
}

std::size_t RustProplet::dropped() const {
  const std::lock_guard lock(mutex_);
  return dropped_;
}

GoProplet::GoProplet(MqttClientOptions options, ChannelTopics topics, int qos) : topics_(std::move(topics)) {
  options.on_message = [this](const MqttMessage& message) { take(message); };
  client_ = std::make_unique<MqttClient>(std::move(options));
  client_->subscribe(topics_.chunks(), qos);
}

void GoProplet::request(const std::string& app_name) { client_->publish(topics_.request(), request_for(app_name)); }

void GoProplet::take(const MqttMessage& message) {
  const auto chunk = parse_chunk(message.payload);
  if (!chunk) return;
  const std::lock_guard lock(mutex_);
  Set& set = sets_[chunk->app_name];
  set.bytes += chunk->data;
  if (++set.count < chunk->total) return;
  set.modules.push_back(std::exchange(set.bytes, {}));
  set.count = 0;
  changed_.notify_all();
}

std::optional<std::string> GoProplet::wait_module(const std::string& app_name, std::size_t count, milliseconds limit) {
  std::unique_lock lock(mutex_);
  if (!changed_.wait_for(lock, limit, [&] { return sets_[app_name].modules.size() >= count; })) return std::nullopt;
  return sets_[app_name].modules[count - 1];
}

std::size_t GoProplet::chunks_held(const std::string& app_name) const {
  const std::lock_guard lock(mutex_);
  const auto set = sets_.find(app_name);
  return set == sets_.end() ? 0 : set->second.count;
}

}  // namespace propeller::support
