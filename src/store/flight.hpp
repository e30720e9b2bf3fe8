#pragma once

#include <array>
#include <atomic>
#include <cstdint>
#include <deque>
#include <list>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <unordered_map>
#include <variant>
#include <vector>

#include "store/bell.hpp"
#include "store/blob_stream.hpp"
#include "store/depot.hpp"

namespace propeller::store {

class Flight;
class FlightTable;

/// A reader's place in a flight.
/// Threads: `position`, `is_waiting`, `is_sent_away` under the flight's mutex; the rest is fixed.
class FlightSeat {
 public:
  FlightSeat(std::shared_ptr<Flight> owner, const boost::asio::any_io_executor& executor)
      : flight(std::move(owner)), bell(std::make_shared<Bell>(executor)) {}

  const std::shared_ptr<Flight> flight;
  const std::shared_ptr<Bell> bell;
  std::uint64_t position = 0;
  bool is_waiting = false;
  bool is_sent_away = false;
  std::list<FlightSeat*>::iterator place;
};

/// One download on its way: what has arrived, who writes, who reads.
///
/// Order:    arriving until finish(), fail(), decline() or nobody is left.
/// Bound:    seats by ContentStore::kReadersMax; bytes in memory by BlobWriter::kWindowBytes and one write().
/// Threads:  any. One mutex, never held over disk, hashing or a post. What only the one writer touches (draft, hash)
///           needs none: a writer hands over to the next through the mutex.
/// Lifetime: its seats and its writer hold it; the depot outlives it.
class Flight : public std::enable_shared_from_this<Flight> {
 public:
  struct Chunk {
    std::uint64_t offset = 0;
    std::shared_ptr<const std::string> bytes;
  };
  struct Wait {};
  struct Memory {
    std::shared_ptr<const std::string> bytes;
    std::string_view piece;
  };
  struct TakesOver {};
  using Step = std::variant<Wait, FilePiece, Memory, End, TakesOver, Alone, Error>;
  struct Range {
    std::uint64_t offset = 0;
    std::optional<std::uint64_t> end;
    std::uint64_t bytes_max = 0;
  };

  Flight(Depot& depot, FlightTable& table, std::string key, std::optional<BlobDigest> digest,
         boost::asio::thread_pool& pool);
  ~Flight();
  Flight(const Flight&) = delete;
  Flight& operator=(const Flight&) = delete;

  // Readers.
  enum class Seating : std::uint8_t { seated, full, over };
  [[nodiscard]] Seating sit(FlightSeat& seat);
  void leave(FlightSeat& seat);
  /// What there is to do for this reader now; Wait: it is noted as waiting, and its bell will ring.
  [[nodiscard]] Step look(FlightSeat& seat, const Range& range);
  /// The same for the head: End when it is there.
  [[nodiscard]] Step look_for_head(FlightSeat& seat);
  [[nodiscard]] const BlobHead* head() const;

  // The writer. What blocks runs on the pool.
  void begin(BlobHead head);
  /// Hashes, keeps or hands on.
  [[nodiscard]] Result<void> append(std::string_view bytes);
  [[nodiscard]] Result<std::shared_ptr<const OpenBlob>> finish();
  /// Nobody joins any more.
  void leave_table();
  /// Where the slowest reader is when the window is full: `bell` will ring when somebody moves. Nullopt: write on.
  /// Errors: cancelled when nobody reads what is not kept.
  [[nodiscard]] Result<std::optional<std::uint64_t>> held_up_at(const std::shared_ptr<Bell>& bell);
  /// The readers that are still at `position`.
  void send_away(std::uint64_t position);
  void give_up_writing();
  void decline();
  void fail(Error error);

  [[nodiscard]] std::uint64_t received() const;
  [[nodiscard]] std::size_t reader_count() const;
  [[nodiscard]] boost::asio::thread_pool& pool() { return pool_; }
  [[nodiscard]] const StoreOptions& options() const { return depot_.options(); }
  [[nodiscard]] const std::string& key() const { return key_; }

 private:
  enum class Phase : std::uint8_t { arriving, right, wrong, declined };
  using Bells = std::vector<std::shared_ptr<Bell>>;

  [[nodiscard]] Step next_piece(FlightSeat& seat, const Range& range);
  [[nodiscard]] std::uint64_t visible_end() const;
  [[nodiscard]] std::uint64_t slowest() const;
  [[nodiscard]] std::optional<Step> common_step(const FlightSeat& seat);
  void trim_window();
  void end_with(Phase phase, std::optional<Error> error);
  [[nodiscard]] Bells take_bells();
  static void ring(const Bells& bells);

  Depot& depot_;
  FlightTable& table_;
  const std::string key_;
  const std::optional<BlobDigest> expected_;
  boost::asio::thread_pool& pool_;

  // The writer's.
  std::unique_ptr<Draft> draft_;
  BlobHash hash_;
  bool is_kept_ = false;

  mutable std::mutex mutex_;
  std::unique_ptr<const BlobHead> head_;
  Phase phase_ = Phase::arriving;
  std::optional<Error> error_;
  std::uint64_t received_ = 0;
  std::uint64_t on_disk_ = 0;  // [0, on_disk_) can be read from the draft
  int draft_fd_ = -1;
  std::deque<Chunk> window_;  // what comes after on_disk_, as far back as a reader needs it
  std::list<FlightSeat*> seats_;
  bool has_writer_ = true;
  int take_overs_ = 0;
  std::shared_ptr<Bell> writer_bell_;
};

/// The flights by key: what makes one download of many.
/// Bound: ContentStore::kFlightsMax. Threads: any; sharded, a shard's mutex is held for one look-up.
class FlightTable {
 public:
  struct Found {
    std::shared_ptr<Flight> flight;  ///< null: there are too many
    bool is_new = false;
  };
  template <class Make>
  [[nodiscard]] Found find_or_make(const std::string& key, std::size_t count_max, Make make) {
    Shard& shard = shard_of(key);
    const std::scoped_lock lock(shard.mutex);
    if (const auto found = shard.flights.find(key); found != shard.flights.end()) return {found->second, false};
    if (count_.fetch_add(1, std::memory_order_relaxed) >= count_max) {
      count_.fetch_sub(1, std::memory_order_relaxed);
      return {};
    }
    auto flight = make();
    shard.flights.emplace(key, flight);
    return {std::move(flight), true};
  }
  /// Null when nobody downloads that.
  [[nodiscard]] std::shared_ptr<Flight> find(const std::string& key);
  /// Only that one: another may have the key by now.
  void remove(const Flight& flight);
  [[nodiscard]] std::size_t size() const { return count_.load(std::memory_order_relaxed); }

 private:
  static constexpr std::size_t kShards = 16;
  struct Shard {
    std::mutex mutex;
    std::unordered_map<std::string, std::shared_ptr<Flight>> flights;
  };
  Shard& shard_of(const std::string& key) { return shards_[std::hash<std::string>()(key) % kShards]; }

  std::array<Shard, kShards> shards_;
  std::atomic<std::size_t> count_{0};
};

}  // namespace propeller::store
