#include "forward/password.hpp"

#include <crypt.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>

#include <algorithm>
#include <array>
#include <cstdint>
#include <memory>
#include <span>

#include "base/assert.hpp"
#include "base/base64.hpp"

namespace propeller::forward {

namespace {

constexpr std::string_view kApr1 = "$apr1$";
constexpr std::string_view kSha = "{SHA}";
constexpr std::size_t kApr1SaltBytesMax = 8;
constexpr std::size_t kMd5Bytes = 16;
constexpr std::size_t kSha1Bytes = 20;

struct FreeContext {
  void operator()(EVP_MD_CTX* context) const { EVP_MD_CTX_free(context); }
};

template <std::size_t Bytes>
std::array<unsigned char, Bytes> hash_with(const EVP_MD* kind, std::initializer_list<std::string_view> parts) {
  const std::unique_ptr<EVP_MD_CTX, FreeContext> context(EVP_MD_CTX_new());
  ASSERT(context && EVP_DigestInit_ex(context.get(), kind, nullptr) == 1);
  for (const auto part : parts) ASSERT(EVP_DigestUpdate(context.get(), part.data(), part.size()) == 1);
  std::array<unsigned char, Bytes> out{};
  ASSERT(EVP_DigestFinal_ex(context.get(), out.data(), nullptr) == 1);
  return out;
}

using Md5 = std::array<unsigned char, kMd5Bytes>;

Md5 md5(std::initializer_list<std::string_view> parts) { return hash_with<kMd5Bytes>(EVP_md5(), parts); }

std::string_view text_of(const Md5& bytes, std::size_t count = kMd5Bytes) {
  return {reinterpret_cast<const char*>(bytes.data()), count};
}

/// Crypt's own base64: six bits at a time, the lowest first.
void append_bits(std::string& out, std::uint32_t bits, int characters) {
  constexpr std::string_view kDigits = "./0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
  for (; characters > 0; --characters, bits >>= 6) out += kDigits[bits & 0x3fU];
}

bool is_equal(std::string_view a, std::string_view b) {
  return a.size() == b.size() && CRYPTO_memcmp(a.data(), b.data(), a.size()) == 0;
}

std::string sha_hash(std::string_view password) {
  const auto bytes = hash_with<kSha1Bytes>(EVP_sha1(), {password});
  std::string out(base::base64_size(bytes.size()), '\0');
  base::base64_encode(std::as_bytes(std::span(bytes)), out.data());
  return std::string(kSha) + out;
}

bool is_crypt_hash(std::string_view hash) {
  static constexpr std::array<std::string_view, 6> kKinds{"$2a$", "$2b$", "$2y$", "$y$", "$5$", "$6$"};
  return std::ranges::any_of(kKinds, [&](std::string_view kind) { return hash.starts_with(kind); });
}

}  // namespace

std::string apr1_hash(std::string_view password, std::string_view salt) {
  constexpr int kRounds = 1000;
  salt = salt.substr(0, std::min(salt.find('$'), kApr1SaltBytesMax));
  const auto mixed = md5({password, salt, password});
  std::string first(password);
  first.append(kApr1).append(salt);
  for (std::size_t left = password.size(); left > 0; left -= std::min(left, kMd5Bytes))
    first.append(text_of(mixed, std::min(left, kMd5Bytes)));
  // The algorithm's own oddity: a zero byte or the first letter, by the bits of the length.
  for (std::size_t bits = password.size(); bits > 0; bits >>= 1) first += (bits & 1) != 0 ? '\0' : password.front();
  auto state = md5({first});
  for (int round = 0; round < kRounds; ++round) {
    const bool is_odd = round % 2 != 0;
    const Md5 before = state;
    state = md5({is_odd ? password : text_of(before), round % 3 != 0 ? salt : "", round % 7 != 0 ? password : "",
                 is_odd ? text_of(before) : password});
  }
  std::string out = std::string(kApr1).append(salt).append("$");
  static constexpr std::array<std::array<std::size_t, 3>, 5> kOrder{
      {{0, 6, 12}, {1, 7, 13}, {2, 8, 14}, {3, 9, 15}, {4, 10, 5}}};
  for (const auto& [high, middle, low] : kOrder) {
    append_bits(
        out,
        static_cast<std::uint32_t>(state[high]) << 16 | static_cast<std::uint32_t>(state[middle]) << 8 | state[low], 4);
  }
  append_bits(out, state[11], 2);
  return out;
}

bool is_password_hash(std::string_view hash) {
  constexpr std::size_t kShaTextBytes = base::base64_size(kSha1Bytes);
  if (hash.starts_with(kSha)) return hash.size() == kSha.size() + kShaTextBytes;
  if (hash.starts_with(kApr1)) return std::ranges::count(hash, '$') == 3 && hash.back() != '$';
  return is_crypt_hash(hash);
}

bool verify_password(const std::string& password, const std::string& hash) {
  // crypt() ends at a zero byte: "right\0anything" would be right.
  if (!is_password_hash(hash) || password.find('\0') != std::string::npos) return false;
  if (hash.starts_with(kSha)) return is_equal(sha_hash(password), hash);
  if (hash.starts_with(kApr1)) return is_equal(apr1_hash(password, std::string_view(hash).substr(kApr1.size())), hash);
  // 32 KiB: too much for the stack of a pool's thread to spare.
  const auto scratch = std::make_unique<crypt_data>();
  const char* made = crypt_r(password.c_str(), hash.c_str(), scratch.get());
  const bool is_right = made != nullptr && made[0] != '*' && is_equal(made, hash);
  OPENSSL_cleanse(scratch.get(), sizeof(crypt_data));
  return is_right;
}

}  // namespace propeller::forward
