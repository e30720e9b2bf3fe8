#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "store/blob_digest.hpp"

/// What stands in the bucket, and under which names.
namespace propeller::tier {

/// What proxies tell each other about a key: that anybody may have what it names, and what that is.
struct Record {
  static constexpr std::size_t kKeyBytesMax = 8 * 1024;
  static constexpr std::size_t kTypeBytesMax = 256;
  static constexpr std::size_t kTextBytesMax = kKeyBytesMax + kTypeBytesMax + 256;

  std::string key;
  store::BlobDigest digest;  ///< a SHA-256
  std::uint64_t size = 0;
  std::string content_type;  ///< may be empty

  friend bool operator==(const Record&, const Record&) = default;
};

/// Nothing for a key that cannot be written down. A type that cannot is left out.
[[nodiscard]] std::optional<std::string> format_record(Record record);
/// Nothing for what format_record() does not write.
[[nodiscard]] std::optional<Record> parse_record(std::string_view text);

/// Names of objects, all of characters that neither a URL nor a signature encodes.
class ObjectNames {
 public:
  /// `prefix` without a slash at either end.
  explicit ObjectNames(std::string_view prefix) : prefix_(prefix.empty() ? "" : std::string(prefix) + "/") {}

  [[nodiscard]] std::string blob(const store::BlobDigest& digest) const;
  [[nodiscard]] std::string record(std::string_view key) const;
  /// Of an object that need not be there.
  [[nodiscard]] std::string probe() const { return prefix_ + "probe"; }

 private:
  std::string prefix_;
};

/// The first `<Code>` of an S3 error document; empty when there is none.
[[nodiscard]] std::string_view error_code(std::string_view document);

}  // namespace propeller::tier
