#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "store/blob_digest.hpp"

namespace propeller::store {

/// What is remembered under a key: a stored HTTP response, say, whose body is a blob.
///
/// The store reads `key`, `digest` and the times; the rest is the caller's and comes back as it was put.
/// Bound: kKeyBytesMax, kTextBytesMax; a larger entry is refused.
struct Entry {
  static constexpr std::size_t kKeyBytesMax = 8 * 1024;
  static constexpr std::size_t kTextBytesMax = 64 * 1024;  ///< of header_text and of note

  std::string key;
  std::optional<BlobDigest> digest;  ///< absent: there is no body. The entry goes when its blob goes
  std::uint64_t size = 0;            ///< of the body
  int status = 200;
  std::string header_text;      ///< "Name: value\r\n" and so on
  std::string note;             ///< the caller's own: freshness, Vary, …
  std::int64_t stored_at = 0;   ///< Unix seconds
  std::int64_t checked_at = 0;  ///< last found to be still right
  std::int64_t expires_at = 0;

  friend bool operator==(const Entry&, const Entry&) = default;
};

}  // namespace propeller::store
