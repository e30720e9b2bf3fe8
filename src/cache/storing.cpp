#include "cache/storing.hpp"

#include "cache/vary.hpp"

namespace propeller::cache {

namespace {

/// Those with a name of their own. `must-understand` is about them: who knows it passes over the `no-store` that is
/// there for others (RFC 9111 section 5.2.2.3).
bool is_understood(int status) { return !http::reason_phrase(status).empty(); }

bool has_validator(http::FieldView fields) { return fields.contains("ETag") || fields.contains("Last-Modified"); }

}  // namespace

bool may_store(const Exchange& exchange) {
  constexpr int kPartialContent = 206;
  constexpr int kNotModified = 304;
  if (exchange.method != http::Method::get || exchange.is_request_no_store) return false;
  if (exchange.status < 200 || exchange.status == kPartialContent || exchange.status == kNotModified) return false;
  const auto said = response_directives(exchange.fields);
  if (said.must_understand ? !is_understood(exchange.status) : said.no_store) return false;
  if (said.is_private) return false;
  if (!vary_names(exchange.fields)) return false;
  if (exchange.keeping != Keeping::as_said) return exchange.credentials == Credentials::none;
  const bool is_for_all = said.is_public || said.must_revalidate || said.s_maxage;
  if (exchange.credentials == Credentials::authorization && !is_for_all) return false;
  const auto life = lifetime(exchange.status, exchange.fields, said, exchange.received);
  if (life.is_explicit && life.length > seconds(0)) return true;
  const bool is_personal = exchange.credentials == Credentials::cookie || exchange.fields.contains("Set-Cookie");
  if (is_personal && !life.is_explicit) return false;
  // What is stale from the start is worth keeping when it can be checked with less than its bytes.
  return life.length > seconds(0) || (exchange.status == 200 && has_validator(exchange.fields));
}

}  // namespace propeller::cache
