#pragma once

#include <filesystem>
#include <fstream>
#include <iterator>
#include <span>
#include <string>

#include "base/random.hpp"

namespace propeller::device {

/// A directory of a test's own.
class Scratch {
 public:
  Scratch() : path_(std::filesystem::temp_directory_path() / ("propeller-device-" + base::random_hex(8))) {
    std::filesystem::create_directories(path_);
  }
  ~Scratch() { std::filesystem::remove_all(path_); }
  Scratch(const Scratch&) = delete;
  Scratch& operator=(const Scratch&) = delete;

  [[nodiscard]] std::filesystem::path operator/(std::string_view name) const { return path_ / name; }

 private:
  std::filesystem::path path_;
};

inline std::string content_of(const std::filesystem::path& file) {
  std::ifstream stream(file, std::ios::binary);
  return {std::istreambuf_iterator<char>(stream), {}};
}

inline std::span<const std::byte> bytes_of(std::string_view text) { return std::as_bytes(std::span(text)); }

/// Bytes without repetition over the length of any chunk.
inline std::string image_of(std::size_t size) {
  std::string image;
  for (unsigned i = 0; image.size() < size; ++i) image += std::to_string(i * 2654435761U);
  image.resize(size);
  return image;
}

}  // namespace propeller::device
