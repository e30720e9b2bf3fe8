#pragma once

#include <nlohmann/json_fwd.hpp>

#include "admin/api_server.hpp"

namespace propeller::app {

/// 200 with `value`: keys in alphabetical order, and a newline, as the existing proxies write it. What is not UTF-8,
/// as file names need not be, is replaced.
[[nodiscard]] admin::ApiAnswer answer_of(const nlohmann::json& value);

}  // namespace propeller::app
