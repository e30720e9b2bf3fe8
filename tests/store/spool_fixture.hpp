#pragma once

#include <gtest/gtest.h>

#include <chrono>
#include <filesystem>
#include <fstream>
#include <span>
#include <string>

#include "base/random.hpp"
#include "store/spool.hpp"

namespace propeller::store {

namespace fs = std::filesystem;

inline std::span<const std::byte> bytes_of(std::string_view text) { return std::as_bytes(std::span(text)); }

/// A directory for a spool, and what was left there by processes before.
class SpoolTest : public ::testing::Test {
 protected:
  SpoolTest() : directory_(fs::temp_directory_path() / ("propeller-spool-" + base::random_hex(8))) {}
  ~SpoolTest() override { fs::remove_all(directory_); }

  fs::path blob_path(const Digest& digest) const { return directory_ / "blobs" / "sha256" / digest.hex(); }

  static Digest store_image(Spool& spool, std::string_view text) {
    const auto file = spool.create(text.size());
    EXPECT_TRUE(file) << file.error().detail;
    EXPECT_TRUE((*file)->append(bytes_of(text)));
    EXPECT_TRUE(spool.commit(*file, base::sha256(text)));
    return base::sha256(text);
  }

  static std::string text_of(const SpoolFile& file) {
    std::string text(file.written(), '\0');
    EXPECT_TRUE(file.read(0, std::as_writable_bytes(std::span(text))));
    return text;
  }

  // As after a crash of a machine or an older process: an image that no Spool of this process has seen.
  Digest leave_image(std::string_view text, std::chrono::seconds age, std::string_view content) const {
    const Digest digest = base::sha256(text);
    fs::create_directories(directory_ / "blobs" / "sha256");
    std::ofstream(blob_path(digest), std::ios::binary) << content;
    fs::last_write_time(blob_path(digest), fs::file_time_type::clock::now() - age);
    return digest;
  }

  fs::path directory_;
};

}  // namespace propeller::store
