#include "admin/api_query.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "http/syntax.hpp"

namespace propeller::admin {

namespace {

std::optional<std::string> decode_value(std::string_view text) {
  std::string with_blanks(text);
  std::ranges::replace(with_blanks, '+', ' ');
  return decode_component(with_blanks);
}

}  // namespace

std::optional<std::string> decode_component(std::string_view text) {
  constexpr unsigned char kFirstPrintable = 0x20;
  constexpr unsigned char kDelete = 0x7f;
  std::string plain;
  for (std::size_t i = 0; i < text.size(); ++i) {
    char c = text[i];
    if (c == '%') {
      const int high = i + 2 < text.size() ? http::hex_value(text[i + 1]) : -1;
      const int low = high >= 0 ? http::hex_value(text[i + 2]) : -1;
      if (low < 0) return std::nullopt;
      c = static_cast<char>(high * 16 + low);
      i += 2;
    }
    if (static_cast<unsigned char>(c) < kFirstPrintable || static_cast<unsigned char>(c) == kDelete)
      return std::nullopt;
    plain += c;
  }
  return plain;
}

Result<ApiParameters> parse_api_query(std::string_view query) {
  ApiParameters parameters;
  while (!query.empty()) {
    const auto end = std::min(query.find('&'), query.size());
    const auto one = query.substr(0, end);
    query.remove_prefix(std::min(end + 1, query.size()));
    if (one.empty()) continue;
    const auto equals = std::min(one.find('='), one.size());
    auto name = decode_value(one.substr(0, equals));
    auto value = decode_value(one.substr(std::min(equals + 1, one.size())));
    if (!name || !value) return fail(Code::bad_request, Origin::client, "the query has a wrong percent sign");
    if (parameters.size() == kParametersMax)
      return fail(Code::bad_request, Origin::client, "the query has too many parameters");
    if (!parameters.emplace(*name, std::move(*value)).second)
      return fail(Code::bad_request, Origin::client, fmt::format("'{}' is in the query twice", *name));
  }
  return parameters;
}

}  // namespace propeller::admin
