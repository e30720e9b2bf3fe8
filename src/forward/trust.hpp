#pragma once

#include <filesystem>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "base/error.hpp"
#include "forward/program.hpp"

/// Makes the programs of a machine trust the proxy's authority, and takes it back: `trust install|remove|status`.
///
/// Nothing counts as installed that was not found in the store afterwards.
/// Source: forward-proxy reference, 1.8
namespace propeller::forward {

/// Where things are; tests have a tree of their own.
struct TrustPlaces {
  std::filesystem::path root = "/";
  bool has_system = true;                       ///< the system's bundle and key stores are meant too
  std::filesystem::path home;                   ///< of whom the NSS database belongs to; empty: none
  std::filesystem::path java_home;              ///< empty: only the system's key stores
  std::vector<std::filesystem::path> programs;  ///< the directories of PATH
  std::function<ProgramResult(const std::vector<std::string>& arguments)> run;
};

enum class TrustState {
  trusted,
  not_trusted,
  other_certificate,  ///< under our name, but not ours: an authority that was made before
  failed,             ///< the tool is there, and did not do it
};

struct TrustResult {
  std::string store;  ///< "system (Debian, Alpine)", "system (Fedora)", "NSS", "Java (path)"
  TrustState state = TrustState::not_trusted;
  std::string detail;  ///< for people: the tool's words, or where it was found

  friend bool operator==(const TrustResult&, const TrustResult&) = default;
};

inline constexpr std::string_view kTrustName = "propeller-proxy-ca";

/// One result for each store that this machine has; none when it has none. `certificate` is the authority's ca.crt.
/// Errors: bad_config, when that is no readable certificate. Blocking: runs programs.
[[nodiscard]] Result<std::vector<TrustResult>> install_trust(const TrustPlaces& places,
                                                             const std::filesystem::path& certificate);
/// Stores that do not have it are not_trusted, which is what was wanted.
[[nodiscard]] Result<std::vector<TrustResult>> remove_trust(const TrustPlaces& places,
                                                            const std::filesystem::path& certificate);
[[nodiscard]] Result<std::vector<TrustResult>> trust_status(const TrustPlaces& places,
                                                            const std::filesystem::path& certificate);

[[nodiscard]] std::string_view to_string(TrustState state);

/// The base64 between the marker lines of each certificate in a PEM text, without line breaks.
[[nodiscard]] std::vector<std::string> certificates_in(std::string_view pem);

}  // namespace propeller::forward
