#pragma once

#include <cstdint>
#include <string>

namespace propeller::support {

/// The smallest module with anything in it: a header and an empty custom section. 8 bytes (a bare header) is valid
/// too, 9 and 10 are not possible.
inline constexpr std::size_t kWasmBytesMin = 8;

/// A valid WebAssembly module of exactly `size` bytes: the header and a custom section of pseudo-random bytes, the
/// same for the same seed. Does not compress.
[[nodiscard]] std::string wasm_module(std::size_t size, std::uint64_t seed = 1);

/// Pseudo-random bytes, the same for the same seed.
[[nodiscard]] std::string random_bytes(std::size_t size, std::uint64_t seed);

}  // namespace propeller::support
