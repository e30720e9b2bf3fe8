#include "base/base64.hpp"

#include <array>
#include <cstdint>

#include "base/assert.hpp"

#if defined(__x86_64__)
#include <immintrin.h>
#endif

namespace propeller::base {

namespace {

constexpr char kAlphabet[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
constexpr std::uint8_t kInvalid = 0xff;

constexpr std::array<std::uint8_t, 256> kValues = [] {
  std::array<std::uint8_t, 256> values{};
  values.fill(kInvalid);
  for (std::uint8_t i = 0; i < 64; ++i) values[static_cast<std::uint8_t>(kAlphabet[i])] = i;
  return values;
}();

/// How far an engine got; the scalar one finishes.
struct Progress {
  const std::uint8_t* in;
  const std::uint8_t* end;
  char* out;
  [[nodiscard]] std::size_t left() const { return static_cast<std::size_t>(end - in); }
};

char* encode_scalar(Progress at) {
  for (; at.left() >= 3; at.in += 3, at.out += 4) {
    const std::uint32_t bits = std::uint32_t{at.in[0]} << 16 | std::uint32_t{at.in[1]} << 8 | at.in[2];
    at.out[0] = kAlphabet[bits >> 18];
    at.out[1] = kAlphabet[bits >> 12 & 63];
    at.out[2] = kAlphabet[bits >> 6 & 63];
    at.out[3] = kAlphabet[bits & 63];
  }
  if (at.left() == 0) return at.out;
  const bool has_two = at.left() == 2;
  const std::uint32_t bits = std::uint32_t{at.in[0]} << 16 | (has_two ? std::uint32_t{at.in[1]} << 8 : 0);
  at.out[0] = kAlphabet[bits >> 18];
  at.out[1] = kAlphabet[bits >> 12 & 63];
  at.out[2] = has_two ? kAlphabet[bits >> 6 & 63] : '=';
  at.out[3] = '=';
  return at.out + 4;
}

#if defined(__x86_64__)

// The vector forms follow W. Muła and D. Lemire, "Faster Base64 Encoding and Decoding using AVX2 Instructions"
// (2018) and "Base64 encoding and decoding at almost the speed of a memory copy" (2020).

__attribute__((target("ssse3"))) Progress encode_ssse3(Progress at) {
  const __m128i spread = _mm_set_epi8(10, 11, 9, 10, 7, 8, 6, 7, 4, 5, 3, 4, 1, 2, 0, 1);
  const __m128i offsets = _mm_setr_epi8('a' - 26, '0' - 52, '0' - 52, '0' - 52, '0' - 52, '0' - 52, '0' - 52, '0' - 52,
                                        '0' - 52, '0' - 52, '0' - 52, '+' - 62, '/' - 63, 'A', 0, 0);
  for (; at.left() >= 16; at.in += 12, at.out += 16) {
    const __m128i in = _mm_shuffle_epi8(_mm_loadu_si128(reinterpret_cast<const __m128i*>(at.in)), spread);
    const __m128i high = _mm_mulhi_epu16(_mm_and_si128(in, _mm_set1_epi32(0x0fc0fc00)), _mm_set1_epi32(0x04000040));
    const __m128i low = _mm_mullo_epi16(_mm_and_si128(in, _mm_set1_epi32(0x003f03f0)), _mm_set1_epi32(0x01000010));
    const __m128i values = _mm_or_si128(high, low);
    const __m128i is_upper = _mm_cmpgt_epi8(_mm_set1_epi8(26), values);
    const __m128i group =
        _mm_or_si128(_mm_subs_epu8(values, _mm_set1_epi8(51)), _mm_and_si128(is_upper, _mm_set1_epi8(13)));
    _mm_storeu_si128(reinterpret_cast<__m128i*>(at.out), _mm_add_epi8(_mm_shuffle_epi8(offsets, group), values));
  }
  return at;
}

__attribute__((target("avx2"))) Progress encode_avx2(Progress at) {
  const __m256i spread = _mm256_set_epi8(10, 11, 9, 10, 7, 8, 6, 7, 4, 5, 3, 4, 1, 2, 0, 1,  //
                                         10, 11, 9, 10, 7, 8, 6, 7, 4, 5, 3, 4, 1, 2, 0, 1);
  const __m256i offsets =
      _mm256_broadcastsi128_si256(_mm_setr_epi8('a' - 26, '0' - 52, '0' - 52, '0' - 52, '0' - 52, '0' - 52, '0' - 52,
                                                '0' - 52, '0' - 52, '0' - 52, '0' - 52, '+' - 62, '/' - 63, 'A', 0, 0));
  for (; at.left() >= 28; at.in += 24, at.out += 32) {
    const __m128i first = _mm_loadu_si128(reinterpret_cast<const __m128i*>(at.in));
    const __m128i second = _mm_loadu_si128(reinterpret_cast<const __m128i*>(at.in + 12));
    const __m256i in = _mm256_shuffle_epi8(_mm256_set_m128i(second, first), spread);
    const __m256i high =
        _mm256_mulhi_epu16(_mm256_and_si256(in, _mm256_set1_epi32(0x0fc0fc00)), _mm256_set1_epi32(0x04000040));
    const __m256i low =
        _mm256_mullo_epi16(_mm256_and_si256(in, _mm256_set1_epi32(0x003f03f0)), _mm256_set1_epi32(0x01000010));
    const __m256i values = _mm256_or_si256(high, low);
    const __m256i is_upper = _mm256_cmpgt_epi8(_mm256_set1_epi8(26), values);
    const __m256i group = _mm256_or_si256(_mm256_subs_epu8(values, _mm256_set1_epi8(51)),
                                          _mm256_and_si256(is_upper, _mm256_set1_epi8(13)));
    _mm256_storeu_si256(reinterpret_cast<__m256i*>(at.out),
                        _mm256_add_epi8(_mm256_shuffle_epi8(offsets, group), values));
  }
  return at;
}

__attribute__((target("avx512f,avx512bw,avx512vbmi"))) Progress encode_avx512vbmi(Progress at) {
  const __m512i spread =
      _mm512_setr_epi32(0x01020001, 0x04050304, 0x07080607, 0x0a0b090a, 0x0d0e0c0d, 0x10110f10, 0x13141213, 0x16171516,
                        0x191a1819, 0x1c1d1b1c, 0x1f201e1f, 0x22232122, 0x25262425, 0x28292728, 0x2b2c2a2b, 0x2e2f2d2e);
  const __m512i shifts = _mm512_set1_epi64(0x3036242a1016040a);
  const __m512i alphabet = _mm512_loadu_si512(kAlphabet);
  constexpr __mmask64 kFirst48 = 0x0000ffffffffffff;
  for (; at.left() >= 48; at.in += 48, at.out += 64) {
    const __m512i in = _mm512_permutexvar_epi8(spread, _mm512_maskz_loadu_epi8(kFirst48, at.in));
    // permutexvar looks at the low six bits of an index only, so the neighbours' bits need not be masked off.
    _mm512_storeu_si512(at.out, _mm512_permutexvar_epi8(_mm512_multishift_epi64_epi8(shifts, in), alphabet));
  }
  return at;
}

#endif

Base64Engine fastest_engine() {
  for (const auto engine : {Base64Engine::avx512vbmi, Base64Engine::avx2, Base64Engine::ssse3}) {
    if (is_supported(engine)) return engine;
  }
  return Base64Engine::scalar;
}

}  // namespace

bool is_supported(Base64Engine engine) {
#if defined(__x86_64__)
  switch (engine) {
    case Base64Engine::scalar: return true;
    case Base64Engine::ssse3: return __builtin_cpu_supports("ssse3") != 0;
    case Base64Engine::avx2: return __builtin_cpu_supports("avx2") != 0;
    case Base64Engine::avx512vbmi:
      return __builtin_cpu_supports("avx512bw") != 0 && __builtin_cpu_supports("avx512vbmi") != 0;
  }
#endif
  return engine == Base64Engine::scalar;
}

char* base64_encode_with(Base64Engine engine, std::span<const std::byte> bytes, char* out) {
  const auto* in = reinterpret_cast<const std::uint8_t*>(bytes.data());
  Progress at{in, in + bytes.size(), out};
#if defined(__x86_64__)
  switch (engine) {
    case Base64Engine::scalar: break;
    case Base64Engine::ssse3: at = encode_ssse3(at); break;
    case Base64Engine::avx2: at = encode_avx2(at); break;
    case Base64Engine::avx512vbmi: at = encode_avx512vbmi(at); break;
  }
#else
  ASSERT(engine == Base64Engine::scalar);
#endif
  return encode_scalar(at);
}

char* base64_encode(std::span<const std::byte> bytes, char* out) {
  static const Base64Engine engine = fastest_engine();
  return base64_encode_with(engine, bytes, out);
}

std::string base64_encode(std::string_view bytes) {
  std::string text(base64_size(bytes.size()), '\0');
  base64_encode(std::as_bytes(std::span(bytes)), text.data());
  return text;
}

Result<std::string> base64_decode(std::string_view text) {
  const auto refuse = [](std::string_view why) { return fail(Code::bad_request, Origin::client, std::string(why)); };
  if (text.empty()) return std::string();
  if (text.size() % 4 != 0) return refuse("base64 text has to be padded to a multiple of four characters");
  const std::size_t padding = text.ends_with("==") ? 2 : text.ends_with('=') ? 1 : 0;
  const auto value = [&](std::size_t i) { return std::uint32_t{kValues[static_cast<std::uint8_t>(text[i])]}; };

  std::string bytes;
  bool is_valid = true;
  const std::size_t size = text.size() / 4 * 3 - padding;
  bytes.resize_and_overwrite(size, [&](char* out, std::size_t) {
    std::uint32_t seen = 0;
    const std::size_t whole = text.size() - (padding != 0 ? 4 : 0);
    for (std::size_t i = 0; i < whole; i += 4, out += 3) {
      const std::uint32_t a = value(i), b = value(i + 1), c = value(i + 2), d = value(i + 3);
      seen |= a | b | c | d;
      out[0] = static_cast<char>(a << 2 | b >> 4);
      out[1] = static_cast<char>(b << 4 | c >> 2);
      out[2] = static_cast<char>(c << 6 | d);
    }
    if (padding != 0) {
      const std::uint32_t a = value(whole), b = value(whole + 1), c = padding == 1 ? value(whole + 2) : 0;
      seen |= a | b | c;
      // Bits behind the last byte have to be zero, or two texts would mean the same bytes.
      is_valid = padding == 1 ? (c & 3) == 0 : (b & 15) == 0;
      out[0] = static_cast<char>(a << 2 | b >> 4);
      if (padding == 1) out[1] = static_cast<char>(b << 4 | c >> 2);
    }
    is_valid = is_valid && seen < 64;
    return size;
  });
  if (!is_valid) return refuse("not base64 of RFC 4648");
  return bytes;
}

}  // namespace propeller::base
