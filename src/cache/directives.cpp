#include "cache/directives.hpp"

#include <algorithm>

#include "http/syntax.hpp"

namespace propeller::cache {

using http::equals_ignoring_case;

namespace {

/// Calls `visit(name, argument)` for each directive of all Cache-Control fields; a quoted argument without its quotes.
void each_directive(http::FieldView fields, auto visit) {
  for (const auto& field : fields) {
    if (!equals_ignoring_case(field.name, "Cache-Control")) continue;
    std::string_view rest = field.value;
    while (const auto member = http::next_member(rest)) {
      const auto equals = std::min(member->find('='), member->size());
      auto argument = http::trim(member->substr(std::min(equals + 1, member->size())));
      if (argument.size() >= 2 && argument.starts_with('"') && argument.ends_with('"'))
        argument = argument.substr(1, argument.size() - 2);
      visit(http::trim(member->substr(0, equals)), argument);
    }
  }
}

seconds parse_seconds(std::string_view text) {
  const bool is_number = !text.empty() && std::ranges::all_of(text, [](char c) { return c >= '0' && c <= '9'; });
  if (!is_number) return seconds(0);
  constexpr auto kMax = static_cast<std::uint64_t>(kSecondsMax.count());
  return seconds(std::min(http::parse_decimal(text).value_or(kMax), kMax));
}

void keep_shorter(std::optional<seconds>& kept, std::string_view argument) {
  kept = std::min(kept.value_or(kSecondsMax), parse_seconds(argument));
}

}  // namespace

ResponseDirectives response_directives(http::FieldView fields) {
  ResponseDirectives said;
  each_directive(fields, [&](std::string_view name, std::string_view argument) {
    const auto is = [&](std::string_view other) { return equals_ignoring_case(name, other); };
    if (is("no-store")) said.no_store = true;
    if (is("no-cache")) said.no_cache = true;
    if (is("private")) said.is_private = true;
    if (is("public")) said.is_public = true;
    if (is("must-revalidate")) said.must_revalidate = true;
    if (is("proxy-revalidate")) said.proxy_revalidate = true;
    if (is("must-understand")) said.must_understand = true;
    if (is("max-age")) keep_shorter(said.max_age, argument);
    if (is("s-maxage")) keep_shorter(said.s_maxage, argument);
    if (is("stale-while-revalidate")) keep_shorter(said.stale_while_revalidate, argument);
    if (is("stale-if-error")) keep_shorter(said.stale_if_error, argument);
  });
  return said;
}

RequestDirectives request_directives(http::FieldView fields) {
  RequestDirectives said;
  if (!fields.contains("Cache-Control")) said.no_cache = fields.has_member("Pragma", "no-cache");
  each_directive(fields, [&](std::string_view name, std::string_view argument) {
    const auto is = [&](std::string_view other) { return equals_ignoring_case(name, other); };
    if (is("no-store")) said.no_store = true;
    if (is("no-cache")) said.no_cache = true;
    if (is("only-if-cached")) said.only_if_cached = true;
    if (is("max-age")) keep_shorter(said.max_age, argument);
    if (is("min-fresh")) said.min_fresh = std::max(said.min_fresh.value_or(seconds(0)), parse_seconds(argument));
    if (is("max-stale")) said.max_stale = argument.empty() ? kSecondsMax : parse_seconds(argument);
  });
  return said;
}

}  // namespace propeller::cache
