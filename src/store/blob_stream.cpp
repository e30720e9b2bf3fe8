#include "store/blob_stream.hpp"

#include <boost/asio/this_coro.hpp>
#include <chrono>

#include "async/offload.hpp"
#include "base/assert.hpp"
#include "store/flight.hpp"

namespace propeller::store {

namespace {

template <class... F>
struct Overloaded : F... {
  using F::operator()...;
};

}  // namespace

BlobReader::BlobReader(std::shared_ptr<FlightSeat> seat) : seat_(std::move(seat)) {}

BlobReader::~BlobReader() { seat_->flight->leave(*seat_); }

void BlobReader::set_range(std::uint64_t offset, std::optional<std::uint64_t> count) {
  offset_ = offset;
  if (count) end_ = offset + *count;
}

std::uint64_t BlobReader::received() const { return seat_->flight->received(); }

async::awaitable<Result<HeadOutcome>> BlobReader::head(TimePoint deadline) {
  for (;;) {
    auto step = seat_->flight->look_for_head(*seat_);
    if (std::holds_alternative<End>(step)) co_return HeadOutcome(seat_->flight->head());
    if (std::holds_alternative<Alone>(step)) co_return HeadOutcome(Alone{offset_});
    if (auto* error = std::get_if<Error>(&step)) co_return std::unexpected(std::move(*error));
    if (std::holds_alternative<Flight::TakesOver>(step)) {
      co_return HeadOutcome(TakeOver{std::make_unique<BlobWriter>(seat_->flight)});
    }
    if (std::chrono::steady_clock::now() >= deadline) co_return HeadOutcome(Alone{offset_});
    co_await seat_->bell->wait(deadline);
  }
}

async::awaitable<Result<ReadOutcome>> BlobReader::read(std::uint64_t bytes_max, TimePoint deadline) {
  ASSERT(bytes_max > 0);
  held_.reset();
  for (;;) {
    auto step = seat_->flight->look(*seat_, {.offset = offset_, .end = end_, .bytes_max = bytes_max});
    if (std::holds_alternative<Flight::Wait>(step)) {
      if (std::chrono::steady_clock::now() >= deadline) co_return ReadOutcome(Alone{offset_});
      co_await seat_->bell->wait(deadline);
      continue;
    }
    using Outcome = Result<ReadOutcome>;
    co_return std::visit(
        Overloaded{
            [](Flight::Wait) -> Outcome { return End{}; },  // dealt with above
            [this](FilePiece piece) -> Outcome {
              offset_ += piece.count;
              return piece;
            },
            [this](Flight::Memory& memory) -> Outcome {
              offset_ += memory.piece.size();
              held_ = std::move(memory.bytes);
              return MemoryPiece{memory.piece};
            },
            [](End end) -> Outcome { return end; },
            [this](Flight::TakesOver) -> Outcome { return TakeOver{std::make_unique<BlobWriter>(seat_->flight)}; },
            [this](Alone) -> Outcome { return Alone{offset_}; },
            [](Error& error) -> Outcome { return std::unexpected(std::move(error)); },
        },
        step);
  }
}

BlobWriter::BlobWriter(std::shared_ptr<Flight> flight) : flight_(std::move(flight)) {}

BlobWriter::~BlobWriter() {
  if (!is_done_) flight_->give_up_writing();
  if (is_finished_) flight_->leave_table();
}

std::uint64_t BlobWriter::offset() const { return flight_->received(); }
const BlobHead* BlobWriter::head() const { return flight_->head(); }
std::size_t BlobWriter::reader_count() const { return flight_->reader_count(); }

async::awaitable<Result<void>> BlobWriter::begin(BlobHead head) {
  co_return co_await async::offload(flight_->pool(), [flight = flight_, head = std::move(head)]() mutable {
    flight->begin(std::move(head));
    return Result<void>();
  });
}

async::awaitable<Result<void>> BlobWriter::write(std::string_view bytes) {
  if (bytes.empty()) co_return Result<void>();
  auto appended = co_await async::offload(flight_->pool(), [flight = flight_, bytes] { return flight->append(bytes); });
  if (!appended) {
    is_done_ = true;
    co_return appended;
  }
  co_return co_await wait_for_readers();
}

async::awaitable<Result<void>> BlobWriter::wait_for_readers() {
  const auto bell = std::make_shared<Bell>(co_await boost::asio::this_coro::executor);
  std::optional<std::uint64_t> position;
  Bell::TimePoint deadline;
  for (;;) {
    const auto held_up = flight_->held_up_at(bell);
    if (!held_up) co_return std::unexpected(held_up.error());
    if (!*held_up) co_return Result<void>();
    // Others may move as they like: what counts is that the slowest does.
    if (position != *held_up) {
      position = *held_up;
      deadline = std::chrono::steady_clock::now() + flight_->options().stall_max;
    } else if (std::chrono::steady_clock::now() >= deadline) {
      flight_->send_away(*position);
      continue;
    }
    co_await bell->wait(deadline);
  }
}

async::awaitable<Result<std::shared_ptr<const OpenBlob>>> BlobWriter::finish() {
  is_done_ = is_finished_ = true;
  co_return co_await async::offload(flight_->pool(), [flight = flight_] { return flight->finish(); });
}

void BlobWriter::decline() {
  is_done_ = true;
  flight_->decline();
}

void BlobWriter::fail(Error error) {
  is_done_ = true;
  flight_->fail(std::move(error));
}

}  // namespace propeller::store
