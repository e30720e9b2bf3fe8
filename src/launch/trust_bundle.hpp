#pragma once

#include <filesystem>
#include <span>

#include "base/error.hpp"

namespace propeller::launch {

inline constexpr std::string_view kBundleName = "bundle.crt";
inline constexpr std::size_t kAuthoritiesBytesMax = 16 * 1024 * 1024;  ///< of one file of the system's

struct Bundle {
  std::filesystem::path file;
  bool has_system_authorities = false;  ///< else it holds ours alone: no list of the system's was found
};

/// Where systems keep the list of authorities that they trust: Debian and Alpine, Fedora, SUSE, others.
[[nodiscard]] std::span<const std::filesystem::path> system_authority_files();

/// Makes bundle.crt in the directory of our authority, or brings it up to date: the first of `candidates` that is
/// there, and our ca.crt behind it. It is for programs that know one file of authorities, which replaces their own:
/// what is not intercepted goes on to be verified with it.
///
/// Errors: io: there is no ca.crt, or the directory cannot be written and what is there does not hold our certificate.
[[nodiscard]] Result<Bundle> keep_bundle(const std::filesystem::path& directory,
                                         std::span<const std::filesystem::path> candidates = system_authority_files());

}  // namespace propeller::launch
