#include "http/http2_head.hpp"

#include <algorithm>
#include <array>

#include "http/chunked.hpp"
#include "http/syntax.hpp"
#include "http/uri.hpp"

namespace propeller::http {

namespace {

constexpr std::size_t kFieldOverheadBytes = 32;  ///< RFC 9113 section 6.5.2
constexpr std::size_t kMethodBytesMax = 32;

bool is_of_connection(std::string_view name) {
  constexpr std::array<std::string_view, 8> kNames = {"connection", "keep-alive",        "proxy-connection", "te",
                                                      "upgrade",    "transfer-encoding", "http2-settings",   "host"};
  return std::ranges::any_of(kNames, [&](std::string_view other) { return equals_ignoring_case(name, other); });
}

std::unexpected<Refusal> refuse(std::string_view reason, int status = 400) {
  return std::unexpected(Refusal{status, reason});
}

}  // namespace

void Http2Block::add(std::string_view name, std::string_view value, const ParseLimits& limits) {
  bytes_ += name.size() + value.size() + kFieldOverheadBytes;
  is_too_large_ = is_too_large_ || bytes_ > limits.head_bytes_max || fields_.size() >= limits.fields_max;
  if (is_too_large_) return;
  if (name == ":method") {
    method_ = value;
  } else if (name == ":scheme") {
    scheme_ = value;
  } else if (name == ":authority") {
    authority_ = value;
  } else if (name == ":path") {
    path_ = value;
  } else if (name == ":status") {
    status_ = static_cast<int>(parse_decimal(value).value_or(0));
  } else if (name == "cookie") {
    // Comes in crumbs, for the compression's sake (RFC 9113 section 8.2.3).
    if (!cookies_.empty()) cookies_ += "; ";
    cookies_ += value;
  } else if (!name.starts_with(':')) {
    fields_.add(name, value);
  }
}

void Http2Block::end() {
  if (!cookies_.empty()) fields_.add("cookie", cookies_);
}

void Http2Block::clear() { *this = {}; }

std::expected<RequestHead, Refusal> Http2Block::to_request(const ParseLimits& limits) {
  RequestHead head{.method = parse_method(method_),
                   .method_name = method_,
                   .target = path_,
                   .scheme = scheme_,
                   .path = path_,
                   .version = Version::http_2};
  if (is_too_large_) return refuse("the head is too large", 431);
  if (method_.size() > kMethodBytesMax || !is_token(method_)) return refuse("malformed method");
  if (path_.size() > limits.target_bytes_max) return refuse("the target is too long", 414);
  for (const Field& field : fields_) {
    if (!is_token(field.name) || !is_field_value(field.value)) return refuse("malformed field");
  }
  if (fields_.count("host") > 1) return refuse("more than one Host");
  const auto host = fields_.find("host");
  if (host && !authority_.empty() && !equals_ignoring_case(*host, authority_)) {
    return refuse("Host and :authority differ");
  }
  if (host && authority_.empty()) authority_ = *host;
  head.authority = authority_;
  if (!parse_authority(authority_)) return refuse("malformed authority");
  if (head.method == Method::connect) {
    if (!parse_authority(authority_)->port) return refuse("CONNECT needs host and port");
    head.form = TargetForm::authority;
    head.target = authority_;
    head.path = head.scheme = {};
  } else if (path_ == "*" && head.method == Method::options) {
    head.form = TargetForm::asterisk;
  } else if (!is_path_and_query(path_)) {
    return refuse("malformed target");
  }
  head.fields = fields_;
  return head;
}

void Http2Fields::add(std::string_view name, std::string_view value) { fields_.add(name, value); }

void Http2Fields::add_all(FieldView fields) {
  std::string lowered;
  for (const Field& field : fields) {
    const bool is_trailers = equals_ignoring_case(field.name, "te") && equals_ignoring_case(field.value, "trailers");
    if (is_of_connection(field.name) && !is_trailers) continue;
    if (equals_ignoring_case(field.name, "content-length")) continue;
    if (!is_token(field.name) || !is_field_value(field.value)) continue;
    lowered = field.name;
    std::ranges::transform(lowered, lowered.begin(), to_lower);
    fields_.add(lowered, field.value);
  }
}

void Http2Fields::add_trailers(FieldView fields) {
  std::vector<Field> allowed;
  std::ranges::copy_if(fields, std::back_inserter(allowed),
                       [](const Field& field) { return is_trailer_allowed(field.name); });
  add_all(FieldView(allowed));
}

bool Http2Fields::contains(std::string_view name) const { return fields_.contains(name); }

std::vector<nghttp2_nv> Http2Fields::entries() const {
  const auto bytes = [](std::string_view text) {
    return reinterpret_cast<std::uint8_t*>(const_cast<char*>(text.data()));
  };
  std::vector<nghttp2_nv> entries;
  entries.reserve(fields_.size());
  for (const Field& field : fields_) {
    entries.push_back(
        {bytes(field.name), bytes(field.value), field.name.size(), field.value.size(), NGHTTP2_NV_FLAG_NONE});
  }
  return entries;
}

}  // namespace propeller::http
