#include "stream/dispatcher.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "base/assert.hpp"
#include "base/random.hpp"
#include "observe/log.hpp"

namespace propeller::stream {

namespace {

constexpr std::uint64_t kDirectChunkMin = 256;
constexpr std::uint32_t kDirectWindowDefault = 8;
constexpr std::uint32_t kDirectWindowMax = 64;
constexpr std::size_t kEmbeddedMessageBytes = 1023;

}  // namespace

Dispatcher::Dispatcher(Options options, ChunkChannel& channel, Outlets outlets, StartedSets& started_sets,
                       const base::Clock& clock, Probe& probe)
    : options_(std::move(options)),
      channel_(channel),
      outlets_(std::move(outlets)),
      started_sets_(started_sets),
      clock_(clock),
      probe_(probe),
      publisher_(outlets_.publish, options_.mqtt.inflight_max) {
  for (const auto& each : options_.channels) {
    channel_by_topic_.emplace(mqtt::topics_of(each).request, topics_.size());
    topics_.push_back(mqtt::topics_of(each));
  }
}

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
  publisher_.flush_control();
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
    if (!direct) return join(*same, request.proplet_id);
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
  const auto packet_max =
      packet_bytes_max(topics_[transfer.channel].direct_chunk(transfer.proplet_id, transfer.id, configured));
  const auto fits = transfer.direct->encoding == mqtt::Encoding::json
                        ? mqtt::raw_bytes_that_fit(transfer.app_name, configured, packet_max)
                        : packet_max;
  return std::clamp(std::min(wish.value_or(configured), configured), std::min(kDirectChunkMin, configured),
                    std::max<std::uint64_t>(fits, kDirectChunkMin));
}

void Dispatcher::join(Transfer& transfer, const std::string& proplet_id) {
  ++transfer.requests;
  if (transfer.stage == Stage::sending && transfer.has_begun()) {
    transfer.plan.join();
    top_up(transfer);
  }
  observe::log_info("request joins a transfer",
                    {observe::kv("transfer", transfer.id), observe::kv("proplet", proplet_id),
                     observe::kv("requests", transfer.requests)});
  report(transfer, transfer.stage == Stage::sending ? mqtt::State::sending : mqtt::State::accepted);
}

void Dispatcher::begin_fetch(Transfer& transfer) {
  transfer.stage = Stage::fetching;
  transfer.lane = channel_.open_lane();
  by_lane_[transfer.lane] = &transfer;
  outlets_.fetch(transfer.lane, transfer.reference, transfer.direct ? transfer.chunk_size : 0);
}

void Dispatcher::on_image(LaneId lane, ImageInfo image) {
  auto* transfer = by_lane(lane);
  if (!transfer) return;
  const bool is_other = (transfer->must_be && image.digest != *transfer->must_be) ||
                        (transfer->direct && transfer->direct->digest && image.digest != *transfer->direct->digest);
  if (is_other) {
    fail_transfer(*transfer, {Code::digest_mismatch, Origin::upstream,
                              "the name points at other bytes now than when the delivery began"});
    return settle();
  }
  const bool is_refetched = transfer->total_chunks > 0;
  transfer->image = std::move(image);
  if (!is_refetched) {
    if (auto planned = plan_chunks(*transfer); !planned) {
      fail_transfer(*transfer, planned.error());
      return settle();
    }
  }
  channel_.set_class(lane, transfer->is_small() ? ChunkChannel::Class::small : ChunkChannel::Class::bulk);
  if (is_refetched) {
    transfer->stage = Stage::sending;
    outlets_.feed(lane, transfer->chunk_size);
    top_up(*transfer);
  } else {
    transfer->stage = Stage::waiting;
    needs_admission_ = true;
  }
  settle();
}

void Dispatcher::settle() {
  while (std::exchange(needs_admission_, false)) admit();
  publisher_.flush_control();
}

Result<void> Dispatcher::plan_chunks(Transfer& transfer) const {
  const auto size = transfer.image.size;
  if (!transfer.direct) return plan_broadcast(transfer);
  const auto total = (size + transfer.chunk_size - 1) / transfer.chunk_size;
  transfer.total_chunks = total;
  transfer.plan = DeliveryPlan(DeliveryPlan::Kind::indexed, total);
  if (const auto& missing = transfer.direct->missing) {
    if (missing->empty() || missing->last() >= total) {
      return fail(Code::bad_request, Origin::client,
                  fmt::format("'missing' goes beyond the {} chunks of {} bytes", total, transfer.chunk_size));
    }
    transfer.plan.only(*missing);
    transfer.direct->received_in_order = missing->ranges.front().first;
  }
  return {};
}

Result<void> Dispatcher::plan_broadcast(Transfer& transfer) const {
  const auto size = transfer.image.size;
  if (transfer.chunk_size == 0) {  // a set that is taken up again keeps its chunks
    const auto& topic = topics_[transfer.channel].chunks;
    const std::size_t message_max = is_embedded(transfer.channel) ? kEmbeddedMessageBytes : packet_bytes_max(topic);
    transfer.chunk_size = options_.stream.chunk_size_bytes;
    // The total has its digits in the message too: with the size as total the estimate is on the safe side.
    transfer.chunk_size =
        std::min<std::uint64_t>(transfer.chunk_size, mqtt::raw_bytes_that_fit(transfer.app_name, size, message_max));
    if (transfer.chunk_size == 0)
      return fail(Code::too_large, Origin::client, "not even one byte fits into a message of this broker or channel");
  }
  if (is_embedded(transfer.channel)) {
    const auto fits =
        mqtt::encoded_chunk_size(transfer.app_name, 0, 1, static_cast<std::size_t>(size)) <= kEmbeddedMessageBytes;
    if (!fits) {
      return fail(
          Code::too_large, Origin::client,
          fmt::format("an image of {} bytes does not fit into the one message of {} bytes that embedded devices take",
                      size, kEmbeddedMessageBytes));
    }
    transfer.chunk_size = size;
  }
  transfer.total_chunks = (size + transfer.chunk_size - 1) / transfer.chunk_size;
  transfer.plan = DeliveryPlan(kind_of(transfer.channel), transfer.total_chunks,
                               std::min(transfer.begin_at, transfer.total_chunks - 1));
  return {};
}

void Dispatcher::admit() {
  std::vector<Transfer*> waiting;
  Load load;
  std::size_t sending = 0;
  for (auto& each : transfers_) {
    if (each.stage == Stage::waiting) waiting.push_back(&each);
    if (each.stage != Stage::sending) continue;
    ++sending;
    if (each.direct || each.is_small()) continue;
    ++load.active_count;
    load.active_remaining_bytes += each.remaining_bytes();
  }
  // Small ones first, but nobody for ever: who has waited half the patience of a client goes first.
  const auto is_late = [&](const Transfer* each) { return now() - each->asked > kClientPatience / 2; };
  std::ranges::sort(waiting, [&](const Transfer* a, const Transfer* b) {
    if (is_late(a) != is_late(b)) return is_late(a);
    return a->image.size != b->image.size ? a->image.size < b->image.size : a->asked < b->asked;
  });
  bool is_full = false;  // once one has to wait, those behind it do not overtake it
  for (auto* each : waiting) {
    const bool is_counted = !each->direct && !each->is_small();
    if (sending >= kSendingMax && !each->is_small()) continue;
    if (is_counted && (is_full || !may_start(load, each->image.size, rate_.bytes_per_second()))) {
      is_full = true;
      continue;
    }
    ++sending;
    if (is_counted) ++load.active_count, load.active_remaining_bytes += each->image.size;
    start(*each);
  }
}

void Dispatcher::start(Transfer& transfer) {
  if (!transfer.direct && !transfer.is_small()) {
    const StartedSet set{.id = transfer.id,
                         .channel = options_.channels[transfer.channel].id,
                         .app_name = transfer.app_name,
                         .pinned = transfer.image.pinned,
                         .digest = transfer.image.digest,
                         .size = transfer.image.size,
                         .chunk_size = transfer.chunk_size,
                         .delivered = transfer.begin_at,
                         .begun = clock_.wall_now()};
    if (auto noted = started_sets_.begin(set); !noted) return fail_transfer(transfer, noted.error());
    transfer.must_be = transfer.image.digest;
  }
  transfer.stage = Stage::sending;
  if (transfer.began == steady_clock::time_point{}) transfer.began = now();
  std::uint64_t messages = transfer.plan.remaining();
  for (const auto& each : transfers_) {
    if (&each != &transfer && each.channel == transfer.channel && each.stage == Stage::sending)
      messages += each.plan.remaining();
  }
  transfer.pacing.start(now(), messages);
  outlets_.feed(transfer.lane, transfer.chunk_size);
  observe::log_info(
      "sending", {observe::kv("transfer", transfer.id), observe::kv("app_name", transfer.app_name),
                  observe::kv("digest", transfer.image.digest.short_hex()), observe::kv("bytes", transfer.image.size),
                  observe::kv("chunks", transfer.total_chunks), observe::kv("at_hand", transfer.image.is_at_hand)});
  report(transfer, mqtt::State::sending);
  if (transfer.direct) {
    transfer.direct->heard = now();
    send_direct_manifest(transfer);
  }
  top_up(transfer);
}

void Dispatcher::finish(Transfer& transfer) {
  report(transfer, mqtt::State::done);
  log_summary(transfer);
  probe_.transfers_done.add();
  probe_.transfer_seconds.observe(std::chrono::duration<double>(now() - transfer.asked).count());
  started_sets_.finish(transfer.id);
  remove(transfer);
  needs_admission_ = true;
}

void Dispatcher::lane_failed(LaneId lane, const Error& why) {
  auto* transfer = by_lane(lane);
  if (!transfer) return;
  if (!may_refetch(*transfer, why)) return fail_transfer(*transfer, why);
  observe::log_warn("fetching the begun image again",
                    {observe::kv("transfer", transfer->id), observe::kv("error", base::describe(why))});
  ++transfer->refetches;
  transfer->plan.give_back(std::vector(transfer->ordered.begin(), transfer->ordered.end()));
  transfer->ordered.clear();
  by_lane_.erase(transfer->lane);
  outlets_.forget(transfer->lane);
  if (auto pinned = registry::parse_reference(transfer->image.pinned, options_.default_registry))
    transfer->reference = *pinned;
  begin_fetch(*transfer);
}

// A set that was begun is finished from the same digest if that is to be had at all. Chunks in flight are not known
// to have arrived, so an ordered client could get them twice: there the set is given up.
bool Dispatcher::may_refetch(const Transfer& transfer, const Error& why) const {
  const bool is_passing = why.code == Code::registry_unavailable || why.code == Code::timeout;
  return is_passing && !transfer.direct && transfer.stage == Stage::sending && transfer.has_begun() && !is_draining_ &&
         transfer.refetches < kRefetchesMax && now() - transfer.asked < kClientPatience &&
         (kind_of(transfer.channel) == DeliveryPlan::Kind::indexed || transfer.ordered.empty());
}

void Dispatcher::fail_transfer(Transfer& transfer, const Error& why) {
  const bool is_partial = !transfer.direct && !transfer.is_small() && transfer.has_begun();
  if (!is_partial) started_sets_.finish(transfer.id);
  const bool is_corrupt = why.code == Code::digest_mismatch && !transfer.direct;
  if (is_corrupt || (is_partial && why.code != Code::shutting_down)) rest(transfer, why);
  report(transfer, mqtt::State::failed, &why);
  probe_.failed(base::to_string(base::wire_code(why))).add();
  observe::log_warn("transfer failed",
                    {observe::kv("transfer", transfer.id), observe::kv("app_name", transfer.app_name),
                     observe::kv("code", base::to_string(why.code)), observe::kv("reason", why.detail),
                     observe::kv("sent_chunks", transfer.chunks_delivered)});
  remove(transfer);
  needs_admission_ = true;
}

void Dispatcher::rest(const Transfer& transfer, const Error& why) {
  const auto until = now() + Quarantine::kRest;
  quarantine_.put({options_.channels[transfer.channel].id, transfer.app_name}, until, why);
  resting_sets_.emplace(until, transfer.id);
}

void Dispatcher::remove(Transfer& transfer) {
  channel_.close_lane(transfer.lane);
  outlets_.forget(transfer.lane);
  by_lane_.erase(transfer.lane);
  transfers_.remove_if([&](const Transfer& each) { return &each == &transfer; });
}

void Dispatcher::take_up(const std::vector<StartedSet>& sets) {
  for (const auto& set : sets) {
    const auto channel = std::ranges::find(options_.channels, set.channel, &config::Channel::id);
    auto reference = registry::parse_reference(set.pinned, options_.default_registry);
    const bool is_whole = set.delivered >= (set.size + set.chunk_size - 1) / set.chunk_size;
    if (channel == options_.channels.end() || !reference || is_whole ||
        transfers_.size() >= options_.stream.transfers_max) {
      started_sets_.finish(set.id);
      continue;
    }
    auto& transfer = transfers_.emplace_back();
    transfer.id = set.id;
    transfer.channel = static_cast<std::size_t>(channel - options_.channels.begin());
    transfer.app_name = set.app_name;
    transfer.reference = std::move(*reference);
    transfer.must_be = set.digest;
    transfer.chunk_size = set.chunk_size;
    transfer.begin_at = set.delivered;
    transfer.is_taken_up = true;
    transfer.asked = now();
    observe::log_info("taking up a set that was begun",
                      {observe::kv("transfer", set.id), observe::kv("app_name", set.app_name),
                       observe::kv("digest", set.digest.short_hex()), observe::kv("delivered", set.delivered)});
    begin_fetch(transfer);
  }
}

void Dispatcher::begin_drain() {
  is_draining_ = true;
  std::vector<Transfer*> idle;
  for (auto& each : transfers_) {
    if (each.stage != Stage::sending) idle.push_back(&each);
  }
  for (auto* each : idle)
    fail_transfer(*each, {Code::shutting_down, Origin::internal, "the bridge is shutting down; ask again in a minute"});
  settle();
}

void Dispatcher::end_drain() {
  while (!transfers_.empty()) {
    fail_transfer(transfers_.front(), {Code::shutting_down, Origin::internal,
                                       "the bridge is shutting down; begun deliveries go on after its restart"});
  }
  publisher_.flush_control();
}

Transfer* Dispatcher::by_lane(LaneId lane) {
  const auto found = by_lane_.find(lane);
  return found == by_lane_.end() ? nullptr : found->second;
}

DeliveryPlan::Kind Dispatcher::kind_of(std::size_t channel) const {
  return options_.channels[channel].family == config::TopicFamily::domain ? DeliveryPlan::Kind::indexed
                                                                          : DeliveryPlan::Kind::ordered;
}

Dispatcher::Counts Dispatcher::counts() const {
  Counts counts;
  for (const auto& each : transfers_) ++(each.stage == Stage::sending ? counts.sending : counts.waiting);
  return counts;
}

}  // namespace propeller::stream
