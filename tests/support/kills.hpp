#pragma once

#include <filesystem>

namespace propeller::support {

/// How often a test kills: `usually`, or what a drill says with PROPELLER_KILLS.
[[nodiscard]] int kill_count(int usually);

/// How many files of a directory of an OCI layout (blobs/sha256) are what their names say, and how many are not.
struct BlobCount {
  int right = 0, wrong = 0;
};
[[nodiscard]] BlobCount count_blobs(const std::filesystem::path& directory);

}  // namespace propeller::support
