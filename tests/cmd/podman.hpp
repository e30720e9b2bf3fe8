#pragma once

#include <algorithm>
#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

#include "support/environment.hpp"

namespace propeller::cmd {

/// Podman with its storage in a folder of its own; it pulls and runs nothing.
[[nodiscard]] inline std::vector<std::string> podman(const std::filesystem::path& folder,
                                                     const std::vector<std::string>& words) {
  std::vector<std::string> command{"podman",
                                   "--root",
                                   (folder / "root").string(),
                                   "--runroot",
                                   (folder / "run").string(),
                                   "--tmpdir",
                                   (folder / "tmp").string(),
                                   "--storage-driver",
                                   "vfs"};
  command.insert(command.end(), words.begin(), words.end());
  return command;
}

/// Whether a file of that name with those bytes is somewhere below, as in an unpacked layer.
[[nodiscard]] inline bool is_below(const std::filesystem::path& folder, std::string_view name, std::string_view bytes) {
  const std::filesystem::recursive_directory_iterator files(folder);
  return std::any_of(begin(files), end(files), [&](const std::filesystem::directory_entry& file) {
    return file.path().filename() == name && support::read_file(file.path()) == bytes;
  });
}

}  // namespace propeller::cmd
