#include "forward/exchange_record.hpp"

#include <fmt/chrono.h>
#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <concepts>
#include <nlohmann/json.hpp>
#include <span>

#include "base/base64.hpp"
#include "forward/redaction.hpp"
#include "http/syntax.hpp"

namespace propeller::forward {

using http::contains_ignoring_case;
using http::equals_ignoring_case;

namespace {

using nlohmann::json;

std::string_view value_of(const MessageRecord& message, std::string_view wanted) {
  for (const auto& [name, value] : message.fields) {
    if (equals_ignoring_case(name, wanted)) return value;
  }
  return {};
}

std::string base64(std::string_view bytes) {
  std::string out(base::base64_size(bytes.size()), '\0');
  base::base64_encode(std::as_bytes(std::span(bytes)), out.data());
  return out;
}

json headers_of(const MessageRecord& message) {
  json headers = json::object();
  for (const auto& [name, value] : message.fields) {
    // A redirect's target is a URL, and may be a signed one.
    const bool is_url = equals_ignoring_case(name, "Location") || equals_ignoring_case(name, "Content-Location") ||
                        equals_ignoring_case(name, "Referer");
    headers[name].push_back(is_secret_header(name) ? std::string(kRedacted) : is_url ? redact_url(value) : value);
  }
  return headers;
}

void add_body(json& to, const MessageRecord& message) {
  to["body_size"] = message.body_bytes;
  const bool is_text = message.body.find('\0') == std::string::npos;
  if (message.body.empty() || !is_text || !is_body_recorded(message)) return;
  to["body"] = base64(redact_body(message.body, value_of(message, "Content-Type")));
  if (message.is_body_truncated) to["body_truncated"] = true;
}

/// Big endian, as the format wants it.
void append(std::string& out, std::integral auto value) {
  const auto bits = static_cast<std::uint64_t>(value);
  for (std::size_t shift = sizeof value * 8; shift > 0; shift -= 8)
    out += static_cast<char>(static_cast<unsigned char>(bits >> (shift - 8)));
}

std::int64_t unix_nanoseconds(std::chrono::system_clock::time_point at) {
  return std::chrono::duration_cast<std::chrono::nanoseconds>(at.time_since_epoch()).count();
}

void append_text(std::string& out, std::string_view text) {
  text = text.substr(0, UINT16_MAX);
  append(out, static_cast<std::uint16_t>(text.size()));
  out += text;
}

std::tm utc(std::chrono::system_clock::time_point at) {
  return fmt::gmtime(std::chrono::system_clock::to_time_t(std::chrono::floor<std::chrono::seconds>(at)));
}

std::string timestamp(std::chrono::system_clock::time_point at) {
  const auto nanoseconds = unix_nanoseconds(at) % 1'000'000'000;
  return fmt::format("{:%Y-%m-%dT%H:%M:%S}.{:09}Z", utc(at), nanoseconds);
}

}  // namespace

bool is_body_recorded(std::string_view content_type) {
  static constexpr std::array<std::string_view, 14> kSkipped{"image/", "video/", "audio/", "font/", "octet-stream",
                                                             "zip",    "gzip",   "tar",    "bz2",   "xz",
                                                             "zstd",   "pdf",    "wasm",   "bzip"};
  return std::ranges::none_of(kSkipped, [&](auto part) { return contains_ignoring_case(content_type, part); }) &&
         !contains_ignoring_case(content_type, "vnd.docker.") && !contains_ignoring_case(content_type, "vnd.oci.");
}

bool is_body_recorded(const MessageRecord& message) {
  const auto coding = value_of(message, "Content-Encoding");
  return is_body_recorded(value_of(message, "Content-Type")) &&
         (coding.empty() || equals_ignoring_case(coding, "identity"));
}

std::string record_day(std::chrono::system_clock::time_point at) { return fmt::format("{:%Y-%m-%d}", utc(at)); }

std::string record_line(const ExchangeRecord& exchange) {
  json request = {{"method", exchange.method},
                  {"url", redact_url(exchange.url)},
                  {"proto", exchange.protocol},
                  {"headers", headers_of(exchange.request)},
                  {"remote_addr", exchange.remote}};
  add_body(request, exchange.request);
  json line = {{"id", exchange.id}, {"timestamp", timestamp(exchange.at)}, {"request", std::move(request)}};
  if (exchange.status != 0) {
    json response = {{"status", exchange.status},
                     {"status_text", exchange.status_text},
                     {"headers", headers_of(exchange.response)},
                     {"duration_ms", exchange.duration.count()}};
    add_body(response, exchange.response);
    line["response"] = std::move(response);
  }
  line["cache_hit"] = exchange.is_cache_hit;
  line["blocked"] = exchange.is_blocked;
  if (!exchange.upgrade_type.empty()) {
    line["upgrade"] = true;
    line["upgrade_type"] = exchange.upgrade_type;
  }
  if (exchange.stream) {
    line["stream_record"] = {{"session_id", exchange.stream->session_id},
                             {"file", exchange.stream->file},
                             {"format", "discboeing-upgrade-stream-v1"}};
  }
  return line.dump(-1, ' ', false, json::error_handler_t::replace) + "\n";
}

std::string stream_head(std::chrono::system_clock::time_point at, std::string_view session_id,
                        std::string_view upgrade_type) {
  std::string out = "DBS1\x01";
  append(out, unix_nanoseconds(at));
  append_text(out, session_id);
  append_text(out, upgrade_type);
  return out;
}

std::string stream_data_head(std::chrono::system_clock::time_point at, StreamDirection direction, std::uint32_t bytes) {
  std::string out = "\x01";
  append(out, unix_nanoseconds(at));
  append(out, static_cast<std::uint8_t>(direction));
  append(out, bytes);
  return out;
}

std::string stream_summary(std::chrono::system_clock::time_point at, const StreamTotals& totals) {
  std::string out = "\x02";
  append(out, unix_nanoseconds(at));
  append(out, totals.client_bytes);
  append(out, totals.server_bytes);
  append(out, totals.dropped_chunks);
  append(out, totals.dropped_bytes);
  return out;
}

}  // namespace propeller::forward
