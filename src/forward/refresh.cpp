#include "forward/refresh.hpp"

#include "cache/compressible.hpp"
#include "cache/storing.hpp"
#include "cache/vary.hpp"
#include "forward/cache_answer.hpp"
#include "forward/cache_matcher.hpp"
#include "forward/cached_parts.hpp"
#include "forward/forwarder.hpp"
#include "http/date.hpp"

namespace propeller::forward {

namespace {

constexpr int kOk = 200;
constexpr int kPartialContent = 206;
constexpr int kNotModified = 304;

/// Who keeps a response without a Date writes down when it came (RFC 9110 section 6.6.1).
void add_date(http::Fields& fields, cache::sys_seconds now) {
  std::array<char, http::kDateBytes> text{};
  http::write_date(now, text);
  fields.add("Date", {text.data(), text.size()});
}

bool is_fresh(const http::ClientResponse& response, cache::sys_seconds received) {
  const cache::StoredResponse arrived{.status = response.status,
                                      .fields = response.fields,
                                      .initial_age = cache::initial_age(response.fields, received, received),
                                      .received = received};
  return cache::judge(arrived, {}, received).use == cache::Verdict::Use::fresh;
}

}  // namespace

bool Refresh::may_be_kept(const http::ClientResponse& response, cache::Keeping keeping,
                          cache::sys_seconds received) const {
  const bool is_part = part_of(response.status, response.fields, response.body->length()).has_value();
  // A whole that comes for a part has a flight of its own, which others ask for: each would keep it anew.
  if (question_.may_be_part != is_part) return false;
  // A part is kept where its whole would be, but is never checked: it has to be fresh.
  if (is_part && !is_fresh(response, received)) return false;
  return cache::may_store({.method = http::Method::get,
                           .credentials = question_.origin->credentials(),
                           .is_request_no_store = question_.is_request_no_store,
                           .status = is_part ? kOk : response.status,
                           .fields = response.fields,
                           .received = received,
                           .keeping = keeping}) &&
         !has_doubtful_end(response);
}

store::BlobHead Refresh::head_of(const http::ClientResponse& response, const cache::ResponseNote& note,
                                 cache::sys_seconds received) const {
  http::Fields fields(response.fields);
  // Of everybody's content nobody gets another one's cookie.
  if (note.is_by_pack) fields.remove("Set-Cookie");
  return {.status = response.status,
          .header_text = kept_header_text(fields, CacheRules::http),
          .length = response.body->length(),
          // The rest of a part that breaks off is asked for by nobody.
          .validator = std::string(response.status == kPartialContent ? "" : strong_etag(response.fields)),
          .note = cache::to_text(note),
          .received_at = received.time_since_epoch().count()};
}

async::awaitable<std::string> Refresh::place_of(const http::ClientResponse& response,
                                                const std::vector<std::string>& vary_names) {
  auto whole = co_await CachedResponses(parts_.store).place(question_.url, vary_names, question_.origin->fields());
  const auto part = part_of(response.status, response.fields, response.body->length());
  if (!part) co_return whole;
  co_return co_await CachedParts(parts_.store, std::move(whole)).place_for(*part);
}

/// Of a content that is no more, as an answer that may be kept or not says.
async::awaitable<void> Refresh::drop_other_parts(const http::ClientResponse& response) {
  constexpr int kNotFound = 404, kGone = 410;
  CachedParts parts(parts_.store, question_.place);
  if (response.status == kNotFound || response.status == kGone) {
    co_await parts.keep_only("", 0);
  } else if (response.status == kOk) {
    co_await parts.keep_only(strong_etag(response.fields), response.body->length());
  } else if (response.status == kPartialContent) {
    const auto part = parse_content_range(response.fields.find("Content-Range").value_or(""));
    co_await parts.keep_only(strong_etag(response.fields), part ? std::optional(part->size) : std::nullopt);
  }
}

async::awaitable<Result<Refresh::Outcome>> Refresh::run(std::unique_ptr<store::BlobWriter> writer,
                                                        http::InformationalSink* informational) {
  const auto requested = wall_seconds();
  auto& stored = question_.stored;
  auto received = stored ? co_await question_.origin->ask_again(stored->fields, informational)
                         : co_await question_.origin->ask(informational);
  if (!received) {
    writer->fail(received.error());
    co_return std::unexpected(received.error());
  }
  if (stored && received->status == kNotModified) {
    auto confirmed = co_await CachedResponses(parts_.store)
                         .confirm(std::move(*stored), {.fields = received->fields,
                                                       .requested = requested,
                                                       .credentials = question_.origin->credentials(),
                                                       .keeping = question_.keeping});
    writer->decline();
    co_return Outcome(Confirmed{std::move(confirmed)});
  }
  const auto now = wall_seconds();
  if (!received->fields.contains("Date")) add_date(received->fields, now);
  co_await drop_other_parts(*received);
  store::BlobHead head;
  std::optional<std::string> key;
  const bool is_by_pack = cache::is_likely(question_.keeping, received->status, received->fields);
  const auto keeping = is_by_pack ? question_.keeping : cache::Keeping::as_said;
  // In the place of what a pack keeps comes only what it knows: not the page or the redirect of whoever is in between.
  const bool is_in_place = !stored || !stored->note.is_by_pack || is_by_pack;
  if (is_in_place && may_be_kept(*received, keeping, now)) {
    const auto names = cache::vary_names(received->fields, keeping).value_or(std::vector<std::string>());
    const cache::ResponseNote note{.initial_age = cache::initial_age(received->fields, requested, now),
                                   .variant = cache::variant_of(names, question_.origin->fields()),
                                   .is_by_pack = is_by_pack};
    head = head_of(*received, note, now);
    if (head.header_text.size() <= store::Entry::kTextBytesMax) key = co_await place_of(*received, names);
  }
  if (!key) {
    // A success takes the place of what was there, kept or not; an error does not.
    const bool is_superseded = stored && is_in_place && received->status < 400;
    if (is_superseded) co_await CachedResponses(parts_.store).forget(question_.url);
    writer->decline();
    co_return Outcome(Passed{relayed(std::move(*received), parts_.name)});
  }
  auto response = relayed(std::move(*received), parts_.name);
  parts_.fills.spawn({.origin = question_.origin,
                      .key = *key,
                      .writer = std::move(writer),
                      .url = question_.url,
                      .generation = question_.generation,
                      .is_text_compressed = question_.is_text_compressed && response.status == kOk &&
                                            cache::is_compressible(response.fields),
                      .head = std::move(head),
                      .body = std::move(response.body)});
  co_return Outcome(Begun{.status = response.status, .fields = std::move(response.fields)});
}

}  // namespace propeller::forward
