#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "http/message.hpp"

namespace propeller::app {

/// One method of one path of the forward proxy's API, as its document tells of it.
struct ApiOperation {
  http::Method method = http::Method::get;
  std::string_view path;
  std::string_view summary;
  std::vector<std::string_view> parameters = {};  ///< names among the document's components
  std::string_view body = {};                     ///< a schema's name; empty: it takes none
  bool is_body_needed = true;
  std::string_view answer = "Done";  ///< a schema's name
  std::string_view answer_type = "application/json";
  std::vector<int> problems = {};  ///< besides those that every operation may have
};
[[nodiscard]] const std::vector<ApiOperation>& api_operations();

/// All of it as JSON. Source: OpenAPI 3.1.0
[[nodiscard]] std::string api_document(std::string_view version);

}  // namespace propeller::app
