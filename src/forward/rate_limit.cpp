#include "forward/rate_limit.hpp"

#include "http/syntax.hpp"

namespace propeller::forward {

namespace {

/// "100;w=21600": the number, and the window where there is one.
std::optional<std::uint64_t> number_in(std::string_view text, std::uint64_t* window) {
  const auto end = std::min(text.find(';'), text.size());
  const auto rest = http::trim(text.substr(std::min(end + 1, text.size())));
  if (window != nullptr && rest.starts_with("w=")) *window = http::parse_decimal(rest.substr(2)).value_or(0);
  return http::parse_decimal(http::trim(text.substr(0, end)));
}

}  // namespace

std::optional<RateLimit> parse_rate_limit(http::FieldView fields) {
  RateLimit seen;
  const auto limit = number_in(fields.find("ratelimit-limit").value_or(""), &seen.window_seconds);
  const auto remaining = number_in(fields.find("ratelimit-remaining").value_or(""), nullptr);
  if (!limit || !remaining) return std::nullopt;
  seen.limit = *limit;
  seen.remaining = *remaining;
  seen.source = fields.find("docker-ratelimit-source").value_or("").substr(0, kRateLimitSourceBytesMax);
  return seen;
}

void SharedRateLimit::note(http::FieldView fields) {
  auto seen = parse_rate_limit(fields);
  if (!seen) return;
  const std::scoped_lock lock(mutex_);
  last_ = std::move(seen);
}

std::optional<RateLimit> SharedRateLimit::get() const {
  const std::scoped_lock lock(mutex_);
  return last_;
}

}  // namespace propeller::forward
