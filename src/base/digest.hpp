#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>

#include "base/error.hpp"

namespace propeller::base {

/// The SHA-256 name of some bytes, as in `sha256:<64 lower-case hex digits>` (OCI image-spec, descriptor.md).
class Digest {
 public:
  static constexpr std::size_t kBytes = 32;

  Digest() = default;
  explicit Digest(const std::array<std::uint8_t, kBytes>& bytes) : bytes_(bytes) {}

  /// Accepts `sha256:` and 64 hex digits, lower case only as the specification says. Errors: bad_reference.
  [[nodiscard]] static Result<Digest> parse(std::string_view text);

  [[nodiscard]] std::string hex() const;        ///< 64 digits
  [[nodiscard]] std::string to_string() const;  ///< "sha256:" + hex()
  [[nodiscard]] std::string short_hex() const;  ///< the first 12 digits, for logs
  [[nodiscard]] const std::array<std::uint8_t, kBytes>& bytes() const { return bytes_; }

  friend bool operator==(const Digest&, const Digest&) = default;
  friend auto operator<=>(const Digest&, const Digest&) = default;

 private:
  std::array<std::uint8_t, kBytes> bytes_{};
};

/// SHA-256 over bytes that come in pieces. Threads: one at a time.
class Sha256 {
 public:
  Sha256();
  ~Sha256();
  Sha256(Sha256&&) noexcept;
  Sha256& operator=(Sha256&&) noexcept;

  void update(std::span<const std::byte> bytes);
  void update(std::string_view bytes) { update(std::as_bytes(std::span(bytes))); }

  /// The digest of everything so far; the object starts anew afterwards.
  [[nodiscard]] Digest finish();

 private:
  struct Free {
    void operator()(void* context) const;
  };
  std::unique_ptr<void, Free> context_;
};

[[nodiscard]] Digest sha256(std::string_view bytes);

}  // namespace propeller::base

template <>
struct std::hash<propeller::base::Digest> {
  std::size_t operator()(const propeller::base::Digest& digest) const noexcept {
    std::size_t value = 0;
    for (std::size_t i = 0; i < sizeof value; ++i) value = value << 8 | digest.bytes()[i];
    return value;
  }
};

namespace propeller {
using base::Digest;
}
