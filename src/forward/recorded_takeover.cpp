#include "forward/recorded_takeover.hpp"

#include <algorithm>
#include <utility>

#include "net/borrowed_stream.hpp"

namespace propeller::forward {

namespace {

/// The client's connection, with somebody who listens.
class RecordedStream final : public net::BorrowedStream {
 public:
  RecordedStream(net::Stream& client, Recorder& recorder, const std::string& session_id)
      : BorrowedStream(client), recorder_(recorder), session_id_(session_id) {}

 private:
  Result<std::optional<std::size_t>> receive_now(std::span<char> room) override {
    auto got = BorrowedStream::receive_now(room);
    if (got && got->value_or(0) > 0)
      recorder_.add_to_stream(session_id_, StreamDirection::to_server, std::string(room.data(), **got));
    return got;
  }
  Result<std::size_t> send_now(std::span<const std::string_view> parts) override {
    auto sent = BorrowedStream::send_now(parts);
    auto left = sent.value_or(0);
    for (const auto part : parts) {
      if (left == 0) break;
      const auto taken = std::min(left, part.size());
      recorder_.add_to_stream(session_id_, StreamDirection::to_client, std::string(part.substr(0, taken)));
      left -= taken;
    }
    return sent;
  }

  Recorder& recorder_;
  const std::string& session_id_;  ///< of the takeover, which runs for longer
};

class RecordedTakeover final : public http::Takeover {
 public:
  RecordedTakeover(std::unique_ptr<http::Takeover> inner, Recorder& recorder, std::string session_id)
      : inner_(std::move(inner)), recorder_(recorder), session_id_(std::move(session_id)) {}
  ~RecordedTakeover() override { recorder_.close_stream(session_id_); }
  RecordedTakeover(const RecordedTakeover&) = delete;
  RecordedTakeover& operator=(const RecordedTakeover&) = delete;

  http::awaitable<void> run(net::Stream& stream) override {
    RecordedStream listened(stream, recorder_, session_id_);
    co_await inner_->run(listened);
  }

 private:
  const std::unique_ptr<http::Takeover> inner_;
  Recorder& recorder_;
  const std::string session_id_;
};

}  // namespace

std::unique_ptr<http::Takeover> record_takeover(std::unique_ptr<http::Takeover> inner, Recorder& recorder,
                                                std::string session_id) {
  return std::make_unique<RecordedTakeover>(std::move(inner), recorder, std::move(session_id));
}

}  // namespace propeller::forward
