#include "http/head_parser.hpp"

#include <algorithm>
#include <cstring>
#include <utility>

#include "http/framing.hpp"
#include "http/syntax.hpp"
#include "http/uri.hpp"

namespace propeller::http {

namespace {

constexpr std::size_t kRequestLineRestBytes = 64;  ///< method, version and blanks beside the target
constexpr std::size_t kMethodBytesMax = 32;
constexpr std::size_t kFieldsUsual = 16;
constexpr std::string_view kLineEnd = "\r\n";

std::unexpected<Refusal> refuse(int status, std::string_view reason) {
  return std::unexpected(Refusal{status, reason});
}

/// Without its line end; the finder has seen that every line has one.
std::string_view take_line(std::string_view& text) {
  const std::size_t end = text.find(kLineEnd);
  if (end == std::string_view::npos) return std::exchange(text, {});
  const std::string_view line = text.substr(0, end);
  text.remove_prefix(end + kLineEnd.size());
  return line;
}

std::expected<Version, Refusal> parse_version(std::string_view text) {
  if (text == "HTTP/1.1") return Version::http_1_1;
  if (text == "HTTP/1.0") return Version::http_1_0;
  const auto is_digit = [](char byte) { return byte >= '0' && byte <= '9'; };
  if (text.size() == 8 && text.starts_with("HTTP/") && is_digit(text[5]) && text[6] == '.' && is_digit(text[7])) {
    return refuse(505, "this version of HTTP is not spoken here");
  }
  return refuse(400, "malformed version");
}

bool is_scheme(std::string_view text) {
  const auto is_letter = [](char byte) { return to_lower(byte) >= 'a' && to_lower(byte) <= 'z'; };
  return !text.empty() && is_letter(text.front()) && is_token(text) && text.find_first_of("!#$%&'*^_`|~") == text.npos;
}

std::expected<void, Refusal> parse_absolute_form(RequestHead& head) {
  const std::size_t end = head.target.find("://");
  head.form = TargetForm::absolute;
  head.scheme = head.target.substr(0, end);
  std::string_view rest = head.target.substr(end + 3);
  const std::size_t path = std::min(rest.find_first_of("/?#"), rest.size());
  head.authority = rest.substr(0, path);
  head.path = rest.substr(path);
  if (!is_scheme(head.scheme) || !parse_authority(head.authority)) return refuse(400, "malformed target");
  if (head.path.empty()) head.path = "/";
  // "http://host?query" means "/?query", which is nowhere in the buffer; no client sends it.
  if (!is_path_and_query(head.path)) return refuse(400, "malformed target");
  return {};
}

std::expected<void, Refusal> parse_target(RequestHead& head) {
  if (head.target.empty()) return refuse(400, "malformed request line");
  if (head.method == Method::connect) {
    const auto authority = parse_authority(head.target);
    if (!authority || !authority->port) return refuse(400, "CONNECT needs host and port");
    head.form = TargetForm::authority;
    head.authority = head.target;
    return {};
  }
  if (head.target.front() == '/') {
    head.path = head.target;
    return is_path_and_query(head.path) ? std::expected<void, Refusal>{} : refuse(400, "malformed target");
  }
  if (head.target == "*") {
    head.form = TargetForm::asterisk;
    head.path = head.target;
    return head.method == Method::options ? std::expected<void, Refusal>{} : refuse(400, "malformed target");
  }
  if (head.target.contains("://")) return parse_absolute_form(head);
  return refuse(400, "malformed target");
}

std::expected<void, Refusal> parse_request_line(std::string_view line, const ParseLimits& limits, RequestHead& head) {
  const std::size_t first = line.find(' ');
  const std::size_t last = line.rfind(' ');
  if (first == std::string_view::npos || first == last) return refuse(400, "malformed request line");
  head.method_name = line.substr(0, first);
  head.target = line.substr(first + 1, last - first - 1);
  if (head.method_name.size() > kMethodBytesMax || !is_token(head.method_name)) return refuse(400, "malformed method");
  const auto version = parse_version(line.substr(last + 1));
  if (!version) return std::unexpected(version.error());
  head.version = *version;
  if (head.target.size() > limits.target_bytes_max) return refuse(414, "the target is too long");
  head.method = parse_method(head.method_name);
  return parse_target(head);
}

std::expected<void, Refusal> check_host(RequestHead& head) {
  const std::size_t hosts = head.fields.count("host");
  if (hosts > 1) return refuse(400, "more than one Host");
  if (hosts == 0) {
    return head.version == Version::http_1_0 ? std::expected<void, Refusal>{} : refuse(400, "no Host");
  }
  const std::string_view host = *head.fields.find("host");
  if (!host.empty() && !parse_authority(host)) return refuse(400, "malformed Host");
  if (head.form == TargetForm::origin && host.empty()) return refuse(400, "empty Host");
  // The target's authority wins over Host (RFC 9112 section 3.2.2).
  if (head.authority.empty()) head.authority = host;
  return {};
}

bool is_kept_alive(Version version, FieldView fields) {
  if (fields.has_member("connection", "close")) return false;
  return version == Version::http_1_1 || fields.has_member("connection", "keep-alive");
}

std::expected<void, Refusal> parse_status_line(std::string_view line, ResponseHead& head) {
  if (line.size() < 12 || line[8] != ' ') return refuse(502, "malformed status line");
  const auto version = parse_version(line.substr(0, 8));
  const auto status = parse_decimal(line.substr(9, 3));
  if (!version || !status || *status < 100) return refuse(502, "malformed status line");
  // Servers leave out the blank that should follow when there is no reason.
  if (line.size() > 12 && line[12] != ' ') return refuse(502, "malformed status line");
  head.version = *version;
  head.status = static_cast<int>(*status);
  if (line.size() > 13) head.reason = line.substr(13);
  if (!is_field_value(head.reason)) return refuse(502, "malformed reason");
  return {};
}

}  // namespace

std::expected<std::size_t, Refusal> HeadFinder::find(std::string_view buffer, const ParseLimits& limits) {
  while (scanned_ < buffer.size()) {
    const void* const found = std::memchr(buffer.data() + scanned_, '\n', buffer.size() - scanned_);
    if (found == nullptr) {
      scanned_ = buffer.size();
      break;
    }
    const auto at = static_cast<std::size_t>(static_cast<const char*>(found) - buffer.data());
    if (at == line_begin_ || buffer[at - 1] != '\r') return refuse(400, "a line ends without CR");
    const bool is_empty = at == line_begin_ + 1;
    if (lines_ == 0 && at - line_begin_ > limits.target_bytes_max + kRequestLineRestBytes) {
      return refuse(414, "the target is too long");
    }
    scanned_ = line_begin_ = at + 1;
    if (scanned_ > limits.head_bytes_max) return refuse(431, "the head is too large");
    if (is_empty && lines_ > 0) return scanned_;
    // One empty line in front is what old clients send behind a body (RFC 9112 section 2.2).
    if (is_empty && at > 1) return refuse(400, "empty lines before the request");
    if (!is_empty && ++lines_ > limits.fields_max + 1) return refuse(431, "too many fields");
  }
  if (lines_ == 0 && buffer.size() - line_begin_ > limits.target_bytes_max + kRequestLineRestBytes) {
    return refuse(414, "the target is too long");
  }
  if (buffer.size() >= limits.head_bytes_max) return refuse(431, "the head is too large");
  return 0;
}

std::expected<void, Refusal> parse_fields(std::string_view lines, const ParseLimits& limits,
                                          std::vector<Field>& storage) {
  storage.clear();
  storage.reserve(std::min(limits.fields_max, kFieldsUsual));
  for (;;) {
    const std::string_view line = take_line(lines);
    if (line.empty()) return {};
    if (storage.size() == limits.fields_max) return refuse(431, "too many fields");
    if (line.front() == ' ' || line.front() == '\t') return refuse(400, "a folded field");
    std::size_t colon = 0;
    while (colon < line.size() && is_token_char(line[colon])) ++colon;
    if (colon == 0 || colon == line.size() || line[colon] != ':') return refuse(400, "malformed field name");
    const std::string_view value = trim(line.substr(colon + 1));
    if (!is_field_value(value)) return refuse(400, "a control character in a field");
    storage.push_back({line.substr(0, colon), value});
  }
}

std::expected<ParsedRequest, Refusal> parse_request(std::string_view head, const ParseLimits& limits,
                                                    std::vector<Field>& storage) {
  if (head.starts_with(kLineEnd)) head.remove_prefix(kLineEnd.size());
  ParsedRequest parsed;
  const std::string_view line = take_line(head);
  if (auto valid = parse_request_line(line, limits, parsed.head); !valid) return std::unexpected(valid.error());
  if (auto valid = parse_fields(head, limits, storage); !valid) return std::unexpected(valid.error());
  parsed.head.fields = FieldView(storage);
  if (auto valid = check_host(parsed.head); !valid) return std::unexpected(valid.error());
  const auto framing = frame_request(parsed.head);
  if (!framing) return std::unexpected(framing.error());
  parsed.framing = *framing;
  parsed.is_keep_alive = is_kept_alive(parsed.head.version, parsed.head.fields);
  if (const auto expectation = parsed.head.fields.find("expect");
      expectation && parsed.head.version != Version::http_1_0) {
    if (!equals_ignoring_case(*expectation, "100-continue")) return refuse(417, "unknown expectation");
    parsed.expects_continue = parsed.framing.kind != BodyFraming::Kind::none;
  }
  return parsed;
}

std::expected<ParsedResponse, Refusal> parse_response(std::string_view head, Method asked, const ParseLimits& limits,
                                                      std::vector<Field>& storage) {
  const auto malformed = [](const Refusal& refusal) { return refuse(502, refusal.reason); };
  ParsedResponse parsed;
  if (auto valid = parse_status_line(take_line(head), parsed.head); !valid) return std::unexpected(valid.error());
  if (auto valid = parse_fields(head, limits, storage); !valid) return malformed(valid.error());
  parsed.head.fields = FieldView(storage);
  const auto framed = frame_response(parsed.head, asked);
  if (!framed) return malformed(framed.error());
  parsed.framing = framed->framing;
  parsed.declared_length = framed->declared_length;
  parsed.is_keep_alive = is_kept_alive(parsed.head.version, parsed.head.fields) && !framed->is_doubtful &&
                         parsed.framing.kind != BodyFraming::Kind::until_close;
  return parsed;
}

}  // namespace propeller::http
