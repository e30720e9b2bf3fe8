#pragma once

#include <map>
#include <optional>
#include <string>
#include <string_view>

#include "base/error.hpp"

/// What stands in a URL of the API. Pure.
namespace propeller::admin {

/// `%XX` is a byte; nothing when a percent sign is followed by something else, or the byte is a control.
[[nodiscard]] std::optional<std::string> decode_component(std::string_view text);

using ApiParameters = std::map<std::string, std::string, std::less<>>;
inline constexpr std::size_t kParametersMax = 16;

/// "a=1&b=two+words". Errors: bad_request: a name twice, more than kParametersMax, something that cannot be decoded.
[[nodiscard]] Result<ApiParameters> parse_api_query(std::string_view query);

}  // namespace propeller::admin
