#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

/// One line of a recording. Pure text; the Recorder writes it.
/// Source: forward-proxy reference, 1.7
namespace propeller::forward {

/// A message as far as a recording keeps it.
struct MessageRecord {
  std::vector<std::pair<std::string, std::string>> fields;
  std::uint64_t body_bytes = 0;  ///< that went over the wire
  std::string body;              ///< their beginning, when bodies are kept
  bool is_body_truncated = false;
};

struct StreamRecord {
  std::string session_id;
  std::string file;
};

/// One request and its answer.
struct ExchangeRecord {
  std::string id;  ///< the Recorder gives it
  std::chrono::system_clock::time_point at;
  std::string method;
  std::string url;
  std::string protocol;  ///< "HTTP/1.1"
  std::string remote;    ///< address and port of the client
  MessageRecord request;
  int status = 0;  ///< 0: there was no response
  std::string status_text;
  MessageRecord response;
  std::chrono::milliseconds duration{0};
  bool is_cache_hit = false;
  bool is_blocked = false;
  std::string upgrade_type;  ///< empty: none
  std::optional<StreamRecord> stream;
};

/// Whether a body of this type is kept at all: pictures, archives and images of containers are not.
[[nodiscard]] bool is_body_recorded(std::string_view content_type);
/// The same by the message's fields. Nor is what is compressed: its secrets could not be found.
[[nodiscard]] bool is_body_recorded(const MessageRecord& message);

/// The JSON line with its newline: headers, URL and bodies redacted, bodies in base64. A body with a zero byte is no
/// text, and is left out.
[[nodiscard]] std::string record_line(const ExchangeRecord& exchange);

/// "2026-11-21": the day in UTC that a line belongs to.
[[nodiscard]] std::string record_day(std::chrono::system_clock::time_point at);

/// The beginning of a stream's file, format discboeing-upgrade-stream-v1.
[[nodiscard]] std::string stream_head(std::chrono::system_clock::time_point at, std::string_view session_id,
                                      std::string_view upgrade_type);

enum class StreamDirection : std::uint8_t { to_server = 1, to_client = 2 };

[[nodiscard]] std::string stream_data_head(std::chrono::system_clock::time_point at, StreamDirection direction,
                                           std::uint32_t bytes);

struct StreamTotals {
  std::uint64_t client_bytes = 0;
  std::uint64_t server_bytes = 0;
  std::uint64_t dropped_chunks = 0;
  std::uint64_t dropped_bytes = 0;

  friend bool operator==(const StreamTotals&, const StreamTotals&) = default;
};

[[nodiscard]] std::string stream_summary(std::chrono::system_clock::time_point at, const StreamTotals& totals);

}  // namespace propeller::forward
