// What a client of the mirror asks for, and what a registry answers with: whatever passes the checks is written back
// the way it was read, and a redirect never gives up encryption.
#include <cstddef>
#include <cstdint>
#include <string_view>

#include "base/assert.hpp"
#include "forward/rate_limit.hpp"
#include "forward/redirects.hpp"
#include "forward/registry_path.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace propeller;
  using namespace propeller::forward;
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  if (const auto path = parse_registry_path(text); path && check_names(*path)) {
    ASSERT(parse_registry_path(path->to_string()) == *path);
    ASSERT(path->to_string().find_first_of("%?# \r\n") == std::string::npos);
    ASSERT(path->to_string().find("/../") == std::string::npos);
  }
  const auto query = take_namespace(text);
  ASSERT(query.rest.size() <= text.size());
  ASSERT(!take_namespace(query.rest).name);
  const http::Uri from{.scheme = "https", .host = "r.test", .port = 443, .target = "/v2/a/blobs/x"};
  if (const auto to = redirect_target(from, text)) {
    ASSERT(to->scheme == "https");
    ASSERT(http::is_path_and_query(to->target));
  }
  http::Fields fields;
  fields.add_view("ratelimit-limit", text);
  fields.add_view("ratelimit-remaining", text);
  if (const auto limit = parse_rate_limit(fields)) ASSERT(limit->limit == limit->remaining);
  return 0;
}
