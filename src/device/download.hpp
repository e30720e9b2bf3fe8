#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.hpp"
#include "base/digest.hpp"
#include "base/error.hpp"
#include "device/assembler.hpp"
#include "device/part_file.hpp"
#include "device/progress.hpp"
#include "device/resume_state.hpp"
#include "mqtt/payload.hpp"
#include "mqtt/topics.hpp"

namespace propeller::device {

struct DownloadOptions {
  mqtt::ImageRequest request;  ///< as it is sent the first time; needs app_name and proplet_id
  mqtt::Topics topics;
  std::uint64_t image_size_max_bytes = 0;
  std::chrono::milliseconds silence_max{60'000};  ///< gives up when nothing about the image came for so long
};

/// A whole image, in the part file.
struct Delivered {
  Digest digest;
  std::uint64_t size = 0;
  bool is_verified = false;  ///< the bridge said the digest, and it is right
  std::uint32_t requests = 0;
};

/// One download as a device sees it: decides what to ask, what to keep and when it is done. No I/O but the part file.
///
/// The driver calls on_…() for what happens and sends what take_messages() gives, until outcome() is there.
///
/// Order:    any: the broker may repeat, reorder and lose messages, the bridge may be restarted or replaced.
/// Bound:    see Assembler; kDigestsMax digests announced for one name; kRestartsMax beginnings from nothing.
/// Errors:   outcome(): the code that the bridge sent, with its sentence; timeout; io; digest_mismatch; cancelled.
/// Threads:  one. Time is an argument.
/// Source:   docs/protocol.md
class Download {
 public:
  using time_point = base::Clock::time_point;
  using duration = base::Clock::duration;
  static constexpr std::chrono::seconds kAskAgainAfter{10};
  static constexpr std::chrono::seconds kAskAgainAfterAccepted{
      30};  ///< direct: asking again loses the place in the queue
  static constexpr std::chrono::seconds kAskAgainSoon{1};
  static constexpr std::chrono::seconds kPassingTroublePause{5};
  static constexpr std::chrono::seconds kStaleSetAfter{5};
  static constexpr std::chrono::seconds kStalledAfter{3};
  static constexpr std::chrono::seconds kDigestPatience{3};
  static constexpr std::chrono::milliseconds kAcknowledgeAfter{250};
  static constexpr std::chrono::seconds kReportMissingAfter{5};
  static constexpr int kSlowLinkFactor = 4;  ///< times the interval between chunks is silence, not slowness
  static constexpr std::uint32_t kWindowDefault = 8;
  static constexpr std::size_t kDigestsMax = 8;
  static constexpr std::uint32_t kRestartsMax = 3;

  struct Message {
    std::string topic;
    std::string payload;
  };

  Download(DownloadOptions options, PartFile& file, time_point now);

  /// Goes on where an earlier run stopped; `state` fits the part file. Errors: as Assembler::expect().
  [[nodiscard]] Result<void> resume(const ResumeState& state);

  [[nodiscard]] std::vector<std::string> topic_filters() const;
  void on_connected(time_point now);
  void on_disconnected(const Error& why);
  void on_message(std::string_view topic, std::string payload, time_point now);
  /// Every 100 ms or so.
  void on_tick(time_point now);

  [[nodiscard]] std::vector<Message> take_messages();
  [[nodiscard]] const std::optional<Result<Delivered>>& outcome() const { return outcome_; }
  [[nodiscard]] Progress progress() const;
  /// What a later run needs to go on; nothing when there is nothing worth it.
  [[nodiscard]] std::optional<ResumeState> resume_state() const;

 private:
  [[nodiscard]] bool is_direct() const { return options_.request.deliver == mqtt::Delivery::direct; }
  /// What the bridge granted; one that does not say it is taken to grant what was asked for.
  [[nodiscard]] std::uint32_t window() const {
    const auto asked = options_.request.window.value_or(kWindowDefault);
    return manifest_ ? manifest_->window.value_or(asked) : asked;
  }
  void ask(time_point now);
  void ask_soon(time_point when);
  [[nodiscard]] duration patience() const;
  void acknowledge(time_point now);
  void report_missing(time_point now);

  void on_status(const mqtt::Status& status, time_point now);
  void on_failed(const mqtt::Status& status, bool is_ours, time_point now);
  void on_manifest(mqtt::DirectManifest manifest, time_point now);
  void on_broadcast_chunk(std::string_view payload, time_point now);
  void on_direct_chunk(std::string_view transfer_and_index, std::string payload, time_point now);
  [[nodiscard]] bool has_right_hash(std::uint64_t index, std::string_view bytes) const;
  void store(std::uint64_t index, std::uint64_t total, std::string_view bytes, time_point now);

  void learn_digest(const Digest& digest);
  void finish_if_whole(time_point now);
  void begin_again(std::string_view why, time_point now);
  void give_up(time_point now);
  void end(Error why) { outcome_ = std::unexpected(std::move(why)); }

  DownloadOptions options_;
  PartFile& file_;
  Assembler assembler_;
  std::vector<Message> messages_;
  std::optional<Result<Delivered>> outcome_;

  bool is_connected_ = false;
  std::optional<Error> disconnect_reason_;
  bool has_bridge_answered_ = false;  ///< a status of this image came: it is no v1-only bridge
  std::string what_ = "connecting to the broker";
  std::string transfer_;  ///< of a status or manifest that was for us
  std::optional<mqtt::DirectManifest> manifest_;
  std::vector<Digest> digests_;  ///< announced for this name, the newest last
  std::optional<std::uint64_t> announced_size_;
  std::optional<Error> passing_trouble_;

  std::uint32_t requests_ = 0, restarts_ = 0;
  std::uint64_t acknowledged_ = 0;
  time_point last_news_;   ///< anything about this image
  time_point last_chunk_;  ///< one that was new
  duration chunk_interval_{0};
  Digest whole_digest_;  ///< valid with whole_since_
  std::optional<time_point> ask_at_, whole_since_, reported_missing_at_;
};

}  // namespace propeller::device
