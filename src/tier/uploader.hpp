#pragma once

#include <chrono>
#include <cstdint>
#include <deque>
#include <memory>
#include <string>
#include <unordered_set>

#include "async/task_group.hpp"
#include "store/open_blob.hpp"
#include "tier/probe.hpp"
#include "tier/record.hpp"
#include "tier/s3_client.hpp"

namespace propeller::tier {

/// Gives the tier what came from registries, beside whatever else goes on: the bytes first, where they are not there
/// already, then the record that names them.
///
/// Bound:    kWaitingMax contents, each with an open file; kAtOnce of them on their way; objects of kObjectBytesMax;
///           all of them kHeldBytesMax, or one: what is evicted meanwhile stays on the disk; kWrongMax digests. What is
///           too much is dropped and counted: it is only not shared.
/// Errors:   an object that is refused, or takes too long, is dropped. Any other failure drops what waits, and nothing
///           is taken for a while (Reach). Said once until an upload succeeds.
/// Threads:  one core. Lifetime: what it is made of outlives it; cancel and join the group before it goes.
class Uploader {
 public:
  static constexpr std::size_t kWaitingMax = 256;
  static constexpr std::size_t kAtOnce = 2;
  static constexpr std::uint64_t kObjectBytesMax = std::uint64_t{5} * 1024 * 1024 * 1024;  ///< of one PUT
  static constexpr std::uint64_t kHeldBytesMax = std::uint64_t{2} * 1024 * 1024 * 1024;
  static constexpr std::size_t kWrongMax = 1024;

  Uploader(S3Client& client, const ObjectNames& names, Probe& probe, async::TaskGroup& tasks,
           std::chrono::milliseconds rest)
      : client_(client), names_(names), probe_(probe), tasks_(tasks), rest_(rest) {}

  void add(Record record, std::shared_ptr<const store::OpenBlob> blob);
  /// No record names it any more. Waits for no upload that is on its way.
  void forget(std::string key);
  /// What the tier has under this digest is not that content: it is to be written over. False: that is known.
  bool distrust(const store::BlobDigest& digest);

 private:
  struct Upload {
    Record record;
    std::string record_text;
    std::shared_ptr<const store::OpenBlob> blob;
  };

  [[nodiscard]] async::awaitable<void> work();
  [[nodiscard]] async::awaitable<Result<void>> send(const Upload& upload);
  [[nodiscard]] async::awaitable<Result<bool>> is_there(const Record& record);
  void fail(const Error& error);
  [[nodiscard]] async::awaitable<void> erase_record(std::string key);
  void show() { probe_.waiting.set(static_cast<std::int64_t>(waiting_.size())); }

  S3Client& client_;
  const ObjectNames& names_;
  Probe& probe_;
  async::TaskGroup& tasks_;
  const std::chrono::milliseconds rest_;
  std::deque<Upload> waiting_;
  std::size_t workers_ = 0;
  std::uint64_t held_bytes_ = 0;  ///< of what waits and of what is on its way
  std::unordered_set<store::BlobDigest> wrong_;
  std::chrono::steady_clock::time_point rests_until_;
  bool is_failing_ = false;
};

}  // namespace propeller::tier
