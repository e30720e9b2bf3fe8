#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "cache/directives.hpp"

namespace propeller::cache {

/// What the cache writes beside a stored response: into store::Entry::note and store::BlobHead::note.
struct ResponseNote {
  seconds initial_age{0};
  std::string variant;      ///< of the request that brought it, see variant_of()
  bool is_by_pack = false;  ///< under a rule of a pack, and so without credentials
  bool is_zstd = false;     ///< its blob has the text compressed; the entry's size is that of the text

  friend bool operator==(const ResponseNote&, const ResponseNote&) = default;
};
/// "response age=12 variant=<hex>", "response age=12 by-pack zstd variant=<hex>"
[[nodiscard]] std::string to_text(const ResponseNote& note);
[[nodiscard]] std::optional<ResponseNote> parse_response_note(std::string_view text);

/// Beside an entry without a response, under the plain key of a URL whose responses vary: by which fields.
/// "vary accept-encoding,accept-language"
[[nodiscard]] std::string vary_note(std::string_view names);
[[nodiscard]] std::optional<std::string_view> parse_vary_note(std::string_view text);

}  // namespace propeller::cache
