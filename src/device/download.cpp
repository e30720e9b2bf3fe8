#include "device/download.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>

#include "base/assert.hpp"
#include "device/advice.hpp"
#include "device/chunk_data.hpp"

namespace propeller::device {

Download::Download(DownloadOptions options, PartFile& file, time_point now)
    : options_(std::move(options)),
      file_(file),
      assembler_(file, options_.image_size_max_bytes),
      last_news_(now),
      last_chunk_(now) {
  ASSERT(mqtt::is_topic_level(options_.request.proplet_id));
}

Result<void> Download::resume(const ResumeState& state) {
  if (auto expected = assembler_.expect(state.plan); !expected) return expected;
  assembler_.mark_received(state.missing);
  learn_digest(state.digest);
  announced_size_ = state.plan.image_size;
  return {};
}

std::optional<ResumeState> Download::resume_state() const {
  if (digests_.empty() || assembler_.plan().chunk_size == 0 || assembler_.received_count() == 0) return std::nullopt;
  ResumeState state{.app_name = options_.request.app_name,
                    .proplet_id = options_.request.proplet_id,
                    .digest = digests_.back(),
                    .plan = assembler_.plan(),
                    .missing = assembler_.missing()};
  return state;
}

std::vector<std::string> Download::topic_filters() const {
  const auto& topics = options_.topics;
  if (!is_direct()) return {topics.status, topics.chunks};
  return {topics.status, fmt::format("{}/{}/#", topics.chunks, options_.request.proplet_id)};
}

std::vector<Download::Message> Download::take_messages() { return std::exchange(messages_, {}); }

// ---- what is asked for

void Download::on_connected(time_point now) {
  is_connected_ = true;
  disconnect_reason_.reset();
  ask(now);
}

void Download::on_disconnected(const Error& why) {
  is_connected_ = false;
  disconnect_reason_ = why;
  what_ = "connecting to the broker";
  messages_.clear();
}

void Download::ask(time_point now) {
  if (outcome_) return;
  mqtt::ImageRequest request = options_.request;
  // The rest only, when it is sure to be of the same image.
  if (!digests_.empty() && assembler_.plan().chunk_size > 0 && assembler_.received_count() > 0) {
    request.digest = digests_.back();
    request.missing = assembler_.missing();
    request.chunk_size = assembler_.plan().chunk_size;
  }
  messages_.push_back({options_.topics.request, mqtt::encode_request(request)});
  ++requests_;
  what_ = assembler_.received_count() > 0 ? "resuming" : "waiting for the bridge";
  ask_at_ = now + patience();
}

// Asking again is cheap for a broadcast, which is joined, and for a delivery that has begun, which goes on with what is
// missing. A direct delivery that waits for its turn would lose its place.
Download::duration Download::patience() const {
  const bool has_place = is_direct() && !transfer_.empty() && !manifest_;
  const duration usual = has_place ? kAskAgainAfterAccepted : kAskAgainAfter;
  return std::max(usual, kSlowLinkFactor * chunk_interval_);
}

void Download::ask_soon(time_point when) { ask_at_ = std::min(ask_at_.value_or(when), when); }

void Download::acknowledge(time_point) {
  if (!manifest_) return;
  acknowledged_ = assembler_.received_in_order();
  messages_.push_back({options_.topics.request,
                       mqtt::encode_acknowledgement(
                           {.transfer = manifest_->transfer, .received_in_order = acknowledged_, .missing = {}})});
}

// All that is not there, also what was never sent: the bridge sends exactly this from now on.
void Download::report_missing(time_point now) {
  reported_missing_at_ = now;
  messages_.push_back({options_.topics.request, mqtt::encode_acknowledgement({.transfer = manifest_->transfer,
                                                                              .received_in_order = {},
                                                                              .missing = assembler_.missing()})});
}

void Download::on_tick(time_point now) {
  if (outcome_) return;
  finish_if_whole(now);
  if (outcome_) return;
  if (now - last_news_ > options_.silence_max) return give_up(now);
  if (!is_connected_) return;
  if (assembler_.received_count() > 0 &&
      now - last_chunk_ > std::max<duration>(kStalledAfter, kSlowLinkFactor * chunk_interval_)) {
    what_ = "stalled, waiting";
  }
  if (ask_at_ && now >= *ask_at_ && !assembler_.is_complete()) ask(now);
  if (!manifest_ || assembler_.plan().total_chunks == 0 || assembler_.is_complete()) return;
  // The window that the bridge keeps may be smaller than the one asked for; then it waits for this.
  if (now - last_chunk_ > kAcknowledgeAfter && assembler_.received_in_order() > acknowledged_) acknowledge(now);
  const auto quiet_since = std::max(last_chunk_, reported_missing_at_.value_or(last_chunk_));
  if (now - quiet_since > std::max<duration>(kReportMissingAfter, kSlowLinkFactor * chunk_interval_))
    report_missing(now);
}

void Download::give_up(time_point now) {
  const auto seconds = std::chrono::duration_cast<std::chrono::seconds>(now - last_news_).count();
  if (passing_trouble_) return end(*passing_trouble_);
  if (!is_connected_) {
    return end({Code::disconnected, Origin::upstream,
                fmt::format("no connection to the broker for {} s{}{}", seconds, disconnect_reason_ ? ": " : "",
                            disconnect_reason_ ? disconnect_reason_->detail : "")});
  }
  std::string text = fmt::format("nothing came for {} s", seconds);
  if (assembler_.plan().total_chunks > 0) {
    text += fmt::format(", after {} of {} chunks", assembler_.received_count(), assembler_.plan().total_chunks);
  } else if (!has_bridge_answered_) {
    text += "; is a bridge running on this channel, and may this client subscribe to its topics?";
    if (is_direct()) text += " A bridge that knows broadcasts only does not answer to a direct request";
  }
  if (!assembler_.refusal().empty()) text += fmt::format(" (last chunk dropped: {})", assembler_.refusal());
  end({Code::timeout, Origin::upstream, std::move(text)});
}

// ---- what comes

void Download::on_message(std::string_view topic, std::string payload, time_point now) {
  if (outcome_) return;
  const std::string own = fmt::format("{}/{}/", options_.topics.chunks, options_.request.proplet_id);
  if (topic == options_.topics.status) {
    if (const auto status = mqtt::parse_status(payload)) on_status(*status, now);
  } else if (topic == options_.topics.chunks) {
    if (!is_direct()) on_broadcast_chunk(payload, now);
  } else if (topic.starts_with(own) && is_direct()) {
    topic.remove_prefix(own.size());
    if (topic != "manifest") return on_direct_chunk(topic, std::move(payload), now);
    if (auto manifest = mqtt::parse_manifest(payload)) on_manifest(std::move(*manifest), now);
  }
}

void Download::on_status(const mqtt::Status& status, time_point now) {
  if (status.app_name != options_.request.app_name) return;
  const bool is_addressed = status.proplet_id == options_.request.proplet_id;
  const bool is_ours = is_addressed || (!transfer_.empty() && status.transfer == transfer_) ||
                       (!is_direct() && status.proplet_id.empty());
  if (is_direct() && !is_ours) return;
  has_bridge_answered_ = true;
  if (status.state == mqtt::State::failed) return on_failed(status, is_ours, now);
  // A broadcast that was joined goes by the name of whoever asked first: its good news are ours too.
  last_news_ = now;
  passing_trouble_.reset();
  if (is_addressed && !status.transfer.empty()) transfer_ = status.transfer;
  if (status.digest) learn_digest(*status.digest);
  if (status.size) announced_size_ = status.size;
  if (ask_at_) ask_at_ = now + patience();
  switch (status.state) {
    case mqtt::State::accepted: what_ = "waiting for its turn"; break;
    case mqtt::State::fetching: what_ = "the bridge is fetching"; break;
    case mqtt::State::sending: what_ = "receiving"; break;
    case mqtt::State::done:
      if (!assembler_.is_complete()) ask_soon(now + kAskAgainSoon);
      break;
    case mqtt::State::failed: break;
  }
}

void Download::on_failed(const mqtt::Status& status, bool is_ours, time_point now) {
  if (assembler_.is_complete()) return;
  // Somebody else's trouble may be ours, or only theirs: asking tells.
  if (!is_ours) return ask_soon(now + kAskAgainSoon);
  const std::string sentence = for_terminal(status.message);
  // Also when the rest was asked for and there is none: the image changed, or is cut differently now.
  if ((status.code == "digest_mismatch" || status.code == "bad_request") && assembler_.received_count() > 0) {
    return begin_again("the image changed since the download began", now);
  }
  const auto code = code_of(status.code);
  Error error{code.value_or(Code::io), Origin::upstream,
              code ? sentence : fmt::format("{} ({})", sentence, for_terminal(status.code))};
  if (!is_passing(status.code)) return end(std::move(error));
  passing_trouble_ = std::move(error);
  what_ = "waiting, the bridge is busy";
  // Not news: whoever is only told to come back gives up in the end.
  ask_soon(now + kPassingTroublePause);
}

void Download::on_manifest(mqtt::DirectManifest manifest, time_point now) {
  if (manifest.app_name != options_.request.app_name) return;
  has_bridge_answered_ = true;
  last_news_ = now;
  const ChunkPlan plan{manifest.chunk_size, manifest.total_chunks, manifest.size};
  const ChunkPlan& old = assembler_.plan();
  const bool is_same_plan = plan.chunk_size == old.chunk_size && plan.total_chunks == old.total_chunks &&
                            (!old.image_size || old.image_size == plan.image_size);
  const bool is_same_image = (manifest_ && manifest_->transfer == manifest.transfer) ||
                             (manifest.digest && !digests_.empty() && *manifest.digest == digests_.back());
  if (!is_same_plan || !is_same_image) {
    if (auto expected = assembler_.expect(plan); !expected) return end(expected.error());
    acknowledged_ = 0;
  }
  if (manifest.digest) learn_digest(*manifest.digest);
  announced_size_ = manifest.size;
  transfer_ = manifest.transfer;
  manifest_ = std::move(manifest);
  last_chunk_ = now;
  ask_at_ = now + patience();
  what_ = "receiving";
}

void Download::on_broadcast_chunk(std::string_view payload, time_point now) {
  const auto chunk = mqtt::parse_chunk(payload);
  if (!chunk || chunk->app_name != options_.request.app_name) return;
  // A set that was never finished must not keep out the next one for ever.
  const auto total = assembler_.plan().total_chunks;
  if (total > 0 && chunk->total != total && now - last_chunk_ > kStaleSetAfter) assembler_.restart();
  store(chunk->index, chunk->total, chunk->data, now);
}

void Download::on_direct_chunk(std::string_view transfer_and_index, std::string payload, time_point now) {
  const std::size_t slash = transfer_and_index.find('/');
  if (!manifest_ || slash == std::string_view::npos || transfer_and_index.substr(0, slash) != manifest_->transfer)
    return;
  const std::string_view number = transfer_and_index.substr(slash + 1);
  std::uint64_t index = 0;
  const auto [end_of_number, error] = std::from_chars(number.data(), number.data() + number.size(), index);
  if (error != std::errc() || end_of_number != number.data() + number.size()) return;
  if (manifest_->encoding == mqtt::Encoding::json) {
    auto chunk = mqtt::parse_chunk(payload);
    if (!chunk || chunk->app_name != options_.request.app_name || chunk->index != index) return;
    payload = std::move(chunk->data);
  }
  const auto bytes = unpack_chunk(std::move(payload), manifest_->compression,
                                  std::min(manifest_->chunk_size, options_.image_size_max_bytes));
  if (!bytes || !has_right_hash(index, *bytes)) return;
  store(index, manifest_->total_chunks, *bytes, now);
  if (!manifest_ || (outcome_ && !*outcome_)) return;
  const std::uint64_t in_order = assembler_.received_in_order();
  if (assembler_.is_complete() || in_order - acknowledged_ >= std::max<std::uint64_t>(window() / 2, 1))
    acknowledge(now);
}

bool Download::has_right_hash(std::uint64_t index, std::string_view bytes) const {
  const auto& hashes = manifest_->chunk_sha256;
  return index >= hashes.size() || base::sha256(bytes).hex() == hashes[index];
}

void Download::store(std::uint64_t index, std::uint64_t total, std::string_view bytes, time_point now) {
  const auto verdict = assembler_.add(index, total, std::as_bytes(std::span(bytes)));
  if (!verdict) return end(verdict.error());
  if (*verdict == Assembler::Verdict::dropped) return;
  last_news_ = now;
  if (*verdict == Assembler::Verdict::duplicate) return;
  chunk_interval_ = std::max<duration>(now - last_chunk_, chunk_interval_ * 9 / 10);
  last_chunk_ = now;
  passing_trouble_.reset();
  what_ = "receiving";
  ask_at_ = now + patience();
  finish_if_whole(now);
}

void Download::learn_digest(const Digest& digest) {
  if (const auto known = std::ranges::find(digests_, digest); known != digests_.end()) digests_.erase(known);
  if (digests_.size() == kDigestsMax) digests_.erase(digests_.begin());
  digests_.push_back(digest);
}

// ---- the end

void Download::finish_if_whole(time_point now) {
  if (!assembler_.is_complete()) return;
  const std::uint64_t size = *assembler_.image_size();
  if (!whole_since_) {
    const auto digest = file_.hash(size);
    if (!digest) return end(digest.error());
    whole_since_ = now;
    whole_digest_ = *digest;
  }
  const bool is_announced = std::ranges::find(digests_, whole_digest_) != digests_.end();
  // A bridge that answers says the digest, if perhaps a little after the last chunk; one that does not never will.
  if (!is_announced && has_bridge_answered_ && now - *whole_since_ < kDigestPatience) return;
  if (!is_announced && !digests_.empty()) return begin_again("the chunks that came are not of one image", now);
  outcome_ = Delivered{.digest = whole_digest_, .size = size, .is_verified = is_announced, .requests = requests_};
}

void Download::begin_again(std::string_view why, time_point now) {
  if (++restarts_ > kRestartsMax) {
    return end({Code::digest_mismatch, Origin::upstream, fmt::format("{}, for the {}th time", why, restarts_)});
  }
  assembler_.restart();
  manifest_.reset();
  transfer_.clear();
  digests_.clear();
  announced_size_.reset();
  whole_since_.reset();
  acknowledged_ = 0;
  last_chunk_ = now;
  if (is_connected_) ask(now);
}

Progress Download::progress() const {
  Progress progress{.bytes = assembler_.received_bytes(),
                    .bytes_total = announced_size_,
                    .chunks = assembler_.received_count(),
                    .chunks_total = assembler_.plan().total_chunks,
                    .what = what_};
  if (assembler_.image_size()) progress.bytes_total = assembler_.image_size();
  return progress;
}

}  // namespace propeller::device
