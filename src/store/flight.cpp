#include "store/flight.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <boost/asio/post.hpp>
#include <limits>

#include "base/assert.hpp"
#include "store/content_store.hpp"

namespace propeller::store {

Flight::Flight(Depot& depot, FlightTable& table, std::string key, std::optional<BlobDigest> digest,
               boost::asio::thread_pool& pool)
    : depot_(depot),
      table_(table),
      key_(std::move(key)),
      expected_(digest),
      pool_(pool),
      hash_(digest ? digest->algorithm() : DigestAlgorithm::sha256) {}

// Removing a large file takes a disk its time, and the last reader leaves on a core.
Flight::~Flight() {
  if (draft_) boost::asio::post(pool_, [draft = std::move(draft_)] {});
}

std::shared_ptr<Flight> FlightTable::find(const std::string& key) {
  Shard& shard = shard_of(key);
  const std::scoped_lock lock(shard.mutex);
  const auto found = shard.flights.find(key);
  return found == shard.flights.end() ? nullptr : found->second;
}

void FlightTable::remove(const Flight& flight) {
  Shard& shard = shard_of(flight.key());
  std::shared_ptr<Flight> gone;  // let go outside the lock
  const std::scoped_lock lock(shard.mutex);
  const auto found = shard.flights.find(flight.key());
  if (found == shard.flights.end() || found->second.get() != &flight) return;
  gone = std::move(found->second);
  shard.flights.erase(found);
  count_.fetch_sub(1, std::memory_order_relaxed);
}

// ---- readers

Flight::Seating Flight::sit(FlightSeat& seat) {
  const std::scoped_lock lock(mutex_);
  if (phase_ == Phase::wrong || phase_ == Phase::declined) return Seating::over;
  if (seats_.size() >= ContentStore::kReadersMax) return Seating::full;
  seat.place = seats_.insert(seats_.end(), &seat);
  return Seating::seated;
}

void Flight::leave(FlightSeat& seat) {
  bool is_orphaned = false;
  std::shared_ptr<Bell> writer;
  {
    const std::scoped_lock lock(mutex_);
    seats_.erase(seat.place);
    is_orphaned = seats_.empty() && !has_writer_ && phase_ == Phase::arriving;
    if (is_orphaned) phase_ = Phase::declined;
    writer = std::exchange(writer_bell_, nullptr);
  }
  if (writer) writer->ring();
  if (is_orphaned) table_.remove(*this);
}

std::optional<Flight::Step> Flight::common_step(const FlightSeat& seat) {
  if (phase_ == Phase::wrong) return *error_;
  if (phase_ == Phase::declined || seat.is_sent_away) return Alone{seat.position};
  if (phase_ == Phase::arriving && !has_writer_) {
    has_writer_ = true;
    depot_.probe().take_overs.add();
    return TakesOver{};
  }
  return std::nullopt;
}

Flight::Step Flight::look_for_head(FlightSeat& seat) {
  const std::scoped_lock lock(mutex_);
  if (head_ && phase_ != Phase::wrong) return End{};
  if (auto step = common_step(seat)) return std::move(*step);
  seat.is_waiting = true;
  return Wait{};
}

Flight::Step Flight::look(FlightSeat& seat, const Range& range) {
  std::shared_ptr<Bell> writer;
  Step step;
  {
    const std::scoped_lock lock(mutex_);
    if (seat.position < range.offset) seat.position = range.offset;
    step = next_piece(seat, range);
    seat.is_waiting = std::holds_alternative<Wait>(step);
    if (!seat.is_waiting) writer = std::exchange(writer_bell_, nullptr);
  }
  if (writer) writer->ring();
  return step;
}

Flight::Step Flight::next_piece(FlightSeat& seat, const Range& range) {
  if (phase_ == Phase::wrong) return *error_;
  const std::uint64_t range_end = range.end.value_or(std::numeric_limits<std::uint64_t>::max());
  if (range.offset >= range_end || (phase_ == Phase::right && range.offset >= received_)) return End{};
  const std::uint64_t end = std::min(visible_end(), range_end);
  if (range.offset < end && !seat.is_sent_away) {
    const std::uint64_t count = std::min(range.bytes_max, end - range.offset);
    if (range.offset < on_disk_) {
      const std::uint64_t there = std::min(count, on_disk_ - range.offset);
      seat.position = range.offset + there;
      return FilePiece{.file = draft_fd_, .offset = range.offset, .count = there};
    }
    for (const Chunk& chunk : window_) {
      if (range.offset < chunk.offset || range.offset >= chunk.offset + chunk.bytes->size()) continue;
      const auto piece = std::string_view(*chunk.bytes).substr(range.offset - chunk.offset, count);
      seat.position = range.offset + piece.size();
      return Memory{.bytes = chunk.bytes, .piece = piece};
    }
    // It came too late for bytes that nobody kept.
    seat.is_sent_away = true;
  }
  if (auto step = common_step(seat)) return std::move(*step);
  return Wait{};
}

// The last byte stays back until everything is known to be right.
std::uint64_t Flight::visible_end() const {
  if (phase_ == Phase::right) return received_;
  const bool is_last_there = !head_ || !head_->length || received_ >= *head_->length;
  return is_last_there && received_ > 0 ? received_ - 1 : received_;
}

const BlobHead* Flight::head() const {
  const std::scoped_lock lock(mutex_);
  return head_.get();
}

std::uint64_t Flight::received() const {
  const std::scoped_lock lock(mutex_);
  return received_;
}

std::size_t Flight::reader_count() const {
  const std::scoped_lock lock(mutex_);
  return seats_.size();
}

// ---- the writer

void Flight::begin(BlobHead head) {
  draft_ = depot_.create_draft(expected_, head.length);
  is_kept_ = draft_ != nullptr;
  Bells bells;
  {
    const std::scoped_lock lock(mutex_);
    ASSERT(!head_);
    head_ = std::make_unique<const BlobHead>(std::move(head));
    if (is_kept_) draft_fd_ = draft_->fd();
    bells = take_bells();
  }
  ring(bells);
}

Result<void> Flight::append(std::string_view bytes) {
  const std::uint64_t offset = received();  // only the writer changes it
  const auto length = head()->length;
  if (length && bytes.size() > *length - offset) {
    depot_.probe().mismatches.add();
    Error error{Code::digest_mismatch, Origin::upstream,
                fmt::format("the upstream sent more than the {} bytes it announced", *length)};
    fail(error);
    return std::unexpected(std::move(error));
  }
  is_kept_ = is_kept_ && draft_->write(bytes, offset);
  auto chunk = is_kept_ ? nullptr : std::make_shared<const std::string>(bytes);
  Bells bells;
  {
    const std::scoped_lock lock(mutex_);
    received_ += bytes.size();
    if (is_kept_)
      on_disk_ = received_;
    else
      window_.push_back({offset, std::move(chunk)});
    bells = take_bells();
  }
  ring(bells);
  // While the readers send them on: the last byte waits for the hash in any case.
  hash_.update(bytes);
  return {};
}

Result<std::optional<std::uint64_t>> Flight::held_up_at(const std::shared_ptr<Bell>& bell) {
  const std::scoped_lock lock(mutex_);
  if (phase_ == Phase::wrong) return std::unexpected(*error_);
  if (is_kept_) return std::nullopt;
  const bool is_wanted = std::ranges::any_of(seats_, [](const FlightSeat* seat) { return !seat->is_sent_away; });
  if (!is_wanted) return base::fail(Code::cancelled, Origin::client, "nobody reads what cannot be kept");
  trim_window();
  const std::uint64_t position = slowest();
  if (received_ - std::min(received_, position) <= BlobWriter::kWindowBytes) return std::nullopt;
  writer_bell_ = bell;
  return position;
}

// Of those that are not gone; a reader of a range further on holds up nobody.
std::uint64_t Flight::slowest() const {
  std::uint64_t position = std::numeric_limits<std::uint64_t>::max();
  for (const FlightSeat* seat : seats_) {
    if (!seat->is_sent_away) position = std::min(position, seat->position);
  }
  return position;
}

void Flight::trim_window() {
  const std::uint64_t needed = slowest();
  while (!window_.empty() && window_.front().offset + window_.front().bytes->size() <= needed) window_.pop_front();
}

void Flight::send_away(std::uint64_t position) {
  Bells bells;
  {
    const std::scoped_lock lock(mutex_);
    for (FlightSeat* seat : seats_) {
      if (seat->position == position) seat->is_sent_away = true;
    }
    trim_window();
    bells = take_bells();
  }
  ring(bells);
}

Result<std::shared_ptr<const OpenBlob>> Flight::finish() {
  const std::uint64_t size = received();
  const BlobDigest digest = hash_.finish();
  const auto length = head()->length;
  if ((length && size != *length) || (expected_ && digest != *expected_)) {
    depot_.probe().mismatches.add();
    Error error{Code::digest_mismatch, Origin::upstream,
                expected_ ? fmt::format("the upstream's bytes are not {}", expected_->to_string())
                          : fmt::format("the upstream sent {} of {} bytes", size, length.value_or(size))};
    fail(error);
    return std::unexpected(std::move(error));
  }
  Bells bells;
  {
    const std::scoped_lock lock(mutex_);
    phase_ = Phase::right;
    has_writer_ = false;
    bells = take_bells();
  }
  ring(bells);
  return is_kept_ ? draft_->publish(digest, size) : nullptr;
}

void Flight::leave_table() { table_.remove(*this); }

void Flight::give_up_writing() {
  bool is_over = false;
  Bells bells;
  {
    const std::scoped_lock lock(mutex_);
    if (phase_ != Phase::arriving) return;
    has_writer_ = false;
    writer_bell_ = nullptr;
    if (!seats_.empty() && ++take_overs_ <= BlobWriter::kTakeOversMax) {
      bells = take_bells();
    } else {
      is_over = true;
    }
  }
  ring(bells);
  if (is_over) fail(Error{Code::registry_unavailable, Origin::upstream, "the download broke off too often"});
}

void Flight::decline() { end_with(Phase::declined, std::nullopt); }

void Flight::fail(Error error) { end_with(Phase::wrong, std::move(error)); }

void Flight::end_with(Phase phase, std::optional<Error> error) {
  Bells bells;
  {
    const std::scoped_lock lock(mutex_);
    if (phase_ != Phase::arriving) return;
    phase_ = phase;
    error_ = std::move(error);
    has_writer_ = false;
    bells = take_bells();
  }
  ring(bells);
  table_.remove(*this);
}

Flight::Bells Flight::take_bells() {
  Bells bells;
  for (FlightSeat* seat : seats_) {
    if (seat->is_waiting) bells.push_back(seat->bell);
    seat->is_waiting = false;
  }
  return bells;
}

void Flight::ring(const Bells& bells) {
  for (const auto& bell : bells) bell->ring();
}

}  // namespace propeller::store
