// Dispatcher, third part: chunks and what comes back for them, and the passing of time.
#include <zstd.h>

#include <algorithm>
#include <utility>

#include "observe/log.hpp"
#include "stream/dispatcher.hpp"

namespace propeller::stream {

namespace {

constexpr std::chrono::seconds kDirectExpiry{120};
constexpr std::size_t kProtocolPacketMax = 256 * 1024 * 1024 - 1;  // MQTT 3.1.1, 2.2.3
constexpr std::size_t kPacketOverhead = 64;  // headers, packet id and properties around topic and payload
constexpr int kZstdLevel = 1;                // about a millisecond for a chunk of 512 000 bytes: others wait for it

Result<std::string> compress(std::span<const std::byte> bytes) {
  std::string out;
  std::size_t written = 0;
  out.resize_and_overwrite(ZSTD_compressBound(bytes.size()), [&](char* data, std::size_t size) {
    written = ZSTD_compress(data, size, bytes.data(), bytes.size(), kZstdLevel);
    return ZSTD_isError(written) ? 0 : written;
  });
  if (ZSTD_isError(written)) return fail(Code::overloaded, Origin::internal, ZSTD_getErrorName(written));
  return out;
}

}  // namespace

std::size_t Dispatcher::packet_bytes_max(std::size_t topic_bytes) const {
  const std::size_t packet = limits_.packet_size_max.value_or(kProtocolPacketMax);
  const std::size_t overhead = topic_bytes + kPacketOverhead;
  return packet > overhead ? packet - overhead : 0;
}

void Dispatcher::on_ready(const mqtt::BrokerLimits& limits) {
  limits_ = limits;
  publisher_.ready(limits);
  for (auto& each : transfers_) {
    if (each.direct && std::exchange(each.direct->is_manifest_lost, false)) announce(each);
  }
  flush();
  for (auto& each : transfers_) {
    if (each.stage == Stage::sending) top_up(each);
  }
  pump();
}

void Dispatcher::on_down() {
  publisher_.down();
  probe_.broker_disconnects.add();
  std::vector<Transfer*> hopeless;
  for (auto& each : transfers_) {
    if (each.direct && each.direct->is_manifest_lost && each.direct->manifest_losses >= kBreaksMax)
      hopeless.push_back(&each);
    if (each.stage != Stage::sending || each.ordered.empty()) continue;
    each.chunks_resent += each.ordered.size();
    probe_.chunks_resent.add(each.ordered.size());
    each.plan.give_back(std::vector(each.ordered.begin(), each.ordered.end()));
    if (each.direct) {
      for (const auto index : each.ordered) each.direct->outstanding.erase(index);
    }
    each.ordered.clear();
    channel_.reset_lane(each.lane);
    if (++each.breaks >= kBreaksMax) hopeless.push_back(&each);
  }
  std::ranges::sort(hopeless);
  const auto [doubles, end] = std::ranges::unique(hopeless);
  hopeless.erase(doubles, end);
  for (auto* each : hopeless) {
    fail_transfer(*each, {Code::broker_rejected, Origin::upstream,
                          "the broker ended the connection again and again while this was sent; its limit for messages "
                          "may be below PROXY_CHUNK_SIZE"});
  }
  settle();
}

void Dispatcher::pump() {
  for (const auto& [lane, why] : channel_.take_failures()) lane_failed(lane, why);
  settle();
  for (;;) {
    const bool has_room = publisher_.has_room(outlets_.window_bytes());
    if (!has_room && !publisher_.has_room_for_small()) break;
    auto chunk = channel_.pop(!has_room);
    if (!chunk) break;
    const auto lane = chunk->lane;
    auto* transfer = by_lane(lane);
    if (!transfer) continue;
    if (!send(*transfer, std::move(*chunk))) break;
    if (by_lane(lane)) top_up(*transfer);
  }
  settle();
}

// False: the connection is gone, on_down() will say so and give the chunk back.
bool Dispatcher::send(Transfer& transfer, Chunk chunk) {
  Publisher::Sent sent{.lane = chunk.lane, .index = chunk.index, .raw_bytes = chunk.size, .wire_bytes = 0};
  mqtt::Outgoing message;
  if (transfer.direct) {
    auto made = direct_message(transfer, chunk);
    if (!made) {
      fail_transfer(transfer, made.error());
      return true;
    }
    message = std::move(*made);
  } else {
    message.topic = topics_[transfer.channel].chunks;
    message.payload = mqtt::encode_chunk(transfer.app_name, chunk.index, transfer.total_chunks, chunk.bytes());
    message.qos = chunk_qos(transfer.channel);
  }
  chunk.data.reset();
  sent.wire_bytes = message.payload.size();
  if (auto taken = publisher_.send_chunk(std::move(message), sent); !taken) {
    if (taken.error().code == Code::disconnected) return false;
    fail_transfer(transfer, {Code::broker_rejected, Origin::upstream, taken.error().detail});
    return true;
  }
  transfer.is_begun = true;
  if (!transfer.direct) pacing_[transfer.channel].sent(now());
  return true;
}

// With the connection: on_down() gives the chunks back, on_ready() announces again. What the broker itself has refused
// stays away for good, and the connection stays.
void Dispatcher::on_undelivered(std::uint64_t token, const Error& why) {
  const auto lost = publisher_.undelivered(token);
  auto* transfer = lost ? by_lane(lost->lane) : nullptr;
  if (!transfer) return;
  if (why.code == Code::broker_rejected) {
    fail_transfer(*transfer, why);
    return settle();
  }
  if (!lost->is_manifest) return;
  transfer->direct->is_announced = false;
  transfer->direct->is_manifest_lost = true;
  ++transfer->direct->manifest_losses;
}

Result<mqtt::Outgoing> Dispatcher::direct_message(const Transfer& transfer, const Chunk& chunk) const {
  const auto& direct = *transfer.direct;
  mqtt::Outgoing message{
      .topic = direct.topic_base + "/" + transfer.id + "/" + std::to_string(chunk.index),
      .payload = {},
      .qos = chunk_qos(transfer.channel),
      .content_type = transfer.direct->encoding == mqtt::Encoding::json ? "application/json" : "application/wasm",
      .correlation_data = direct.correlation_data,
      .expiry = kDirectExpiry};
  auto bytes = chunk.bytes();
  std::string compressed;
  if (direct.compression == mqtt::Compression::zstd) {
    auto packed = compress(bytes);
    if (!packed) return std::unexpected(packed.error());
    compressed = std::move(*packed);
    bytes = std::as_bytes(std::span(compressed));
  }
  if (direct.encoding == mqtt::Encoding::json) {
    message.payload = mqtt::encode_chunk(transfer.app_name, chunk.index, transfer.total_chunks, bytes);
  } else if (!compressed.empty()) {
    message.payload = std::move(compressed);
  } else {
    message.payload.assign(reinterpret_cast<const char*>(bytes.data()), bytes.size());
  }
  return message;
}

// The hashes are left out where they do not fit, or when a broker that does not tell its limit may have ended the
// connection over them.
void Dispatcher::announce(const Transfer& transfer) {
  const auto& direct = *transfer.direct;
  mqtt::DirectManifest manifest{.transfer = transfer.id,
                                .app_name = transfer.app_name,
                                .digest = transfer.image.digest,
                                .size = transfer.image.size,
                                .chunk_size = transfer.chunk_size,
                                .total_chunks = transfer.total_chunks,
                                .window = direct.window,
                                .compression = direct.compression,
                                .encoding = direct.encoding,
                                .chunk_sha256 = {}};
  const auto& hashes = transfer.image.chunk_hashes;
  if (hashes && hashes->size() <= mqtt::kChunkHashesMax && direct.manifest_losses == 0) {
    for (const auto& each : *hashes) manifest.chunk_sha256.push_back(each.hex());
  }
  mqtt::Outgoing message{.topic = direct.topic_base + "/manifest",
                         .payload = mqtt::encode_manifest(manifest),
                         .qos = std::max(1, chunk_qos(transfer.channel)),
                         .content_type = "application/json",
                         .correlation_data = direct.correlation_data,
                         .expiry = kDirectExpiry};
  if (message.payload.size() > packet_bytes_max(message.topic.size() + message.correlation_data.size())) {
    manifest.chunk_sha256.clear();
    message.payload = mqtt::encode_manifest(manifest);
  }
  publisher_.announce(transfer.lane, std::move(message));
}

// A broadcast is paced, since nobody tells how far its clients are; a direct delivery has its device's
// acknowledgements.
bool Dispatcher::may_order(const Transfer& transfer, std::uint64_t index) const {
  if (!transfer.direct) return transfer.is_small() || pacing_[transfer.channel].may_send(now());
  const auto& outstanding = transfer.direct->outstanding;
  if (!transfer.direct->is_announced) return false;
  return outstanding.contains(index) || outstanding.size() < transfer.direct->window;
}

void Dispatcher::top_up(Transfer& transfer) {
  if (transfer.stage != Stage::sending || !publisher_.is_ready()) return;
  auto on_the_way = channel_.on_the_way(transfer.lane);
  while (on_the_way < options_.stream.channel_capacity) {
    const auto index = transfer.plan.peek();
    if (!index) return;
    if (!may_order(transfer, *index)) {
      if (!transfer.direct) is_pacing_ = true;
      return;
    }
    (void)transfer.plan.next();
    transfer.ordered.push_back(*index);
    if (transfer.direct) transfer.direct->outstanding.insert(*index);
    channel_.order(transfer.lane, *index);
    ++on_the_way;
  }
}

void Dispatcher::on_delivered(std::uint64_t token) {
  const auto sent = publisher_.delivered(token);
  if (!sent) return pump();
  probe_.chunks_sent.add();
  probe_.bytes_sent.add(sent->raw_bytes);
  rate_.delivered(sent->raw_bytes);
  if (auto* transfer = by_lane(sent->lane)) {
    if (const auto at = std::ranges::find(transfer->ordered, sent->index); at != transfer->ordered.end())
      transfer->ordered.erase(at);
    ++transfer->chunks_delivered;
    transfer->bytes_delivered += sent->raw_bytes;
    transfer->breaks = 0;
    const auto in_order =
        transfer->ordered.empty() ? transfer->plan.peek().value_or(transfer->total_chunks) : transfer->ordered.front();
    if (!transfer->direct && !transfer->is_small()) started_sets_.delivered(transfer->id, in_order);
    maybe_finish(*transfer);
  }
  pump();
}

void Dispatcher::maybe_finish(Transfer& transfer) {
  if (transfer.stage != Stage::sending || !transfer.plan.empty() || !transfer.ordered.empty()) return;
  if (transfer.direct && transfer.direct->received_in_order < transfer.total_chunks) return;
  finish(transfer);
}

void Dispatcher::handle_acknowledgement(std::size_t channel, const mqtt::Acknowledgement& ack) {
  const auto found = std::ranges::find_if(transfers_, [&](const Transfer& each) {
    return each.direct && each.channel == channel && each.id == ack.transfer;
  });
  if (found == transfers_.end() || found->total_chunks == 0) return;
  auto& transfer = *found;
  auto& direct = *transfer.direct;
  direct.heard = now();
  if (transfer.stage == Stage::paused) {
    transfer.stage = Stage::sending;
    report(transfer, mqtt::State::sending);
  }
  if (ack.received_in_order) {
    direct.received_in_order = std::clamp(*ack.received_in_order, direct.received_in_order, transfer.total_chunks);
    direct.outstanding.erase(direct.outstanding.begin(), direct.outstanding.lower_bound(direct.received_in_order));
    if (direct.received_in_order == transfer.total_chunks) {
      // The device has everything; what is still planned or on its way was a repeat.
      finish(transfer);
      return settle();
    }
  }
  if (ack.missing && !ack.missing->empty() && ack.missing->last() < transfer.total_chunks) {
    channel_.reset_lane(transfer.lane);
    transfer.ordered.clear();
    direct.outstanding.clear();
    transfer.plan.only(*ack.missing);
  }
  top_up(transfer);
  maybe_finish(transfer);
  settle();
}

void Dispatcher::tick() {
  const auto time = now();
  is_pacing_ = false;
  std::vector<Transfer*> all;
  for (auto& each : transfers_) all.push_back(&each);
  bool is_busy = false;
  for (auto* each : all) {
    if (each->stage == Stage::sending && !each->direct) is_busy = true;
    if (each->stage == Stage::sending) top_up(*each);
  }
  if (time - rate_ticked_ >= std::chrono::seconds(1)) {
    rate_.tick(time, is_busy && was_busy_ && publisher_.is_ready());
    was_busy_ = is_busy;
    rate_ticked_ = time;
    report_progress();
    for (auto* each : all) each->direct ? watch_direct(*each) : expire(*each);
    while (!resting_sets_.empty() && resting_sets_.begin()->first <= time) {
      started_sets_.finish(resting_sets_.begin()->second);
      resting_sets_.erase(resting_sets_.begin());
    }
    needs_admission_ = true;
  }
  pump();
}

void Dispatcher::watch_direct(Transfer& transfer) {
  auto& direct = *transfer.direct;
  const auto silence = now() - direct.heard;
  // Also where all that it wanted was acknowledged, and is not the whole: it may have been wrong about the rest.
  const bool is_its_turn = direct.is_announced && (!direct.outstanding.empty() || transfer.plan.empty());
  if (transfer.stage == Stage::sending && is_its_turn && transfer.ordered.empty() && silence > kAckPatience) {
    transfer.stage = Stage::paused;
    observe::log_warn("the device does not answer, its delivery pauses",
                      {observe::kv("transfer", transfer.id), observe::kv("received", direct.received_in_order)});
    return;
  }
  if (transfer.stage == Stage::paused && silence > kPausedKept) {
    return fail_transfer(
        transfer, {Code::timeout, Origin::client,
                   "the device has not acknowledged anything for 10 minutes; ask again with 'digest' and 'missing'"});
  }
  expire(transfer);
}

void Dispatcher::expire(Transfer& transfer) {
  const bool is_started = transfer.stage == Stage::sending;
  if (transfer.deadline && now() >= *transfer.deadline && (!is_started || transfer.direct)) {
    return fail_transfer(transfer, {Code::timeout, Origin::client, "the request's deadline_ms is over"});
  }
  if (transfer.stage == Stage::waiting && now() - transfer.asked > kWaitMax) {
    fail_transfer(transfer,
                  {Code::overloaded, Origin::internal,
                   "waited 5 minutes for its turn; the link to the broker is too slow for all that is asked"});
  }
}

}  // namespace propeller::stream
