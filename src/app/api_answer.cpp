#include "app/api_answer.hpp"

#include <nlohmann/json.hpp>

namespace propeller::app {

admin::ApiAnswer answer_of(const nlohmann::json& value) {
  return {.body = value.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace) + "\n"};
}

}  // namespace propeller::app
