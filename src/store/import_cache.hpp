#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "async/core.hpp"
#include "store/content_store.hpp"

namespace propeller::store {

/// The fixed part of a file of the old cache, and where its parts are.
struct OldHead {
  static constexpr std::size_t kFixedBytes = 16;
  static constexpr std::size_t kHeaderBytesMax = 1024 * 1024;

  std::int64_t stored_at = 0;
  std::uint64_t header_bytes = 0;
};

/// Pure. Nullopt: it is no such file (too short, a status that is none, a header block over kHeaderBytesMax).
/// Source: an old entry is status (4 bytes), time (8), length of the header block (4), all big-endian, then the header
/// block ("Name:value\n" a line) and the body. Beside it, `<name>.meta` is its key: host, port and path.
[[nodiscard]] std::optional<OldHead> parse_old_head(std::string_view bytes);
/// "Name:value\n" lines as the store's "Name: value\r\n", without cookies and what else was for one client or one
/// message; nullopt for a line that is no header field.
[[nodiscard]] std::optional<std::string> convert_old_headers(std::string_view text);
/// The digest that a key names: `sha256:<hex>`, or `/<64 hex digits>/` as in a registry's own storage.
[[nodiscard]] std::optional<BlobDigest> digest_in_key(std::string_view key);

/// What clients ask for by that key (`host[:port]/path`), without default ports. The old proxy did not say which scheme
/// it was: 443 is https, 80 or none is http, any other port may have been either.
[[nodiscard]] std::vector<std::string> urls_of_old_key(std::string_view key);

struct ImportCounts {
  std::size_t imported = 0;
  std::size_t present = 0;     ///< there already
  std::size_t damaged = 0;     ///< the digest in the key is not that of the body, or the file is no entry
  std::size_t undigested = 0;  ///< no digest in the key: nothing says that the body is right
  std::size_t not_wanted = 0;  ///< the caller's patterns leave it out
  std::size_t refused = 0;     ///< no room, or the disk refuses
  std::uint64_t bytes = 0;     ///< of what was imported
};

struct ImportOptions {
  std::filesystem::path directory;
  std::function<bool(std::string_view path)> is_wanted = {};  ///< by the path in the key; empty: everything
  /// Whether anybody may have what is in there. The old cache does not say who might: private content lies beside
  /// public.
  bool is_public = false;
};

/// Reads a cache directory of the old format into the store, once: bodies whose key names their digest are verified and
/// stored under it. Where all of it is public they get an entry for each of their URLs, too, and answer as they did;
/// else they wait for somebody who may have them (docs/adr/0005-who-gets-what-is-cached.md). The old files stay as they
/// are.
///
/// Bound: one file at a time, kImportPieceBytes of it in memory. Errors: io when the directory cannot be read; a file
/// that is wrong is counted, not an error.
[[nodiscard]] async::awaitable<Result<ImportCounts>> import_cache(ImportOptions options, ContentStore& store);

}  // namespace propeller::store
