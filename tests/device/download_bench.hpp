#pragma once

#include <gtest/gtest.h>

#include <optional>
#include <string>
#include <vector>

#include "base/units.hpp"
#include "device/download.hpp"
#include "device/scratch.hpp"

namespace propeller::device {

using namespace std::chrono_literals;

inline constexpr std::string_view kName = "registry.example.org/acme/add:1";
inline constexpr std::size_t kChunk = 10;

/// A download with its bridge and broker played by hand, and time that passes when told.
class Bench {
 public:
  explicit Bench(mqtt::Delivery deliver = mqtt::Delivery::broadcast, std::optional<std::uint32_t> window = {})
      : topics_(mqtt::topics_of({.id = "c1", .tenant = {}})) {
    request_.app_name = kName;
    request_.proplet_id = "me";
    request_.deliver = deliver;
    request_.window = window;
    EXPECT_TRUE(file_.open(PartFile::Content::discard));
    download_.emplace(options(), file_, now_);
  }

  Download& download() { return *download_; }
  const mqtt::Topics& topics() const { return topics_; }
  PartFile& file() { return file_; }

  /// The download after a restart of the program, with what the first one has left.
  void restart_with(const ResumeState& state) {
    download_.emplace(options(), file_, now_);
    EXPECT_TRUE(download_->resume(state));
  }

  void connect() { download_->on_connected(now_); }
  void pass(std::chrono::milliseconds time) {
    for (; time > 0ms; time -= 100ms) {
      now_ += 100ms;
      download_->on_tick(now_);
    }
  }

  /// The requests and acknowledgements sent since the last call.
  std::vector<mqtt::ProxyMessage> sent() {
    std::vector<mqtt::ProxyMessage> list;
    for (auto& message : download_->take_messages()) {
      EXPECT_EQ(message.topic, topics_.request);
      auto parsed = mqtt::parse_message(message.payload);
      EXPECT_TRUE(parsed) << message.payload;
      if (parsed) list.push_back(std::move(*parsed));
    }
    return list;
  }
  std::optional<mqtt::ImageRequest> asked() {
    for (auto& message : sent()) {
      if (auto* request = std::get_if<mqtt::ImageRequest>(&message)) return *request;
    }
    return std::nullopt;
  }
  std::optional<mqtt::Acknowledgement> acknowledged() {
    std::optional<mqtt::Acknowledgement> last;
    for (auto& message : sent()) {
      if (auto* ack = std::get_if<mqtt::Acknowledgement>(&message)) last = *ack;
    }
    return last;
  }

  void status(mqtt::State state, const std::string& image = {}, mqtt::Status status = {}) {
    status.app_name = kName;
    status.state = state;
    if (status.transfer.empty()) status.transfer = "t1";
    if (!image.empty()) status.digest = base::sha256(image);
    if (!image.empty()) status.size = image.size();
    download_->on_message(topics_.status, mqtt::encode_status(status), now_);
  }
  void failed(const std::string& code, const std::string& proplet_id = "me") {
    status(mqtt::State::failed, {}, {.proplet_id = proplet_id, .code = code, .message = "a sentence"});
  }

  void chunk(const std::string& image, std::uint64_t index, std::size_t size = kChunk) {
    const std::uint64_t total = (image.size() + size - 1) / size;
    download_->on_message(topics_.chunks,
                          mqtt::encode_chunk(kName, index, total, bytes_of(image.substr(index * size, size))), now_);
  }

  mqtt::DirectManifest manifest(const std::string& image, std::string transfer = "t1") {
    mqtt::DirectManifest manifest{.transfer = std::move(transfer),
                                  .app_name = std::string(kName),
                                  .digest = base::sha256(image),
                                  .size = image.size(),
                                  .chunk_size = kChunk,
                                  .total_chunks = (image.size() + kChunk - 1) / kChunk,
                                  .chunk_sha256 = {}};
    return manifest;
  }
  void announce(const mqtt::DirectManifest& manifest) {
    download_->on_message(topics_.direct_manifest("me"), mqtt::encode_manifest(manifest), now_);
  }
  void direct(std::string payload, std::uint64_t index, std::string_view transfer = "t1") {
    download_->on_message(topics_.direct_chunk("me", transfer, index), std::move(payload), now_);
  }
  void direct_chunk(const std::string& image, std::uint64_t index, std::string_view transfer = "t1") {
    direct(image.substr(index * kChunk, kChunk), index, transfer);
  }

  const Delivered& delivered() {
    static const Delivered nothing;
    EXPECT_TRUE(download_->outcome()) << "not finished";
    if (!download_->outcome()) return nothing;
    EXPECT_TRUE(*download_->outcome()) << base::describe(download_->outcome()->error());
    return *download_->outcome() ? **download_->outcome() : nothing;
  }
  Error error() {
    EXPECT_TRUE(download_->outcome()) << "not finished";
    return download_->outcome() && !*download_->outcome() ? download_->outcome()->error() : Error{};
  }
  std::string result() {
    EXPECT_TRUE(file_.publish(delivered().size));
    return content_of(scratch_ / "image");
  }

 private:
  DownloadOptions options() {
    return {.request = request_, .topics = topics_, .image_size_max_bytes = base::kMiB, .silence_max = 60s};
  }

  Scratch scratch_;
  mqtt::Topics topics_;
  mqtt::ImageRequest request_;
  PartFile file_{scratch_ / "image"};
  Download::time_point now_ = Download::time_point() + 1h;
  std::optional<Download> download_;
};

}  // namespace propeller::device
