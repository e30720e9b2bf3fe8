#pragma once

#include <atomic>
#include <condition_variable>
#include <cstdint>
#include <deque>
#include <filesystem>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <thread>
#include <variant>

#include "base/clock.hpp"
#include "base/error.hpp"
#include "base/file_descriptor.hpp"
#include "config/forward_settings.hpp"
#include "forward/exchange_record.hpp"

namespace propeller::forward {

/// Writes exchanges to `requests-YYYY-MM-DD.jsonl`, and upgraded streams to `streams/stream-<id>.bin`.
///
/// Bound:    kQueueItemsMax items and kQueueBytesMax bytes wait; what comes then is dropped and counted. The directory
///           holds at most `size_max_bytes` and `days_max` days: the oldest files go first, one that is being written
///           never. What would not fit even so is dropped.
/// Pressure: none: nobody ever waits for the disk.
/// Errors:   a file that cannot be written loses the item, which is counted; the next one is tried again.
/// Threads:  any; the files belong to a thread of its own, which ends, the queue written, with the object.
/// Source:   forward-proxy reference, 1.7
class Recorder {
 public:
  static constexpr std::size_t kQueueItemsMax = 256;
  static constexpr std::size_t kQueueBytesMax = 32 * 1024 * 1024;
  static constexpr std::size_t kStreamsMax = 256;  ///< open at once

  struct Counts {
    std::uint64_t written = 0;
    std::uint64_t dropped = 0;  ///< the queue or the directory was full
    std::uint64_t failed = 0;   ///< the disk did not take it
  };

  Recorder(config::Recording settings, const base::Clock& clock);
  ~Recorder();
  Recorder(const Recorder&) = delete;
  Recorder& operator=(const Recorder&) = delete;

  /// Once: makes the directory (0700) and starts the thread. Errors: io.
  [[nodiscard]] Result<void> start();

  /// "<unix nanoseconds>-<number>", unique in this process.
  [[nodiscard]] std::string new_id();
  void record(ExchangeRecord exchange);

  /// The name of the stream's file in the directory, for the exchange's line; nothing when too many are open.
  [[nodiscard]] std::optional<StreamRecord> open_stream(const std::string& upgrade_type);
  void add_to_stream(const std::string& session_id, StreamDirection direction, std::string bytes);
  /// Writes the summary; each opened stream is closed once.
  void close_stream(const std::string& session_id);

  [[nodiscard]] Counts counts() const;
  /// How much of a body is worth keeping; 0: nothing.
  [[nodiscard]] std::size_t body_bytes_max() const;
  [[nodiscard]] bool keeps_streams() const { return settings_.are_streams_kept; }

 private:
  using Time = std::chrono::system_clock::time_point;
  struct StreamOpen {
    std::string id, type;
    Time at;
  };
  struct StreamData {
    std::string id, bytes;
    StreamDirection direction;
    Time at;
  };
  struct StreamClose {
    std::string id;
    Time at;
    StreamTotals totals;
  };
  using Item = std::variant<ExchangeRecord, StreamOpen, StreamData, StreamClose>;
  struct Queued {
    Item item;
    std::size_t bytes;
  };

  bool push(Item item, std::size_t bytes, bool is_needed);
  void run();
  void write(const ExchangeRecord& exchange);
  void write(const StreamOpen& stream);
  void write(const StreamData& data);
  void write(const StreamClose& stream);
  /// The whole of it, or nothing: what a full disk took of it is cut off again.
  bool append(int file, std::string_view text);
  bool make_room(std::uint64_t bytes);
  void measure();

  config::Recording settings_;
  const base::Clock& clock_;
  std::atomic<std::uint64_t> next_id_{0};
  std::atomic<std::uint64_t> written_{0}, dropped_{0}, failed_{0};

  std::mutex mutex_;
  std::condition_variable changed_;
  std::deque<Queued> queue_;
  std::size_t queued_bytes_ = 0;
  std::map<std::string, StreamTotals, std::less<>> streams_;
  bool is_ending_ = false;

  // The thread's own.
  std::string day_;
  base::FileDescriptor lines_;
  struct StreamFile {
    base::FileDescriptor file;
    std::uint64_t lost_chunks = 0;  ///< by the disk or the directory's bound
    std::uint64_t lost_bytes = 0;
  };
  std::map<std::string, StreamFile, std::less<>> stream_files_;
  std::uint64_t size_bytes_ = 0;
  std::jthread thread_;
};

}  // namespace propeller::forward
