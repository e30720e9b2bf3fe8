#include "registry/json.hpp"

#include <nlohmann/json.hpp>
#include <string>

namespace propeller::registry {

namespace {

// Counts before anything is built: what the parser makes of "[[[[…" or "[0,0,0,…" is many times the text.
bool is_within_limits(std::string_view text) {
  std::size_t depth = 0;
  std::size_t values = 0;
  bool is_in_string = false;
  for (std::size_t i = 0; i < text.size(); ++i) {
    const char c = text[i];
    if (is_in_string) {
      if (c == '\\') ++i;
      if (c == '"') is_in_string = false;
    } else if (c == '"') {
      is_in_string = true;
    } else if (c == '[' || c == '{') {
      if (++depth > kJsonDepthMax || ++values > kJsonValuesMax) return false;
    } else if (c == ']' || c == '}') {
      if (depth > 0) --depth;
    } else if (c == ',') {
      if (++values > kJsonValuesMax) return false;
    }
  }
  return true;
}

}  // namespace

Result<nlohmann::json> parse_json(std::string_view text, Code code, std::string_view what) {
  if (!is_within_limits(text))
    return fail(code, Origin::upstream, std::string(what) + " is nested too deeply or has too many values");
  auto value = nlohmann::json::parse(text, nullptr, false);
  if (value.is_discarded() || !value.is_object())
    return fail(code, Origin::upstream, std::string(what) + " is not a JSON object");
  return value;
}

std::string_view string_at(const nlohmann::json& object, const char* key) {
  const auto found = object.find(key);
  if (found == object.end() || !found->is_string()) return {};
  return found->get_ref<const std::string&>();
}

}  // namespace propeller::registry
