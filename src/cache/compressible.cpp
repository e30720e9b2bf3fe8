#include "cache/compressible.hpp"

#include <algorithm>
#include <array>

#include "http/syntax.hpp"

namespace propeller::cache {

namespace {

/// "application/json" of "application/json; charset=utf-8"
std::string_view media_type(std::string_view content_type) {
  return http::trim(content_type.substr(0, content_type.find(';')));
}

}  // namespace

bool is_compressible(http::FieldView fields) {
  constexpr auto kTypes = std::to_array<std::string_view>(
      {"application/json", "application/javascript", "application/x-javascript", "application/ecmascript",
       "application/xml", "application/x-ndjson", "application/yaml", "application/toml"});
  constexpr std::string_view kText = "text/", kJson = "+json", kXml = "+xml";
  if (fields.contains("Content-Encoding")) return false;
  const auto type = media_type(fields.find("Content-Type").value_or(""));
  const auto ends_with = [&](std::string_view suffix) {
    return type.size() > suffix.size() && http::equals_ignoring_case(type.substr(type.size() - suffix.size()), suffix);
  };
  return http::equals_ignoring_case(type.substr(0, kText.size()), kText) || ends_with(kJson) || ends_with(kXml) ||
         std::ranges::any_of(kTypes, [&](auto known) { return http::equals_ignoring_case(type, known); });
}

}  // namespace propeller::cache
