#include "base/random.hpp"

#include <sys/random.h>

#include <array>
#include <random>

#include "base/assert.hpp"

namespace propeller::base {

std::string random_hex(std::size_t bytes) {
  constexpr char kDigits[] = "0123456789abcdef";
  std::array<unsigned char, 32> raw;
  ASSERT(bytes <= raw.size());
  ASSERT(getrandom(raw.data(), bytes, 0) == static_cast<ssize_t>(bytes));
  std::string text;
  for (std::size_t i = 0; i < bytes; ++i) {
    text.push_back(kDigits[raw[i] >> 4]);
    text.push_back(kDigits[raw[i] & 15]);
  }
  return text;
}

double random_unit() {
  thread_local std::minstd_rand engine{std::random_device{}()};
  return std::uniform_real_distribution<double>(0.0, 1.0)(engine);
}

}  // namespace propeller::base
