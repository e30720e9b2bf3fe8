#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "base/error.hpp"
#include "base/secret.hpp"

/// Who may use the API. Pure but for the token's file.
///
/// A page in a browser on this machine comes from loopback too. What gives it away is its Origin, its Sec-Fetch-Site,
/// or, after a name was bound to 127.0.0.1, its Host: with any of these a call needs the token, which no page has.
namespace propeller::admin {

/// A request as far as it decides.
struct ApiCall {
  bool is_from_loopback = false;
  std::string_view authority;  ///< of Host
  std::optional<std::string_view> origin;
  std::optional<std::string_view> fetch_site;  ///< Sec-Fetch-Site
  std::optional<std::string_view> authorization;
  std::optional<std::string_view> content_type;
  bool has_body = false;
};

struct ApiRefusal {
  int status = 0;  ///< 401 or 415
  std::string message;

  friend bool operator==(const ApiRefusal&, const ApiRefusal&) = default;
};

enum class ApiTrust { loopback, nobody };  ///< who needs no token

/// Nothing when the call may be served.
[[nodiscard]] std::optional<ApiRefusal> judge(const ApiCall& call, ApiTrust trust, const Secret& token);

/// "localhost", 127.0.0.0/8 or ::1, with or without a port.
[[nodiscard]] bool is_loopback_authority(std::string_view authority);

/// The token in the file, or a new one of 256 bits in a new file (0600; its directory is made).
/// Errors: io; bad_config when the file has less than kTokenBytesMin or more than kTokenBytesMax characters.
[[nodiscard]] Result<Secret> open_token(const std::string& file);
inline constexpr std::size_t kTokenBytesMin = 16;
inline constexpr std::size_t kTokenBytesMax = 1024;

}  // namespace propeller::admin
