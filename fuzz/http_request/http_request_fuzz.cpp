// The head of a request, whole and byte by byte: both see the same, and what is accepted is written again as a head
// that reads the same.
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/assert.hpp"
#include "http/forwarding.hpp"
#include "http/head_parser.hpp"
#include "http/head_writer.hpp"
#include "http/syntax.hpp"
#include "http/uri.hpp"

namespace {

using namespace propeller::http;

constexpr ParseLimits kLimits{.head_bytes_max = 4096, .target_bytes_max = 1024, .fields_max = 16};

void check_parts(const ParsedRequest& parsed) {
  const RequestHead& head = parsed.head;
  ASSERT(is_token(head.method_name) && head.target.size() <= kLimits.target_bytes_max);
  ASSERT(head.fields.size() <= kLimits.fields_max);
  ASSERT(head.authority.empty() || parse_authority(head.authority));
  ASSERT(head.version == Version::http_1_0 || head.fields.count("host") == 1);
  ASSERT(!(head.fields.contains("content-length") && head.fields.contains("transfer-encoding")));
  for (const Field& field : head.fields) ASSERT(is_token(field.name) && is_field_value(field.value));
}

void check_round_trip(const ParsedRequest& parsed) {
  Fields fields(parsed.head.fields);
  remove_hop_by_hop(fields);
  // Of no meaning in HTTP/1.0, and we write HTTP/1.1.
  fields.remove("expect");
  ASSERT(!fields.contains("connection") && !fields.contains("transfer-encoding"));
  std::string text;
  const std::string_view host = parsed.head.authority.empty() ? "h" : parsed.head.authority;
  HeadFraming framing{.is_chunked = parsed.framing.kind == BodyFraming::Kind::chunked};
  if (parsed.framing.kind == BodyFraming::Kind::length) framing.content_length = parsed.framing.length;
  ASSERT(write_request_head(text, {parsed.head.method_name, parsed.head.target, host}, fields, framing));
  HeadFinder finder;
  const ParseLimits wide;
  ASSERT(finder.find(text, wide) == text.size());
  std::vector<Field> storage;
  const auto again = parse_request(text, wide, storage);
  ASSERT(again && again->framing == parsed.framing && again->head.target == parsed.head.target);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  HeadFinder whole, bytewise;
  const auto found = whole.find(text, kLimits);
  if (!found) return 0;
  for (std::size_t end = 0; end < std::min(*found, size); ++end) {
    const auto early = bytewise.find(text.substr(0, end), kLimits);
    ASSERT(early && *early == 0);
  }
  if (*found == 0) return 0;
  ASSERT(bytewise.find(text.substr(0, *found), kLimits) == *found);
  std::vector<Field> storage;
  const auto parsed = parse_request(text.substr(0, *found), kLimits, storage);
  if (!parsed) {
    ASSERT(parsed.error().status >= 400 && parsed.error().status <= 505 && !parsed.error().reason.empty());
    return 0;
  }
  check_parts(*parsed);
  check_round_trip(*parsed);
  return 0;
}
