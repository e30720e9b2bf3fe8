// Second part: the life of a transfer. See requests.cpp, sending.cpp and reports.cpp for the others.
#include "stream/dispatcher.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "observe/log.hpp"

namespace propeller::stream {

namespace {

constexpr std::size_t kEmbeddedMessageBytes = 1023;

}  // namespace

const Error Dispatcher::kOtherBytes{Code::digest_mismatch, Origin::client,
                                    "the name points at other bytes than the 'digest' that was asked for"};

Dispatcher::Dispatcher(Options options, ChunkChannel& channel, Outlets outlets, StartedSets& started_sets,
                       const base::Clock& clock, Probe& probe)
    : options_(std::move(options)),
      channel_(channel),
      outlets_(std::move(outlets)),
      started_sets_(started_sets),
      clock_(clock),
      probe_(probe),
      publisher_(outlets_.publish, options_.mqtt.inflight_max),
      pacing_(options_.channels.size()) {
  for (const auto& each : options_.channels) {
    channel_by_topic_.emplace(mqtt::topics_of(each).request, topics_.size());
    topics_.push_back(mqtt::topics_of(each));
  }
}

void Dispatcher::begin_fetch(Transfer& transfer) {
  transfer.stage = Stage::fetching;
  transfer.lane = channel_.open_lane(transfer.id);
  by_lane_[transfer.lane] = &transfer;
  outlets_.fetch(transfer.lane, {.reference = transfer.reference,
                                 .hash_chunk_size = transfer.direct ? transfer.chunk_size : 0,
                                 .begun_with = transfer.must_be});
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
  if (!refuse_other_wishes(*transfer)) return settle();
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
    plan_for_joined(*transfer);
    top_up(*transfer);
  } else {
    transfer->stage = Stage::waiting;
    needs_admission_ = true;
  }
  settle();
}

// False: nobody is left who wants it.
bool Dispatcher::refuse_other_wishes(Transfer& transfer) {
  const auto wishes = std::exchange(transfer.wishes, {});
  for (const auto& wish : wishes) {
    if (wish.digest == transfer.image.digest) continue;
    if (transfer.requests == 1) {
      transfer.proplet_id = wish.proplet_id;
      fail_transfer(transfer, kOtherBytes);
      return false;
    }
    --transfer.requests;
    refuse(transfer.channel, transfer.app_name, wish.proplet_id, kOtherBytes);
  }
  return true;
}

void Dispatcher::plan_for_joined(Transfer& transfer) {
  if (!std::exchange(transfer.is_joined_late, false)) return;
  const auto before = transfer.plan.remaining();
  transfer.plan.join();
  const auto more = transfer.plan.remaining() - before;
  transfer.paced_messages += more;
  pacing_[transfer.channel].begin(now(), more);
}

void Dispatcher::settle() {
  do {
    while (std::exchange(needs_admission_, false)) admit();
    flush();
  } while (needs_admission_);
}

void Dispatcher::flush() {
  publisher_.flush_control();
  for (const auto& [lane, refused] : publisher_.take_announced()) {
    auto* transfer = by_lane(lane);
    if (!transfer) continue;
    if (refused) {
      fail_transfer(*transfer, {Code::broker_rejected, Origin::upstream, refused->detail});
    } else {
      transfer->direct->is_announced = true;
      top_up(*transfer);
    }
  }
  probe_.statuses_dropped.add(publisher_.dropped() - std::exchange(statuses_dropped_, publisher_.dropped()));
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
    const std::size_t message_max =
        is_embedded(transfer.channel) ? kEmbeddedMessageBytes : packet_bytes_max(topic.size());
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
    ++load.count;
    load.remaining_bytes += each.remaining_bytes();
    // One that is late already is no reason to hold up the others.
    if (const auto patience = kClientPatience - (now() - each.asked); patience > patience.zero())
      load.patience = std::min<steady_clock::duration>(load.patience, patience);
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
    const auto waited = now() - each->asked;
    if (is_counted && (is_full || !may_start(load, each->image.size, waited, rate_.bytes_per_second()))) {
      is_full = true;
      if (!std::exchange(each->is_told_to_wait, true)) report(*each, mqtt::State::accepted);
      continue;
    }
    ++sending;
    if (is_counted) {
      ++load.count;
      load.remaining_bytes += each->image.size;
      load.patience = std::min<steady_clock::duration>(load.patience, kClientPatience - waited);
    }
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
  if (!transfer.direct) {
    transfer.paced_messages = transfer.plan.remaining();
    pacing_[transfer.channel].begin(now(), transfer.paced_messages);
    plan_for_joined(transfer);
  }
  outlets_.feed(transfer.lane, transfer.chunk_size);
  observe::log_info(
      "sending", {observe::kv("transfer", transfer.id), observe::kv("app_name", transfer.app_name),
                  observe::kv("digest", transfer.image.digest.short_hex()), observe::kv("bytes", transfer.image.size),
                  observe::kv("chunks", transfer.total_chunks), observe::kv("at_hand", transfer.image.is_at_hand)});
  report(transfer, mqtt::State::sending);
  if (transfer.direct) {
    transfer.direct->heard = now();
    announce(transfer);
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
  if (why.code == Code::digest_mismatch) rest(*transfer, why);
  if (!may_refetch(*transfer, why)) return fail_transfer(*transfer, why);
  observe::log_warn("fetching the begun image again",
                    {observe::kv("transfer", transfer->id), observe::kv("error", base::describe(why))});
  ++transfer->refetches;
  transfer->plan.give_back(std::vector(transfer->ordered.begin(), transfer->ordered.end()));
  transfer->ordered.clear();
  by_lane_.erase(transfer->lane);
  channel_.close_lane(transfer->lane);
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
  if (is_partial && why.code != Code::shutting_down) rest(transfer, why);
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
  publisher_.retract(transfer.lane);
  pacing_[transfer.channel].end(transfer.paced_messages);
  outlets_.forget(transfer.lane);
  by_lane_.erase(transfer.lane);
  transfers_.remove_if([&](const Transfer& each) { return &each == &transfer; });
}

void Dispatcher::take_up(const std::vector<StartedSet>& sets) {
  for (const auto& set : sets) {
    const auto channel = std::ranges::find(options_.channels, set.channel, &config::Channel::id);
    auto reference = registry::parse_reference(set.pinned, options_.default_registry);
    const bool is_whole = set.delivered >= (set.size + set.chunk_size - 1) / set.chunk_size;
    if (channel == options_.channels.end() || is_whole) {
      started_sets_.finish(set.id);
      continue;
    }
    if (!reference || transfers_.size() >= options_.stream.transfers_max) {
      const auto until = now() + Quarantine::kRest;
      quarantine_.put({set.channel, set.app_name}, until,
                      {Code::overloaded, Origin::internal, "a set of chunks was broken off by a restart"});
      resting_sets_.emplace(until, set.id);
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
  flush();
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
