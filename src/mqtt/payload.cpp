#include "mqtt/payload.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cstring>

#include "base/assert.hpp"
#include "base/base64.hpp"
#include "mqtt/json_fields.hpp"

namespace propeller::mqtt {

namespace {

constexpr std::size_t kChunkMessageBytesMax = 64 * 1024 * 1024;
constexpr std::string_view kHexDigits = "0123456789abcdef";

// The pieces of a chunk message; between them stand the name, the two numbers and the base64 text.
constexpr std::string_view kBeforeName = R"({"app_name":")";
constexpr std::string_view kBeforeIndex = R"(","chunk_idx":)";
constexpr std::string_view kBeforeTotal = R"(,"total_chunks":)";
constexpr std::string_view kBeforeData = R"(,"data":")";
constexpr std::string_view kAfterData = R"("})";

char short_escape_of(char c) {
  switch (c) {
    case '"': return '"';
    case '\\': return '\\';
    case '\b': return 'b';
    case '\f': return 'f';
    case '\n': return 'n';
    case '\r': return 'r';
    case '\t': return 't';
    default: return '\0';
  }
}

// What JSON demands and no more: everything else, UTF-8 too, stands as it is (RFC 8259 section 7).
std::size_t escaped_size(std::string_view text) {
  std::size_t size = 0;
  for (const char c : text) size += short_escape_of(c) != '\0' ? 2 : static_cast<unsigned char>(c) < 0x20 ? 6 : 1;
  return size;
}

std::size_t digits_of(std::uint64_t value) {
  std::size_t digits = 1;
  for (; value >= 10; value /= 10) ++digits;
  return digits;
}

std::size_t envelope_size(std::string_view app_name, std::uint64_t index, std::uint64_t total) {
  return kBeforeName.size() + escaped_size(app_name) + kBeforeIndex.size() + digits_of(index) + kBeforeTotal.size() +
         digits_of(total) + kBeforeData.size() + kAfterData.size();
}

char* put(char* out, std::string_view text) { return std::copy(text.begin(), text.end(), out); }

char* put_escaped(char* out, std::string_view text) {
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    if (const char letter = short_escape_of(c); letter != '\0') {
      *out++ = '\\';
      *out++ = letter;
    } else if (byte < 0x20) {
      out = put(out, "\\u00");
      *out++ = kHexDigits[byte >> 4];
      *out++ = kHexDigits[byte & 15];
    } else {
      *out++ = c;
    }
  }
  return out;
}

/// The base64 text of a chunk written as encode_chunk writes it, so that the JSON parser need not walk through it.
struct Split {
  std::string head;  ///< the message with empty data
  std::string_view data;
};

std::optional<Split> split_data(std::string_view json) {
  constexpr std::string_view kData = R"("data":")";
  const auto at = json.find(kData);
  if (at == std::string_view::npos || !json.ends_with(kAfterData)) return std::nullopt;
  const auto begin = at + kData.size();
  const auto end = json.size() - kAfterData.size();
  if (begin > end) return std::nullopt;
  return Split{.head = std::string(json.substr(0, begin)).append(kAfterData), .data = json.substr(begin, end - begin)};
}

}  // namespace

std::size_t encoded_chunk_size(std::string_view app_name, std::uint64_t index, std::uint64_t total, std::size_t bytes) {
  return envelope_size(app_name, index, total) + base::base64_size(bytes);
}

std::string encode_chunk(std::string_view app_name, std::uint64_t index, std::uint64_t total,
                         std::span<const std::byte> bytes) {
  std::string message;
  // Not resize(): it would write every byte twice.
  message.resize_and_overwrite(encoded_chunk_size(app_name, index, total, bytes.size()),
                               [&](char* begin, std::size_t size) {
                                 char* out = put(begin, kBeforeName);
                                 out = put_escaped(out, app_name);
                                 out = put(out, kBeforeIndex);
                                 out = fmt::format_to(out, "{}", index);
                                 out = put(out, kBeforeTotal);
                                 out = fmt::format_to(out, "{}", total);
                                 out = put(out, kBeforeData);
                                 out = base::base64_encode(bytes, out);
                                 out = put(out, kAfterData);
                                 ASSERT(out == begin + size);
                                 return size;
                               });
  return message;
}

std::size_t raw_bytes_that_fit(std::string_view app_name, std::uint64_t total, std::size_t message_bytes_max) {
  // The largest index has at most as many digits as the total.
  const std::size_t envelope = envelope_size(app_name, total, total);
  return message_bytes_max <= envelope ? 0 : (message_bytes_max - envelope) / 4 * 3;
}

Result<ChunkMessage> parse_chunk(std::string_view json) {
  constexpr std::string_view kNames[] = {"app_name", "chunk_idx", "total_chunks", "data"};
  if (const auto split = split_data(json); split && json.size() <= kChunkMessageBytesMax) {
    JsonFields head(split->head, kRequestBytesMax, kNames);
    ChunkMessage chunk{.app_name = head.required_text("app_name"),
                       .index = head.required_number("chunk_idx"),
                       .total = head.required_number("total_chunks"),
                       .data = head.required_text("data")};
    auto data = base::base64_decode(split->data);
    if (!head.error() && data && chunk.data.empty()) {
      chunk.data = std::move(*data);
      return chunk;
    }
  }
  JsonFields fields(json, kChunkMessageBytesMax, kNames);
  ChunkMessage chunk{.app_name = fields.required_text("app_name"),
                     .index = fields.required_number("chunk_idx"),
                     .total = fields.required_number("total_chunks"),
                     .data = {}};
  const auto text = fields.required_text("data");
  if (fields.error()) return std::unexpected(*fields.error());
  auto data = base::base64_decode(text);
  if (!data) return fail(Code::bad_request, Origin::client, "\"data\" is " + data.error().detail);
  chunk.data = std::move(*data);
  return chunk;
}

}  // namespace propeller::mqtt
