#pragma once

#include <string_view>

#include "base/error.hpp"

namespace propeller::forward {

/// "https://example.org:8443" of a URL.
[[nodiscard]] std::string_view origin_of(std::string_view url);

/// Whether an origin's failure takes as long as somebody waits for it, and would the next time.
[[nodiscard]] bool is_silence(const Error& error);

}  // namespace propeller::forward
