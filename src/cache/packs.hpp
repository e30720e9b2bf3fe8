#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "cache/directives.hpp"

namespace propeller::cache {

/// What is known of the servers of package managers and not said by them, on top of RFC 9111. Each is switched on by
/// name; docs/caching.md has the tables.
struct Packs {
  bool is_npm_on = false;
  bool is_debian_on = false;
};

/// How a whole 200 is kept that a pack knows. `no-store`, `private` and `Vary: *` hold whatever a pack says, and what
/// was asked for with credentials is under no pack.
enum class Keeping {
  as_said,     ///< under no pack
  unchanging,  ///< under this path there never is another: fresh for ever
  document,    ///< fresh as long as it says, in forms by Accept; outlives its origin's silence and errors
  index,       ///< a part of a set that fits together: asked about each time; outlives the same
  door         ///< of a registry of images, where every pull begins: the same. It needs no pack
};

/// What is in a path's form or in the request is all that tells. Pure.
/// Source: npm's registry API; Debian's repository format
[[nodiscard]] Keeping keeping_of(const Packs& packs, std::string_view path, http::FieldView request);

/// Whether a response is what its path says: a page to log in with, of whoever is in between, is not.
[[nodiscard]] bool is_likely(Keeping keeping, int status, http::FieldView response);

/// What the origin, and the client, have said, as far as a pack leaves it in force. What does not change has no age:
/// only `no-cache` of a client sends for it again.
[[nodiscard]] ResponseDirectives under(Keeping keeping, ResponseDirectives said);
[[nodiscard]] RequestDirectives under(Keeping keeping, RequestDirectives asked);

/// vary_names(), and what a pack knows besides.
[[nodiscard]] std::optional<std::vector<std::string>> vary_names(http::FieldView response, Keeping keeping);

}  // namespace propeller::cache
