// URIs, authorities and references: what is accepted is in normal form, and stays as it is when it is read again.
#include <cstddef>
#include <cstdint>
#include <string_view>

#include "base/assert.hpp"
#include "http/uri.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace propeller::http;
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  if (const auto authority = parse_authority(text)) {
    ASSERT(!authority->host.empty() && authority->host.find_first_of("/@ \r\n") == std::string_view::npos);
  }
  const auto normal = normalise_target(text);
  ASSERT(is_path_and_query(normal) && normalise_target(normal) == normal);
  const auto check = [](const std::optional<Uri>& uri) {
    if (!uri) return;
    ASSERT(is_path_and_query(uri->target) && parse_authority(uri->authority()));
    if (uri->to_string().size() <= kUriBytesMax) ASSERT(parse_uri(uri->to_string()) == uri);
  };
  check(parse_uri(text));
  check(resolve_reference(*parse_uri("http://h/a/b?c"), text));
  return 0;
}
