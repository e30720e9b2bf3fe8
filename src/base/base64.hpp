#pragma once

#include <cstddef>
#include <span>
#include <string>
#include <string_view>

#include "base/error.hpp"

/// Base64 with the standard alphabet and padding. Threads: any.
/// Source: RFC 4648 section 4.
namespace propeller::base {

/// Ways to encode; the processor decides at run time which of them there are.
enum class Base64Engine { scalar, ssse3, avx2, avx512vbmi };
inline constexpr Base64Engine kBase64Engines[] = {Base64Engine::scalar, Base64Engine::ssse3, Base64Engine::avx2,
                                                  Base64Engine::avx512vbmi};

[[nodiscard]] constexpr std::size_t base64_size(std::size_t bytes) { return (bytes + 2) / 3 * 4; }

/// Writes base64_size(bytes.size()) characters to `out` and returns their end. Takes the fastest engine.
char* base64_encode(std::span<const std::byte> bytes, char* out);
[[nodiscard]] std::string base64_encode(std::string_view bytes);

[[nodiscard]] bool is_supported(Base64Engine engine);
/// The same with one engine, which must be supported; all write the same text.
char* base64_encode_with(Base64Engine engine, std::span<const std::byte> bytes, char* out);

/// Errors: bad_request for anything that base64_encode would not have written: line breaks, missing padding, bits
/// set behind the last byte, other alphabets.
[[nodiscard]] Result<std::string> base64_decode(std::string_view text);

}  // namespace propeller::base
