#pragma once

#include <fmt/format.h>

#include <cstdint>
#include <filesystem>
#include <initializer_list>
#include <string>
#include <string_view>

#include "base/error.hpp"

/// Structured log lines on standard error or in a file: a constant message, then key=value. No secrets, no bodies;
/// digests shortened to 12 digits.
///
/// Bound:    kLogQueueLines lines of at most kLogLineBytesMax bytes wait for the log thread; when that is full the
///           oldest are dropped and counted, and nobody waits, even when standard error blocks.
/// Errors:   what comes from outside cannot forge a line: control characters and broken UTF-8 are escaped.
/// Threads:  any. Nothing is written before start_log().
namespace propeller::observe {

inline constexpr std::size_t kLogQueueLines = 512;
inline constexpr std::size_t kLogValueBytesMax = 1024;  ///< of a field's value; the rest becomes "..."
inline constexpr std::size_t kLogLineBytesMax = 4096;   ///< of message and fields; what does not fit is left out

enum class Level { trace, debug, info, warn, error };
enum class LogFormat { text, json };

struct LogOptions {
  std::string level = "info";  ///< trace, debug, info, warn, error
  LogFormat format = LogFormat::text;
};

struct Field {
  std::string_view key;
  std::string value;
};

template <class T>
[[nodiscard]] Field kv(std::string_view key, const T& value) {
  return {key, fmt::format("{}", value)};
}

/// Once, before the first line; tests may call it again.
void start_log(const LogOptions& options);
/// From now on lines go to this file: appended to, made 0600. Called again it opens the file anew, which may have been
/// moved away meanwhile. Errors: io; the lines go on where they went.
[[nodiscard]] Result<void> log_to_file(const std::filesystem::path& file);
/// trace, debug, info, warn, error.
void set_log_level(std::string_view level);
/// Waits until what is queued is written, a second at most.
void flush_log();

[[nodiscard]] bool is_enabled(Level level);
void write_log(Level level, std::string_view message, std::initializer_list<Field> fields = {});

inline void log_debug(std::string_view message, std::initializer_list<Field> fields = {}) {
  write_log(Level::debug, message, fields);
}
inline void log_info(std::string_view message, std::initializer_list<Field> fields = {}) {
  write_log(Level::info, message, fields);
}
inline void log_warn(std::string_view message, std::initializer_list<Field> fields = {}) {
  write_log(Level::warn, message, fields);
}
inline void log_error(std::string_view message, std::initializer_list<Field> fields = {}) {
  write_log(Level::error, message, fields);
}

inline void log_trace(std::string_view message, std::initializer_list<Field> fields = {}) {
  write_log(Level::trace, message, fields);
}

/// Lines that were dropped because the queue was full.
[[nodiscard]] std::uint64_t dropped_lines();

}  // namespace propeller::observe
