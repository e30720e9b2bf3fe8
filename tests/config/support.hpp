#pragma once

#include <unistd.h>

#include <atomic>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <string>

#include "config/loader.hpp"

namespace propeller::config {

/// A directory of the test's own, gone afterwards.
class TemporaryDirectory {
 public:
  TemporaryDirectory() {
    std::string pattern = (std::filesystem::temp_directory_path() / "propeller-config-XXXXXX").string();
    path_ = mkdtemp(pattern.data());
  }
  ~TemporaryDirectory() {
    std::error_code ignored;
    std::filesystem::remove_all(path_, ignored);
  }
  TemporaryDirectory(const TemporaryDirectory&) = delete;
  TemporaryDirectory& operator=(const TemporaryDirectory&) = delete;

  [[nodiscard]] const std::filesystem::path& path() const { return path_; }
  std::filesystem::path write(const std::string& name, const std::string& text) const {
    std::filesystem::create_directories((path_ / name).parent_path());
    std::ofstream(path_ / name) << text;
    return path_ / name;
  }

 private:
  std::filesystem::path path_;
};

/// What every complete configuration has.
inline Environment complete() {
  return {{"HOME", "/nonexistent"},
          {"PROXY_PROPLET_ID", "p1"},
          {"PROXY_PROPLET_KEY", "k-secret"},
          {"PROXY_CHANNEL_ID", "c1"}};
}

inline Loaded load_complete_with(const Environment& more, const Flags& flags = {}) {
  Environment all = more;
  all.merge(complete());
  return load(all, flags, Host{.is_root = false, .working_directory = "/nonexistent"});
}

}  // namespace propeller::config
