#include "http/head_writer.hpp"

#include <algorithm>
#include <array>
#include <charconv>

#include "http/chunked.hpp"
#include "http/syntax.hpp"

namespace propeller::http {

namespace {

/// Ours to write; by length first, for these are looked up for every field that is sent.
bool is_framing(std::string_view name) {
  switch (name.size()) {
    case 10: return equals_ignoring_case(name, "connection") || equals_ignoring_case(name, "keep-alive");
    case 14: return equals_ignoring_case(name, "content-length");
    case 16: return equals_ignoring_case(name, "proxy-connection");
    case 17: return equals_ignoring_case(name, "transfer-encoding");
    default: return false;
  }
}

bool is_date(std::string_view name) { return name.size() == 4 && equals_ignoring_case(name, "date"); }

void append_line(std::string& out, std::string_view name, std::string_view value) {
  out.append(name).append(": ").append(value).append("\r\n");
}

void append_number(std::string& out, std::uint64_t number) {
  std::array<char, 20> digits{};
  out.append(digits.data(), std::to_chars(digits.begin(), digits.end(), number).ptr);
}

/// All at once: a string that grows line by line is copied several times.
void reserve_lines(std::string& out, FieldView fields) {
  constexpr std::size_t kOurLinesBytes = 256;  ///< the first line, date, length and connection
  constexpr std::size_t kLineExtraBytes = 4;   ///< colon, blank, CR, LF
  std::size_t bytes = out.size() + kOurLinesBytes;
  for (const Field& field : fields) bytes += field.name.size() + field.value.size() + kLineExtraBytes;
  out.reserve(bytes);
}

bool is_writable(const Field& field) { return is_token(field.name) && is_field_value(field.value); }

void append_framing(std::string& out, const HeadFraming& framing) {
  if (!framing.date.empty()) append_line(out, "Date", framing.date);
  if (framing.is_chunked) {
    out.append("Transfer-Encoding: chunked\r\n");
  } else if (framing.content_length) {
    out.append("Content-Length: ");
    append_number(out, *framing.content_length);
    out.append("\r\n");
  }
  if (!framing.connection.empty()) append_line(out, "Connection", framing.connection);
  out.append("\r\n");
}

}  // namespace

void write_response_head(std::string& out, int status, std::string_view reason, FieldView fields,
                         const HeadFraming& framing) {
  HeadFraming rest = framing;
  reserve_lines(out, fields);
  out.append("HTTP/1.1 ");
  append_number(out, static_cast<std::uint64_t>(status));
  out.append(" ").append(is_field_value(reason) ? reason : std::string_view()).append("\r\n");
  for (const Field& field : fields) {
    if (is_framing(field.name) || !is_writable(field)) continue;
    if (is_date(field.name)) rest.date = {};
    append_line(out, field.name, field.value);
  }
  append_framing(out, rest);
}

bool write_request_head(std::string& out, const RequestLine& line, FieldView fields, const HeadFraming& framing) {
  const auto is_visible = [](char byte) { return static_cast<unsigned char>(byte) > 0x20 && byte != 0x7f; };
  if (!is_token(line.method) || line.target.empty() || !std::ranges::all_of(line.target, is_visible)) return false;
  if (!std::ranges::all_of(line.host, is_visible)) return false;
  reserve_lines(out, fields);
  out.append(line.method).append(" ").append(line.target).append(" HTTP/1.1\r\n");
  append_line(out, "Host", line.host);
  for (const Field& field : fields) {
    if (is_framing(field.name) || equals_ignoring_case(field.name, "host") || !is_writable(field)) continue;
    append_line(out, field.name, field.value);
  }
  append_framing(out, framing);
  return true;
}

void write_trailer(std::string& out, FieldView fields) {
  for (const Field& field : fields) {
    if (is_writable(field) && is_trailer_allowed(field.name)) append_line(out, field.name, field.value);
  }
  out.append("\r\n");
}

}  // namespace propeller::http
