#pragma once

#include <chrono>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <variant>

#include "async/core.hpp"
#include "base/error.hpp"
#include "store/open_blob.hpp"

/// The two ends of a blob that is still arriving: one BlobWriter, many BlobReaders, on any cores.
namespace propeller::store {

class Flight;
class FlightSeat;
class BlobWriter;

/// What the upstream said before the bytes. The store keeps it for the readers and reads only `length`.
struct BlobHead {
  int status = 200;
  std::string header_text;              ///< "Name: value\r\n" and so on
  std::optional<std::uint64_t> length;  ///< of the whole blob
  std::string validator;                ///< a strong ETag or the like: whoever resumes asks for the same
  std::string note = {};                ///< the caller's own, for Entry::note
  std::int64_t received_at = 0;         ///< Unix seconds; 0: when the bytes are all there
};

/// Bytes that are on disk: for sendfile. `file` stays open as long as the reader.
struct FilePiece {
  int file = -1;
  std::uint64_t offset = 0;
  std::uint64_t count = 0;
};

/// Bytes that could not be kept on disk; valid until the next read().
struct MemoryPiece {
  std::string_view bytes;
};

/// The bytes asked for are through, and what was received is right.
struct End {};

/// The one who wrote is gone. Start a download with `writer` (from writer->offset(), asking for the validator of
/// writer->head()), then read on.
struct TakeOver {
  std::unique_ptr<BlobWriter> writer;
};

/// The rest will not come from here (the answer is not for sharing, or this reader was too slow for bytes that cannot
/// be kept): fetch it without the store, from `offset`.
struct Alone {
  std::uint64_t offset = 0;
};

using HeadOutcome = std::variant<const BlobHead*, TakeOver, Alone>;
using ReadOutcome = std::variant<FilePiece, MemoryPiece, End, TakeOver, Alone>;

/// One client's way through a blob that is arriving.
///
/// Order:    head(), then read() until End, Alone or an error. One call at a time.
/// Pressure: bytes on disk never wait for a reader. Bytes that cannot be kept do, see BlobWriter.
/// End:      the last byte of the blob is held back until length and digest are known to be right, so that a wrong one
///           can never look complete to a client. A range that ends earlier is not held back.
/// Errors:   digest_mismatch, or what the writer gave to fail(); break the client's connection, do not end it cleanly.
/// Threads:  the core that called ContentStore::join(). Cancellation unwinds.
/// Lifetime: not beyond the store.
class BlobReader {
 public:
  using TimePoint = std::chrono::steady_clock::time_point;

  explicit BlobReader(std::shared_ptr<FlightSeat> seat);
  ~BlobReader();
  BlobReader(const BlobReader&) = delete;
  BlobReader& operator=(const BlobReader&) = delete;

  /// Before the first read(): bytes from `offset` on, `count` of them at most.
  void set_range(std::uint64_t offset, std::optional<std::uint64_t> count);

  /// Waits for begin() of the writer; Alone when that takes until `deadline`. The pointer is valid as long as the
  /// reader.
  [[nodiscard]] async::awaitable<Result<HeadOutcome>> head(TimePoint deadline = TimePoint::max());
  /// Waits for the next bytes, `bytes_max` at most and at least one; Alone when none come until `deadline`.
  [[nodiscard]] async::awaitable<Result<ReadOutcome>> read(std::uint64_t bytes_max,
                                                           TimePoint deadline = TimePoint::max());

  [[nodiscard]] std::uint64_t offset() const { return offset_; }
  /// How much of the blob has arrived.
  [[nodiscard]] std::uint64_t received() const;

 private:
  std::shared_ptr<FlightSeat> seat_;
  std::uint64_t offset_ = 0;
  std::optional<std::uint64_t> end_;
  std::shared_ptr<const std::string> held_;  // what the last MemoryPiece looks at
};

/// The one that brings the bytes: owned by the task that downloads, which goes on when the client that began it leaves.
///
/// Order:    begin(), write()…, then finish(). One call at a time. Dropped before finish(), decline() or fail(), one of
///           the readers takes over (kTakeOversMax times in all); without readers the draft is thrown away.
/// Pressure: write() returns when the bytes are hashed and on disk (page cache). Bytes that cannot be kept (disk full
///           or read-only, object too large, not admitted) go through a window of kWindowBytes in memory, and write()
///           waits for the slowest reader; one that does not move for the store's `stall_max` is sent away with Alone.
/// Errors:   write(): cancelled when the bytes cannot be kept and nobody reads any more: stop downloading.
///           A disk that fails is no error here: the bytes still reach the readers.
/// Threads:  the core that got it. Disk and hashing happen on the store's blocking pool.
class BlobWriter {
 public:
  static constexpr int kTakeOversMax = 8;
  static constexpr std::size_t kWindowBytes = 1024 * 1024;

  explicit BlobWriter(std::shared_ptr<Flight> flight);
  ~BlobWriter();
  BlobWriter(const BlobWriter&) = delete;
  BlobWriter& operator=(const BlobWriter&) = delete;

  /// Where the next byte goes: 0 at first, more after a take-over.
  [[nodiscard]] std::uint64_t offset() const;
  /// What an earlier writer said in begin(); null when there was none. Resume only what has the same validator.
  [[nodiscard]] const BlobHead* head() const;

  /// What the readers get to see first; decides whether the bytes are kept. Only while head() is null.
  [[nodiscard]] async::awaitable<Result<void>> begin(BlobHead head);
  /// Errors: cancelled; digest_mismatch when more comes than begin() announced.
  [[nodiscard]] async::awaitable<Result<void>> write(std::string_view bytes);
  /// The last byte is written: checks length and digest, lets the readers end, then fsyncs and publishes. Null when the
  /// bytes were right but could not be kept. Errors: digest_mismatch (the readers get it too).
  /// The download can be joined until the writer goes: so whoever puts an entry puts it before, and nobody finds
  /// neither.
  [[nodiscard]] async::awaitable<Result<std::shared_ptr<const OpenBlob>>> finish();

  /// The answer is not for sharing: every reader goes its own way (Alone). Only while head() is null.
  void decline();
  /// Nothing more will come, and no other writer would fare better: every reader gets `error`.
  void fail(Error error);

  [[nodiscard]] std::size_t reader_count() const;

 private:
  [[nodiscard]] async::awaitable<Result<void>> wait_for_readers();

  std::shared_ptr<Flight> flight_;
  bool is_done_ = false;
  bool is_finished_ = false;
};

}  // namespace propeller::store
