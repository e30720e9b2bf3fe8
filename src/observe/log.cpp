#include "observe/log.hpp"

#include <fcntl.h>
#include <fmt/chrono.h>
#include <spdlog/async_logger.h>
#include <spdlog/details/thread_pool.h>
#include <spdlog/sinks/base_sink.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <chrono>
#include <condition_variable>
#include <cstring>
#include <memory>
#include <mutex>

#include "base/file_descriptor.hpp"
#include "observe/escape.hpp"

namespace propeller::observe {

namespace {

constexpr auto kFlushWaitMax = std::chrono::seconds(1);

constexpr spdlog::level::level_enum to_spdlog(Level level) {
  switch (level) {
    case Level::trace: return spdlog::level::trace;
    case Level::debug: return spdlog::level::debug;
    case Level::info: return spdlog::level::info;
    case Level::warn: return spdlog::level::warn;
    case Level::error: return spdlog::level::err;
  }
  return spdlog::level::info;
}

std::string_view name_of(spdlog::level::level_enum level) {
  switch (level) {
    case spdlog::level::trace: return "TRACE";
    case spdlog::level::debug: return "DEBUG";
    case spdlog::level::warn: return "WARN";
    case spdlog::level::err: return "ERROR";
    default: return "INFO";
  }
}

/// Writes one line with one write(2), on spdlog's thread.
class LineSink final : public spdlog::sinks::base_sink<spdlog::details::null_mutex> {
 public:
  explicit LineSink(LogFormat format) : format_(format) {}

  /// Standard error until the first call.
  void write_to(std::shared_ptr<const base::FileDescriptor> file) {
    const std::lock_guard lock(file_mutex_);
    file_ = std::move(file);
  }

  [[nodiscard]] std::uint64_t request_flush() { return flushes_requested_.fetch_add(1) + 1; }

  void wait_for_flush(std::uint64_t number) {
    std::unique_lock lock(flush_mutex_);
    flushed_.wait_for(lock, kFlushWaitMax, [&] { return flushes_done_ >= number; });
  }

 private:
  void sink_it_(const spdlog::details::log_msg& line) override {
    using std::chrono::duration_cast;
    const auto since_epoch = line.time.time_since_epoch();
    const auto millis = duration_cast<std::chrono::milliseconds>(since_epoch).count() % 1000;
    const auto seconds = std::chrono::system_clock::to_time_t(line.time);
    const auto time = fmt::format("{:%Y-%m-%dT%H:%M:%S}.{:03}Z", fmt::gmtime(seconds), millis);
    const std::string_view text(line.payload.data(), line.payload.size());
    if (format_ == LogFormat::json) {
      write_all(fmt::format("{{\"time\":\"{}\",\"level\":\"{}\",{}}}\n", time, name_of(line.level), text));
    } else {
      write_all(fmt::format("{} {} {}\n", time, name_of(line.level), text));
    }
  }

  void flush_() override {
    {
      const std::lock_guard lock(flush_mutex_);
      ++flushes_done_;
    }
    flushed_.notify_all();
  }

  std::shared_ptr<const base::FileDescriptor> file() {
    const std::lock_guard lock(file_mutex_);
    return file_;
  }

  /// Whoever closed our standard error has no use for the rest: errors are ignored.
  void write_all(std::string_view bytes) {
    const auto file = this->file();
    const int target = file ? file->get() : STDERR_FILENO;
    while (!bytes.empty()) {
      const auto n = ::write(target, bytes.data(), bytes.size());
      if (n < 0 && errno == EINTR) continue;
      if (n <= 0) return;
      bytes.remove_prefix(static_cast<std::size_t>(n));
    }
  }

  const LogFormat format_;
  std::mutex file_mutex_;  ///< never held while writing
  std::shared_ptr<const base::FileDescriptor> file_;
  std::atomic<std::uint64_t> flushes_requested_{0};
  std::mutex flush_mutex_;
  std::condition_variable flushed_;
  std::uint64_t flushes_done_ = 0;
};

struct Running {
  LogFormat format;
  std::shared_ptr<LineSink> sink;
  std::shared_ptr<spdlog::details::thread_pool> pool;
  std::shared_ptr<spdlog::async_logger> logger;
};

/// The log is the one thing of the process that has no owner to be handed down from: lines are written everywhere.
/// Never destroyed, so that a blocked standard error cannot hold up the exit.
struct Log {
  std::atomic<int> level{spdlog::level::off};
  std::mutex mutex;
  std::shared_ptr<Running> running;
};

Log& the_log() {
  static Log* const log = new Log;
  return *log;
}

std::shared_ptr<Running> running() {
  auto& log = the_log();
  const std::lock_guard lock(log.mutex);
  return log.running;
}

Level level_of(std::string_view name) {
  if (name == "trace") return Level::trace;
  if (name == "debug") return Level::debug;
  if (name == "warn") return Level::warn;
  if (name == "error") return Level::error;
  return Level::info;
}

}  // namespace

void start_log(const LogOptions& options) {
  auto next = std::make_shared<Running>();
  next->format = options.format;
  next->sink = std::make_shared<LineSink>(options.format);
  next->pool = std::make_shared<spdlog::details::thread_pool>(kLogQueueLines, 1);
  next->logger =
      std::make_shared<spdlog::async_logger>("", next->sink, next->pool, spdlog::async_overflow_policy::overrun_oldest);
  next->logger->set_level(spdlog::level::trace);
  auto& log = the_log();
  std::shared_ptr<Running> previous;
  {
    const std::lock_guard lock(log.mutex);
    previous = std::exchange(log.running, std::move(next));
    log.level = to_spdlog(level_of(options.level));
  }
}

Result<void> log_to_file(const std::filesystem::path& file) {
  auto opened = std::make_shared<const base::FileDescriptor>(
      ::open(file.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC | O_NOCTTY, 0600));
  if (!opened->is_open())
    return fail(Code::io, Origin::internal, fmt::format("cannot write {}: {}", file.native(), std::strerror(errno)));
  if (const auto log = running()) log->sink->write_to(std::move(opened));
  return {};
}

void set_log_level(std::string_view level) { the_log().level = to_spdlog(level_of(level)); }

void flush_log() {
  const auto log = running();
  if (!log) return;
  const auto number = log->sink->request_flush();
  log->logger->flush();
  log->sink->wait_for_flush(number);
}

bool is_enabled(Level level) { return to_spdlog(level) >= the_log().level.load(std::memory_order_relaxed); }

void write_log(Level level, std::string_view message, std::initializer_list<Field> fields) {
  if (!is_enabled(level)) return;
  const auto log = running();
  if (!log) return;
  std::string line;
  if (log->format == LogFormat::json) {
    line = "\"message\":" + json_string(message, kLogValueBytesMax);
    for (const auto& field : fields) {
      const auto pair =
          "," + json_string(field.key, kLogValueBytesMax) + ":" + json_string(field.value, kLogValueBytesMax);
      if (line.size() + pair.size() <= kLogLineBytesMax) line += pair;
    }
  } else {
    line = text_message(message, kLogValueBytesMax);
    for (const auto& field : fields) {
      const auto pair = fmt::format(" {}={}", field.key, text_value(field.value, kLogValueBytesMax));
      if (line.size() + pair.size() <= kLogLineBytesMax) line += pair;
    }
  }
  log->logger->log(to_spdlog(level), spdlog::string_view_t(line.data(), line.size()));
}

std::uint64_t dropped_lines() {
  const auto log = running();
  return log ? log->pool->overrun_counter() : 0;
}

}  // namespace propeller::observe
