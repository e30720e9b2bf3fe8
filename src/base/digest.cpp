#include "base/digest.hpp"

#include <openssl/evp.h>

#include "base/assert.hpp"

namespace propeller::base {

namespace {

constexpr std::string_view kPrefix = "sha256:";

int hex_value(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  return -1;
}

// Fetched once: EVP_sha256() looks the algorithm up at every init in OpenSSL 3.
const EVP_MD* algorithm() {
  static const EVP_MD* const md = EVP_MD_fetch(nullptr, "SHA256", nullptr);
  ASSERT(md != nullptr);
  return md;
}

EVP_MD_CTX* as_context(void* pointer) { return static_cast<EVP_MD_CTX*>(pointer); }

}  // namespace

Result<Digest> Digest::parse(std::string_view text) {
  const auto wrong = [&] {
    return fail(Code::bad_reference, Origin::client,
                "a digest is 'sha256:' and 64 lower-case hex digits, got '" + std::string(text.substr(0, 80)) + "'");
  };
  if (!text.starts_with(kPrefix) || text.size() != kPrefix.size() + 2 * kBytes) return wrong();
  text.remove_prefix(kPrefix.size());
  std::array<std::uint8_t, kBytes> bytes;
  for (std::size_t i = 0; i < kBytes; ++i) {
    const int high = hex_value(text[2 * i]);
    const int low = hex_value(text[2 * i + 1]);
    if (high < 0 || low < 0)
      return fail(Code::bad_reference, Origin::client, "a digest has lower-case hex digits only");
    bytes[i] = static_cast<std::uint8_t>(high << 4 | low);
  }
  return Digest(bytes);
}

std::string Digest::hex() const {
  constexpr char kDigits[] = "0123456789abcdef";
  std::string text;
  text.reserve(2 * kBytes);
  for (const auto byte : bytes_) {
    text.push_back(kDigits[byte >> 4]);
    text.push_back(kDigits[byte & 15]);
  }
  return text;
}

std::string Digest::to_string() const { return std::string(kPrefix) + hex(); }

std::string Digest::short_hex() const { return hex().substr(0, 12); }

Sha256::Sha256() : context_(EVP_MD_CTX_new()) {
  ASSERT(context_ != nullptr);
  ASSERT(EVP_DigestInit_ex(as_context(context_.get()), algorithm(), nullptr) == 1);
}
Sha256::~Sha256() = default;
Sha256::Sha256(Sha256&&) noexcept = default;
Sha256& Sha256::operator=(Sha256&&) noexcept = default;

void Sha256::Free::operator()(void* context) const { EVP_MD_CTX_free(as_context(context)); }

void Sha256::update(std::span<const std::byte> bytes) {
  ASSERT(EVP_DigestUpdate(as_context(context_.get()), bytes.data(), bytes.size()) == 1);
}

Digest Sha256::finish() {
  std::array<std::uint8_t, Digest::kBytes> bytes;
  ASSERT(EVP_DigestFinal_ex(as_context(context_.get()), bytes.data(), nullptr) == 1);
  ASSERT(EVP_DigestInit_ex(as_context(context_.get()), algorithm(), nullptr) == 1);
  return Digest(bytes);
}

Digest sha256(std::string_view bytes) {
  Sha256 hash;
  hash.update(bytes);
  return hash.finish();
}

}  // namespace propeller::base
