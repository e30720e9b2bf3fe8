// Dispatcher, first part: what devices ask for.
#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "base/random.hpp"
#include "observe/log.hpp"
#include "stream/dispatcher.hpp"

namespace propeller::stream {

namespace {

constexpr std::uint64_t kDirectChunkMin = 256;
constexpr std::uint32_t kDirectWindowDefault = 8;
constexpr std::uint32_t kDirectWindowMax = 64;
constexpr std::size_t kResponseTopicBytesMax = 1024;
constexpr std::size_t kCorrelationBytesMax = 1024;
constexpr std::size_t kIndexDigitsMax = 20;

}  // namespace

std::vector<mqtt::Subscription> Dispatcher::subscriptions() const {
  std::vector<mqtt::Subscription> list;
  for (std::size_t i = 0; i < topics_.size(); ++i) {
    list.push_back({topics_[i].request_filter(options_.mqtt.share_group), std::max(1, chunk_qos(i))});
  }
  return list;
}

void Dispatcher::on_message(const mqtt::Incoming& message) {
  const auto channel = channel_by_topic_.find(message.topic);
  if (channel == channel_by_topic_.end()) return;
  auto parsed = mqtt::parse_message(message.payload);
  if (!parsed) {
    probe_.requests.add();
    refuse(channel->second, mqtt::app_name_of(message.payload), {}, parsed.error());
  } else if (const auto* ack = std::get_if<mqtt::Acknowledgement>(&*parsed)) {
    handle_acknowledgement(channel->second, *ack);
  } else {
    probe_.requests.add();
    handle_request(channel->second, std::move(std::get<mqtt::ImageRequest>(*parsed)), message);
  }
  settle();
}

void Dispatcher::handle_request(std::size_t channel, mqtt::ImageRequest request, const mqtt::Incoming& message) {
  const auto refuse_with = [&](const Error& why) { refuse(channel, request.app_name, request.proplet_id, why); };
  if (is_draining_)
    return refuse_with({Code::shutting_down, Origin::internal, "the bridge is shutting down; ask again in a minute"});
  if (const auto resting = quarantine_.find({options_.channels[channel].id, request.app_name}, now())) {
    const auto seconds = std::chrono::ceil<std::chrono::seconds>(resting->until - now()).count();
    return refuse_with({resting->why.code, resting->why.origin,
                        fmt::format("{}; the name rests for another {} s", resting->why.detail, seconds)});
  }
  std::optional<Direct> direct;
  if (request.deliver == mqtt::Delivery::direct || !message.response_topic.empty()) {
    auto wish = direct_of(channel, request, message);
    if (!wish) return refuse_with(wish.error());
    direct = std::move(*wish);
  }
  const auto same = std::ranges::find_if(transfers_, [&](const Transfer& each) {
    return each.channel == channel && each.app_name == request.app_name &&
           each.direct.has_value() == direct.has_value() && (!direct || each.direct->topic_base == direct->topic_base);
  });
  if (same != transfers_.end()) {
    if (!direct) return join(*same, request);
    remove(*same);  // the device began anew, or comes back with what it misses
  }
  if (transfers_.size() >= options_.stream.transfers_max) {
    return refuse_with({Code::overloaded, Origin::internal,
                        fmt::format("{} transfers are waiting already; ask again later", transfers_.size())});
  }
  auto reference = registry::parse_reference(request.app_name, options_.default_registry);
  if (!reference) return refuse_with(reference.error());

  auto& transfer = transfers_.emplace_back();
  transfer.id = base::random_hex(8);
  transfer.channel = channel;
  transfer.app_name = std::move(request.app_name);
  transfer.proplet_id = std::move(request.proplet_id);
  transfer.reference = std::move(*reference);
  transfer.direct = std::move(direct);
  transfer.asked = now();
  if (transfer.direct) transfer.chunk_size = direct_chunk_size(transfer, request.chunk_size);
  if (request.deadline) transfer.deadline = transfer.asked + *request.deadline;
  if (request.digest && !transfer.direct) transfer.wishes.push_back({transfer.proplet_id, *request.digest});
  begin_fetch(transfer);
  observe::log_info(
      "request accepted",
      {observe::kv("transfer", transfer.id), observe::kv("channel", options_.channels[channel].id),
       observe::kv("app_name", transfer.app_name), observe::kv("deliver", transfer.direct ? "direct" : "broadcast")});
  report(transfer, mqtt::State::accepted);
  report(transfer, mqtt::State::fetching);
}

Result<Direct> Dispatcher::direct_of(std::size_t channel, const mqtt::ImageRequest& request,
                                     const mqtt::Incoming& message) const {
  if (is_embedded(channel))
    return fail(Code::bad_request, Origin::client, "channels of the embedded profile have no direct delivery");
  Direct direct;
  const std::string own_space = topics_[channel].chunks + "/";
  if (!message.response_topic.empty()) {
    // A device may only name a place below its own channel: the bridge publishes with the bridge's rights.
    const auto& topic = message.response_topic;
    if (!topic.starts_with(own_space) || topic.size() == own_space.size() ||
        topic.find_first_of("+#") != std::string::npos) {
      return fail(Code::bad_request, Origin::client, fmt::format("the response topic has to be below '{}'", own_space));
    }
    if (topic.size() > kResponseTopicBytesMax || message.correlation_data.size() > kCorrelationBytesMax) {
      return fail(Code::bad_request, Origin::client,
                  fmt::format("a response topic has at most {} bytes, correlation data at most {}",
                              kResponseTopicBytesMax, kCorrelationBytesMax));
    }
    direct.topic_base = topic.ends_with('/') ? topic.substr(0, topic.size() - 1) : topic;
    direct.correlation_data = message.correlation_data;
  } else {
    if (!mqtt::is_topic_level(request.proplet_id)) {
      return fail(Code::bad_request, Origin::client,
                  "a direct delivery needs a 'proplet_id' of 1 to 128 characters without / + # $");
    }
    direct.topic_base = own_space + request.proplet_id;
  }
  direct.encoding = request.encoding.value_or(mqtt::Encoding::raw);
  direct.compression = request.compression;
  direct.window = std::clamp(request.window.value_or(kDirectWindowDefault), 1u, kDirectWindowMax);
  direct.digest = request.digest;
  direct.missing = request.missing;
  return direct;
}

std::uint64_t Dispatcher::direct_chunk_size(const Transfer& transfer, std::optional<std::uint64_t> wish) const {
  const auto configured = options_.stream.chunk_size_bytes;
  const auto& direct = *transfer.direct;
  const auto topic_bytes = direct.topic_base.size() + transfer.id.size() + kIndexDigitsMax;
  auto packet_max = packet_bytes_max(topic_bytes + direct.correlation_data.size());
  // Bytes that cannot be compressed grow: see ZSTD_COMPRESSBOUND.
  if (direct.compression == mqtt::Compression::zstd)
    packet_max -= packet_max / 256 + std::min<std::size_t>(packet_max / 2, 64);
  const auto fits = direct.encoding == mqtt::Encoding::json
                        ? mqtt::raw_bytes_that_fit(transfer.app_name, configured, packet_max)
                        : packet_max;
  return std::clamp(std::min(wish.value_or(configured), configured), std::min(kDirectChunkMin, configured),
                    std::max<std::uint64_t>(fits, kDirectChunkMin));
}

void Dispatcher::join(Transfer& transfer, const mqtt::ImageRequest& request) {
  const auto refuse_with = [&](const Error& why) {
    refuse(transfer.channel, transfer.app_name, request.proplet_id, why);
  };
  const bool is_known = transfer.image.size > 0;
  if (request.digest && is_known && *request.digest != transfer.image.digest) return refuse_with(kOtherBytes);
  if (request.digest && !is_known) {
    if (transfer.wishes.size() >= kWishesMax)
      return refuse_with({Code::overloaded, Origin::internal, "too many ask for a digest of this name; ask again"});
    transfer.wishes.push_back({request.proplet_id, *request.digest});
  }
  ++transfer.requests;
  // The delivery ends for nobody before the last one who wants it gives up.
  transfer.deadline = transfer.deadline && request.deadline
                          ? std::optional(std::max(*transfer.deadline, now() + *request.deadline))
                          : std::nullopt;
  if (transfer.has_begun()) transfer.is_joined_late = true;
  if (transfer.stage == Stage::sending) {
    plan_for_joined(transfer);
    top_up(transfer);
  }
  observe::log_info("request joins a transfer",
                    {observe::kv("transfer", transfer.id), observe::kv("proplet", request.proplet_id),
                     observe::kv("requests", transfer.requests)});
  if (now() - transfer.reported < kProgressInterval) return;  // a crowd reads the same status
  report(transfer, transfer.stage == Stage::sending    ? mqtt::State::sending
                   : transfer.stage == Stage::fetching ? mqtt::State::fetching
                                                       : mqtt::State::accepted);
}

}  // namespace propeller::stream
