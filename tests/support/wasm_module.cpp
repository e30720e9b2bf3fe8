#include "support/wasm_module.hpp"

#include <cstring>
#include <stdexcept>

namespace propeller::support {
namespace {

constexpr std::string_view kHeader("\0asm\x01\0\0\0", 8);

// Unsigned LEB128, padded to `width` bytes as the format allows.
void append_leb(std::string& out, std::uint32_t value, int width) {
  for (int i = 0; i < width; ++i, value >>= 7) out += static_cast<char>((value & 0x7F) | (i + 1 < width ? 0x80 : 0));
}

}  // namespace

std::string random_bytes(std::size_t size, std::uint64_t seed) {
  std::string bytes(size, '\0');
  // splitmix64 (Steele, Lea, Flood 2014)
  for (std::size_t at = 0; at < size; at += 8) {
    seed += 0x9E3779B97F4A7C15;
    std::uint64_t value = seed;
    value = (value ^ (value >> 30)) * 0xBF58476D1CE4E5B9;
    value = (value ^ (value >> 27)) * 0x94D049BB133111EB;
    value ^= value >> 31;
    std::memcpy(bytes.data() + at, &value, std::min<std::size_t>(8, size - at));
  }
  return bytes;
}

std::string wasm_module(std::size_t size, std::uint64_t seed) {
  std::string module(kHeader);
  if (size == module.size()) return module;
  // Section id, its length in `width` bytes, the length of its (empty) name.
  const int width = size < 64 ? 1 : 5;
  const std::size_t overhead = module.size() + 1 + static_cast<std::size_t>(width) + 1;
  if (size < overhead || size > 0xFFFF'FFFF) throw std::runtime_error("no module has this size");
  const std::size_t padding = size - overhead;
  module.reserve(size);
  module += '\0';
  append_leb(module, static_cast<std::uint32_t>(padding + 1), width);
  module += '\0';
  module += random_bytes(padding, seed);
  return module;
}

}  // namespace propeller::support
