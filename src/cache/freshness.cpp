#include "cache/freshness.hpp"

#include <algorithm>
#include <array>

#include "http/date.hpp"
#include "http/syntax.hpp"

namespace propeller::cache {

namespace {

constexpr seconds kGuessMax = std::chrono::days(1);

/// Statuses whose meaning does not pass with the moment. Source: RFC 9110 section 15.1
bool may_be_guessed(int status) {
  static constexpr std::array kStatuses{200, 203, 204, 206, 300, 301, 308, 404, 405, 410, 414, 501};
  return std::ranges::find(kStatuses, status) != kStatuses.end();
}

std::optional<sys_seconds> date_in(http::FieldView fields, std::string_view name, sys_seconds now) {
  const auto value = fields.find(name);
  return value ? http::parse_date(*value, now) : std::nullopt;
}

}  // namespace

Lifetime lifetime(int status, http::FieldView fields, const ResponseDirectives& said, sys_seconds received) {
  if (said.s_maxage) return {.length = *said.s_maxage, .is_explicit = true};
  if (said.max_age) return {.length = *said.max_age, .is_explicit = true};
  const auto date = date_in(fields, "Date", received).value_or(received);
  if (fields.contains("Expires")) {
    const auto expires = fields.count("Expires") == 1 ? date_in(fields, "Expires", received) : std::nullopt;
    const auto length = expires ? std::clamp(*expires - date, seconds(0), kSecondsMax) : seconds(0);
    return {.length = length, .is_explicit = true};
  }
  const auto modified = date_in(fields, "Last-Modified", received);
  if (!modified || (!may_be_guessed(status) && !said.is_public)) return {};
  return {.length = std::clamp((date - *modified) / 10, seconds(0), kGuessMax)};
}

seconds initial_age(http::FieldView fields, sys_seconds requested, sys_seconds received) {
  const auto date = date_in(fields, "Date", received).value_or(received);
  const auto apparent = std::max(received - date, seconds(0));
  auto list = fields.find("Age").value_or("");
  const auto text = http::next_member(list).value_or("");
  const bool is_number = !text.empty() && text.find_first_not_of("0123456789") == std::string_view::npos;
  if (!is_number) return std::min(apparent, kSecondsMax);
  constexpr auto kMax = static_cast<std::uint64_t>(kSecondsMax.count());
  const seconds said(std::min(http::parse_decimal(text).value_or(kMax), kMax));
  return std::clamp(said + (received - requested), std::min(apparent, kSecondsMax), kSecondsMax);
}

Verdict judge(const StoredResponse& stored, const RequestDirectives& all_asked, sys_seconds now, seconds length_max) {
  const bool is_in_pack = stored.keeping != Keeping::as_said;
  const auto asked = under(stored.keeping, all_asked);
  const auto said = under(stored.keeping, response_directives(stored.fields));
  const auto length = std::min(lifetime(stored.status, stored.fields, said, stored.received).length, length_max);
  Verdict verdict{.age = stored.initial_age + std::max(now - stored.received, seconds(0))};
  verdict.time_left = stored.keeping == Keeping::unchanging ? kSecondsMax : length - verdict.age;
  const bool is_bound =
      !is_in_pack && (said.must_revalidate || said.proxy_revalidate || said.no_cache || said.s_maxage);
  const auto staleness = -verdict.time_left;
  verdict.may_outlive_silence = !is_bound;
  verdict.may_outlive_errors = !is_bound && said.stale_if_error && staleness <= *said.stale_if_error;
  if (said.no_cache || asked.no_cache) return verdict;
  if (asked.max_age && verdict.age > *asked.max_age) return verdict;
  if (verdict.time_left > asked.min_fresh.value_or(seconds(0))) {
    verdict.use = Verdict::Use::fresh;
  } else if (!is_bound && asked.max_stale && staleness <= *asked.max_stale) {
    verdict.use = Verdict::Use::fresh;
  } else if (!is_bound && said.stale_while_revalidate && !asked.min_fresh &&
             staleness <= *said.stale_while_revalidate) {
    verdict.use = Verdict::Use::stale_at_once;
  }
  return verdict;
}

}  // namespace propeller::cache
