// The head of a response to GET, HEAD and CONNECT: malformed, or framed in exactly one way, and written again it reads
// the same.
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/assert.hpp"
#include "http/head_parser.hpp"
#include "http/head_writer.hpp"
#include "http/syntax.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace propeller::http;
  constexpr ParseLimits kLimits{.head_bytes_max = 4096, .target_bytes_max = 1024, .fields_max = 16};
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  HeadFinder finder;
  const auto found = finder.find(text, kLimits);
  if (!found || *found == 0) return 0;
  const std::string_view head = text.substr(0, *found);
  for (const Method asked : {Method::get, Method::head, Method::connect}) {
    std::vector<Field> storage;
    const auto parsed = parse_response(head, asked, kLimits, storage);
    if (!parsed) {
      ASSERT(parsed.error().status == 502 || parsed.error().status == 505);
      continue;
    }
    using Kind = BodyFraming::Kind;
    ASSERT(parsed->head.status >= 100 && parsed->head.status <= 999 && is_field_value(parsed->head.reason));
    if (asked == Method::head || !may_have_body(parsed->head.status)) ASSERT(parsed->framing.kind == Kind::none);
    if (parsed->framing.kind == Kind::until_close) ASSERT(!parsed->is_keep_alive);
    if (asked != Method::get) continue;
    std::string again;
    HeadFraming framing{.is_chunked = parsed->framing.kind == Kind::chunked};
    if (parsed->framing.kind != Kind::chunked) framing.content_length = parsed->declared_length;
    write_response_head(again, parsed->head.status, parsed->head.reason, parsed->head.fields, framing);
    std::vector<Field> storage_again;
    const auto read_again = parse_response(again, asked, {}, storage_again);
    ASSERT(read_again && read_again->framing == parsed->framing && read_again->head.reason == parsed->head.reason);
  }
  return 0;
}
