#pragma once

#include <array>
#include <compare>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "base/digest.hpp"
#include "base/error.hpp"

namespace propeller::store {

enum class DigestAlgorithm : std::uint8_t { sha256 = 1, sha512 = 2 };

/// The name of a blob: a SHA-256 or a SHA-512 digest. Everything else the store refuses to know.
///
/// Source: OCI image-spec, descriptor.md, "Registered algorithms".
class BlobDigest {
 public:
  static constexpr std::size_t kBytesMax = 64;

  BlobDigest() = default;
  BlobDigest(const base::Digest& digest);  // NOLINT(google-explicit-constructor): a SHA-256 digest is a blob's name

  /// "sha256:" and 64, or "sha512:" and 128 lower-case hex digits. Errors: bad_reference.
  [[nodiscard]] static Result<BlobDigest> parse(std::string_view text);
  /// From bytes() of another; nullopt when the count does not fit the algorithm.
  [[nodiscard]] static std::optional<BlobDigest> from_bytes(DigestAlgorithm algorithm,
                                                            std::span<const std::uint8_t> bytes);

  [[nodiscard]] DigestAlgorithm algorithm() const { return algorithm_; }
  [[nodiscard]] std::span<const std::uint8_t> bytes() const { return std::span(bytes_).first(byte_count()); }
  [[nodiscard]] std::string hex() const;
  [[nodiscard]] std::string to_string() const;  ///< "sha256:" + hex()
  [[nodiscard]] std::string short_hex() const;  ///< the first 12 digits, for logs
  /// 64 bits of it, for hash tables; a digest needs no mixing.
  [[nodiscard]] std::uint64_t prefix() const;

  friend bool operator==(const BlobDigest&, const BlobDigest&) = default;
  friend auto operator<=>(const BlobDigest&, const BlobDigest&) = default;

 private:
  [[nodiscard]] std::size_t byte_count() const { return algorithm_ == DigestAlgorithm::sha256 ? 32 : 64; }

  DigestAlgorithm algorithm_ = DigestAlgorithm::sha256;
  std::array<std::uint8_t, kBytesMax> bytes_{};
};

/// Hashes bytes that come in pieces, by either algorithm. Threads: one at a time.
class BlobHash {
 public:
  explicit BlobHash(DigestAlgorithm algorithm = DigestAlgorithm::sha256);

  void update(std::string_view bytes);
  /// The digest of everything so far; nothing is to be added afterwards.
  [[nodiscard]] BlobDigest finish();

 private:
  struct Free {
    void operator()(void* context) const;
  };
  DigestAlgorithm algorithm_;
  std::unique_ptr<void, Free> context_;
};

}  // namespace propeller::store

template <>
struct std::hash<propeller::store::BlobDigest> {
  std::size_t operator()(const propeller::store::BlobDigest& digest) const noexcept { return digest.prefix(); }
};
