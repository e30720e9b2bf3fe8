#include "forward/recorder.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>

#include <algorithm>
#include <cerrno>
#include <system_error>
#include <vector>

namespace propeller::forward {

namespace fs = std::filesystem;

namespace {

constexpr mode_t kFileMode = 0600;
constexpr mode_t kDirectoryMode = 0700;

std::size_t size_of(const MessageRecord& message) {
  std::size_t bytes = message.body.size();
  for (const auto& [name, value] : message.fields) bytes += name.size() + value.size();
  return bytes;
}

struct Kept {
  fs::path path;
  fs::file_time_type at;
  std::uint64_t bytes = 0;
};

bool is_ours(const fs::path& file) {
  const auto name = file.filename().string();
  return (name.starts_with("requests-") && name.ends_with(".jsonl")) ||
         (name.starts_with("stream-") && name.ends_with(".bin"));
}

/// Every file of the recording, the oldest first.
std::vector<Kept> kept_in(const fs::path& directory) {
  std::vector<Kept> found;
  std::error_code error;
  for (const auto& folder : {directory, directory / "streams"}) {
    for (fs::directory_iterator it(folder, error); !error && it != fs::directory_iterator(); it.increment(error)) {
      std::error_code gone;
      if (!is_ours(it->path()) || !it->is_regular_file(gone)) continue;
      Kept one{.path = it->path(), .at = it->last_write_time(gone), .bytes = it->file_size(gone)};
      if (!gone) found.push_back(std::move(one));
    }
  }
  std::ranges::sort(found, {}, &Kept::at);
  return found;
}

}  // namespace

Recorder::Recorder(config::Recording settings, const base::Clock& clock)
    : settings_(std::move(settings)), clock_(clock) {}

Recorder::~Recorder() {
  {
    const std::lock_guard lock(mutex_);
    is_ending_ = true;
  }
  changed_.notify_all();
}

Result<void> Recorder::start() {
  const auto streams = settings_.dir / "streams";
  std::error_code error;
  const bool is_new = !fs::exists(settings_.dir, error);
  fs::create_directories(streams, error);
  if (error)
    return fail(Code::io, Origin::internal, fmt::format("cannot make {}: {}", streams.string(), error.message()));
  if (is_new) ::chmod(settings_.dir.c_str(), kDirectoryMode);
  ::chmod(streams.c_str(), kDirectoryMode);
  thread_ = std::jthread([this] { run(); });
  return {};
}

std::size_t Recorder::body_bytes_max() const {
  // A body that does not fit into the queue would be dropped whole.
  constexpr auto kMost = static_cast<std::int64_t>(kQueueBytesMax / 4);
  const auto wanted = settings_.body_size_max_bytes;
  return static_cast<std::size_t>(wanted < 0 ? kMost : std::min(wanted, kMost));
}

std::string Recorder::new_id() {
  const auto since = clock_.wall_now().time_since_epoch();
  return fmt::format("{}-{}", std::chrono::duration_cast<std::chrono::nanoseconds>(since).count(), ++next_id_);
}

bool Recorder::push(Item item, std::size_t bytes, bool is_needed) {
  {
    const std::lock_guard lock(mutex_);
    const bool is_full = queue_.size() >= kQueueItemsMax || queued_bytes_ + bytes > kQueueBytesMax;
    // The end of a stream is bounded by the streams that are open, and without it the file has no end.
    if (is_full && !is_needed) return false;
    queued_bytes_ += bytes;
    queue_.push_back({std::move(item), bytes});
  }
  changed_.notify_one();
  return true;
}

void Recorder::record(ExchangeRecord exchange) {
  for (auto* message : {&exchange.request, &exchange.response}) {
    if (message->body.size() <= body_bytes_max()) continue;
    message->body.resize(body_bytes_max());
    message->is_body_truncated = true;
  }
  if (exchange.id.empty()) exchange.id = new_id();
  const auto bytes = exchange.url.size() + size_of(exchange.request) + size_of(exchange.response);
  if (!push(std::move(exchange), bytes, false)) ++dropped_;
}

std::optional<StreamRecord> Recorder::open_stream(const std::string& upgrade_type) {
  auto id = new_id();
  const auto at = clock_.wall_now();
  {
    const std::lock_guard lock(mutex_);
    if (streams_.size() >= kStreamsMax || queue_.size() >= kQueueItemsMax) {
      ++dropped_;
      return std::nullopt;
    }
    streams_.emplace(id, StreamTotals{});
  }
  // Between the look and the push others may have come: a few items more than the bound, each of a stream.
  push(StreamOpen{.id = id, .type = upgrade_type, .at = at}, upgrade_type.size(), true);
  auto file = fmt::format("streams/stream-{}.bin", id);
  return StreamRecord{.session_id = std::move(id), .file = std::move(file)};
}

void Recorder::add_to_stream(const std::string& session_id, StreamDirection direction, std::string bytes) {
  const auto size = bytes.size();
  {
    const std::lock_guard lock(mutex_);
    const auto found = streams_.find(session_id);
    if (found == streams_.end()) return;
    (direction == StreamDirection::to_server ? found->second.client_bytes : found->second.server_bytes) += size;
  }
  StreamData data{.id = session_id, .bytes = std::move(bytes), .direction = direction, .at = clock_.wall_now()};
  if (push(std::move(data), size, false)) return;
  ++dropped_;
  const std::lock_guard lock(mutex_);
  if (const auto found = streams_.find(session_id); found != streams_.end()) {
    ++found->second.dropped_chunks;
    found->second.dropped_bytes += size;
  }
}

void Recorder::close_stream(const std::string& session_id) {
  StreamTotals totals;
  {
    const std::lock_guard lock(mutex_);
    const auto found = streams_.find(session_id);
    if (found == streams_.end()) return;
    totals = found->second;
    streams_.erase(found);
  }
  push(StreamClose{.id = session_id, .at = clock_.wall_now(), .totals = totals}, 0, true);
}

Recorder::Counts Recorder::counts() const {
  return {.written = written_.load(), .dropped = dropped_.load(), .failed = failed_.load()};
}

void Recorder::run() {
  measure();
  std::unique_lock lock(mutex_);
  for (;;) {
    changed_.wait(lock, [this] { return is_ending_ || !queue_.empty(); });
    if (queue_.empty()) return;
    Queued next = std::move(queue_.front());
    queue_.pop_front();
    queued_bytes_ -= next.bytes;
    lock.unlock();
    std::visit([this](const auto& item) { write(item); }, next.item);
    lock.lock();
  }
}

void Recorder::measure() {
  size_bytes_ = 0;
  for (const auto& file : kept_in(settings_.dir)) size_bytes_ += file.bytes;
}

bool Recorder::make_room(std::uint64_t bytes) {
  if (size_bytes_ + bytes <= settings_.size_max_bytes) return true;
  measure();
  for (const auto& file : kept_in(settings_.dir)) {
    if (size_bytes_ + bytes <= settings_.size_max_bytes) break;
    const auto name = file.path.filename().string();
    const bool is_open =
        name == fmt::format("requests-{}.jsonl", day_) || std::ranges::any_of(stream_files_, [&](const auto& one) {
          return name == fmt::format("stream-{}.bin", one.first);
        });
    std::error_code error;
    if (!is_open && fs::remove(file.path, error)) size_bytes_ -= std::min(size_bytes_, file.bytes);
  }
  return size_bytes_ + bytes <= settings_.size_max_bytes;
}

bool Recorder::append(int file, std::string_view text) {
  if (!make_room(text.size())) {
    ++dropped_;
    return false;
  }
  const auto whole = text.size();
  const auto before = ::lseek(file, 0, SEEK_END);
  while (!text.empty()) {
    const auto count = ::write(file, text.data(), text.size());
    if (count < 0 && errno == EINTR) continue;
    if (count <= 0) {
      ++failed_;
      [[maybe_unused]] const int cut = before < 0 ? -1 : ::ftruncate(file, before);
      return false;
    }
    text.remove_prefix(static_cast<std::size_t>(count));
  }
  size_bytes_ += whole;
  ++written_;
  return true;
}

void Recorder::write(const ExchangeRecord& exchange) {
  if (const auto day = record_day(exchange.at); day != day_ || !lines_.is_open()) {
    day_ = day;
    const auto path = settings_.dir / fmt::format("requests-{}.jsonl", day);
    lines_ =
        base::FileDescriptor(::open(path.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC | O_NOFOLLOW, kFileMode));
    // A file of an older proxy may be there, for everybody to read.
    if (lines_.is_open()) ::fchmod(lines_.get(), kFileMode);
    const auto oldest = fs::file_time_type::clock::now() - std::chrono::days(settings_.days_max);
    for (const auto& file : kept_in(settings_.dir)) {
      std::error_code error;
      if (file.at < oldest) fs::remove(file.path, error);
    }
    measure();
  }
  if (!lines_.is_open()) {
    ++failed_;
    return;
  }
  append(lines_.get(), record_line(exchange));
}

void Recorder::write(const StreamOpen& stream) {
  const auto path = settings_.dir / "streams" / fmt::format("stream-{}.bin", stream.id);
  base::FileDescriptor file(::open(path.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, kFileMode));
  if (!file.is_open()) {
    ++failed_;
    return;
  }
  const int number = file.get();
  stream_files_[stream.id].file = std::move(file);
  append(number, stream_head(stream.at, stream.id, stream.type));
}

void Recorder::write(const StreamData& data) {
  const auto found = stream_files_.find(data.id);
  if (found == stream_files_.end()) return;
  const auto bytes = static_cast<std::uint32_t>(data.bytes.size());
  auto& stream = found->second;
  if (append(stream.file.get(), stream_data_head(data.at, data.direction, bytes) + data.bytes)) return;
  ++stream.lost_chunks;
  stream.lost_bytes += bytes;
}

void Recorder::write(const StreamClose& stream) {
  const auto found = stream_files_.find(stream.id);
  if (found == stream_files_.end()) return;
  auto totals = stream.totals;
  totals.dropped_chunks += found->second.lost_chunks;
  totals.dropped_bytes += found->second.lost_bytes;
  append(found->second.file.get(), stream_summary(stream.at, totals));
  stream_files_.erase(found);
}

}  // namespace propeller::forward
