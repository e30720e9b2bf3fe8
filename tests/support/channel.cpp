#include "support/channel.hpp"

#include <algorithm>

#include "support/base64.hpp"

namespace propeller::support {

ChannelTopics classic_topics(const std::string& channel) { return {"channels/" + channel + "/messages/registry/"}; }

ChannelTopics domain_messages_topics(const std::string& domain, const std::string& channel) {
  return {"m/" + domain + "/c/" + channel + "/messages/registry/"};
}

ChannelTopics domain_topics(const std::string& tenant, const std::string& channel) {
  return {"m/" + tenant + "/c/" + channel + "/registry/"};
}

std::optional<Chunk> parse_chunk(std::string_view json) {
  const auto value = nlohmann::json::parse(json, nullptr, false);
  if (!value.is_object()) return std::nullopt;
  const auto name = value.find("app_name"), index = value.find("chunk_idx"), total = value.find("total_chunks"),
             data = value.find("data");
  if (name == value.end() || index == value.end() || total == value.end() || data == value.end()) return std::nullopt;
  if (!name->is_string() || !index->is_number_unsigned() || !total->is_number_unsigned() || !data->is_string())
    return std::nullopt;
  auto bytes = decode_base64(data->get_ref<const std::string&>());
  if (!bytes) return std::nullopt;
  return Chunk{.app_name = *name, .index = *index, .total = *total, .data = std::move(*bytes)};
}

std::string request_for(const std::string& app_name) { return nlohmann::json{{"app_name", app_name}}.dump(); }

ChannelWatch::ChannelWatch(MqttClientOptions options, ChannelTopics topics) : topics_(std::move(topics)) {
  options.on_message = [this](const MqttMessage& message) { take(message); };
  client_ = std::make_unique<MqttClient>(std::move(options));
  client_->subscribe(topics_.prefix + "#", 2);
}

void ChannelWatch::request(const std::string& app_name) { client_->publish(topics_.request(), request_for(app_name)); }
void ChannelWatch::request(const nlohmann::json& wish) { client_->publish(topics_.request(), wish.dump()); }

void ChannelWatch::take(const MqttMessage& message) {
  Event event;
  event.topic = message.topic;
  event.payload_bytes = message.payload.size();
  event.qos = message.qos;
  event.is_retained = message.is_retained;
  if (message.topic == topics_.chunks()) {
    if (auto chunk = parse_chunk(message.payload)) {
      event.app_name = chunk->app_name;
      event.index = chunk->index;
      event.total = chunk->total;
      event.data_bytes = chunk->data.size();
    } else {
      event.text = message.payload;
    }
  } else if (message.topic == topics_.status()) {
    event.status = nlohmann::json::parse(message.payload, nullptr, false);
    if (event.status.is_object()) event.app_name = event.status.value("app_name", "");
  } else if (message.payload.size() <= 65'536) {
    event.text = message.payload;
  }
  const std::lock_guard lock(mutex_);
  events_.push_back(std::move(event));
  changed_.notify_all();
}

std::optional<ChannelWatch::Event> ChannelWatch::wait(const std::function<bool(const Event&)>& wanted,
                                                      milliseconds limit) {
  std::unique_lock lock(mutex_);
  std::optional<Event> found;
  std::size_t seen = 0;
  changed_.wait_for(lock, limit, [&] {
    if (seen > events_.size()) seen = 0;
    for (; seen < events_.size(); ++seen)
      if (wanted(events_[seen])) {
        found = events_[seen];
        return true;
      }
    return false;
  });
  return found;
}

std::optional<nlohmann::json> ChannelWatch::wait_status(const std::string& app_name, const std::string& state,
                                                        milliseconds limit) {
  const auto event = wait(
      [&](const Event& candidate) {
        return candidate.status.is_object() && candidate.app_name == app_name &&
               candidate.status.value("state", "") == state;
      },
      limit);
  if (!event) return std::nullopt;
  return event->status;
}

std::optional<ChannelWatch::Event> ChannelWatch::wait_chunk(const std::string& app_name, std::uint64_t index,
                                                            milliseconds limit) {
  return wait([&](const Event& event) { return event.app_name == app_name && event.index == index; }, limit);
}

std::vector<ChannelWatch::Event> ChannelWatch::events() const {
  const std::lock_guard lock(mutex_);
  return {events_.begin(), events_.end()};
}

std::vector<std::uint64_t> ChannelWatch::indices(const std::string& app_name) const {
  const std::lock_guard lock(mutex_);
  std::vector<std::uint64_t> result;
  for (const auto& event : events_)
    if (event.index && event.app_name == app_name) result.push_back(*event.index);
  return result;
}

std::size_t ChannelWatch::count(const std::function<bool(const Event&)>& wanted) const {
  const std::lock_guard lock(mutex_);
  return static_cast<std::size_t>(std::ranges::count_if(events_, wanted));
}

void ChannelWatch::clear() {
  const std::lock_guard lock(mutex_);
  events_.clear();
}

}  // namespace propeller::support
