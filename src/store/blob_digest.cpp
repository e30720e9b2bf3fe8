#include "store/blob_digest.hpp"

#include <openssl/evp.h>

#include <algorithm>

#include "base/assert.hpp"

namespace propeller::store {

namespace {

constexpr std::string_view kHexDigits = "0123456789abcdef";

constexpr std::uint8_t kNoDigit = 0xff;

constexpr auto kDigitValues = [] {
  std::array<std::uint8_t, 256> values{};
  values.fill(kNoDigit);
  for (std::size_t value = 0; value < kHexDigits.size(); ++value)
    values[static_cast<unsigned char>(kHexDigits[value])] = static_cast<std::uint8_t>(value);
  return values;
}();

std::uint8_t digit_value(char digit) { return kDigitValues[static_cast<unsigned char>(digit)]; }

const EVP_MD* method_of(DigestAlgorithm algorithm) {
  return algorithm == DigestAlgorithm::sha256 ? EVP_sha256() : EVP_sha512();
}

}  // namespace

BlobDigest::BlobDigest(const base::Digest& digest) { std::ranges::copy(digest.bytes(), bytes_.begin()); }

Result<BlobDigest> BlobDigest::parse(std::string_view text) {
  const auto refuse = [] {
    return fail(Code::bad_reference, Origin::client,
                "a digest is sha256: and 64, or sha512: and 128 lower-case hex digits");
  };
  BlobDigest digest;
  if (text.starts_with("sha512:"))
    digest.algorithm_ = DigestAlgorithm::sha512;
  else if (!text.starts_with("sha256:"))
    return refuse();
  text.remove_prefix(7);
  if (text.size() != 2 * digest.byte_count()) return refuse();
  for (std::size_t i = 0; i < digest.byte_count(); ++i) {
    const auto high = digit_value(text[2 * i]);
    const auto low = digit_value(text[2 * i + 1]);
    if (high == kNoDigit || low == kNoDigit) return refuse();
    digest.bytes_[i] = static_cast<std::uint8_t>(high << 4 | low);
  }
  return digest;
}

std::optional<BlobDigest> BlobDigest::from_bytes(DigestAlgorithm algorithm, std::span<const std::uint8_t> bytes) {
  BlobDigest digest;
  if (algorithm != DigestAlgorithm::sha256 && algorithm != DigestAlgorithm::sha512) return std::nullopt;
  digest.algorithm_ = algorithm;
  if (bytes.size() != digest.byte_count()) return std::nullopt;
  std::ranges::copy(bytes, digest.bytes_.begin());
  return digest;
}

std::string BlobDigest::hex() const {
  std::string text;
  text.reserve(2 * byte_count());
  for (const std::uint8_t byte : bytes()) {
    text += kHexDigits[byte >> 4];
    text += kHexDigits[byte & 15];
  }
  return text;
}

std::string BlobDigest::to_string() const {
  return (algorithm_ == DigestAlgorithm::sha256 ? "sha256:" : "sha512:") + hex();
}

std::string BlobDigest::short_hex() const { return hex().substr(0, 12); }

std::uint64_t BlobDigest::prefix() const {
  std::uint64_t value = 0;
  for (std::size_t i = 0; i < sizeof value; ++i) value = value << 8 | bytes_[i];
  return value;
}

void BlobHash::Free::operator()(void* context) const { EVP_MD_CTX_free(static_cast<EVP_MD_CTX*>(context)); }

BlobHash::BlobHash(DigestAlgorithm algorithm) : algorithm_(algorithm), context_(EVP_MD_CTX_new()) {
  ASSERT(EVP_DigestInit_ex(static_cast<EVP_MD_CTX*>(context_.get()), method_of(algorithm), nullptr) == 1);
}

void BlobHash::update(std::string_view bytes) {
  ASSERT(EVP_DigestUpdate(static_cast<EVP_MD_CTX*>(context_.get()), bytes.data(), bytes.size()) == 1);
}

BlobDigest BlobHash::finish() {
  std::array<std::uint8_t, EVP_MAX_MD_SIZE> bytes{};
  unsigned count = 0;
  ASSERT(EVP_DigestFinal_ex(static_cast<EVP_MD_CTX*>(context_.get()), bytes.data(), &count) == 1);
  const auto digest = BlobDigest::from_bytes(algorithm_, std::span(bytes).first(count));
  ASSERT(digest.has_value());
  return *digest;
}

}  // namespace propeller::store
