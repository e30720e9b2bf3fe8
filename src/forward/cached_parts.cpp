#include "forward/cached_parts.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "forward/cache_answer.hpp"
#include "forward/cached_responses.hpp"
#include "forward/chained_body.hpp"
#include "forward/stored_body.hpp"

namespace propeller::forward {

namespace {

constexpr int kPartialContent = 206;

std::string prefix_of(const std::string& place) { return place + " part "; }

}  // namespace

std::optional<ContentRange> part_of(int status, http::FieldView fields, std::optional<std::uint64_t> length) {
  if (status != kPartialContent) return std::nullopt;
  const auto range = parse_content_range(fields.find("Content-Range").value_or(""));
  if (!range || length != range->last - range->first + 1) return std::nullopt;
  return range;
}

/// Newest first.
async::awaitable<std::vector<CachedParts::Part>> CachedParts::list() {
  std::vector<Part> parts;
  for (std::string after;;) {
    auto entries = co_await store_.list_entries(prefix_of(place_), after, kPartsMax);
    if (!entries || entries->empty()) break;
    after = entries->back().key;
    for (auto& entry : *entries) {
      auto fields = fields_of(entry.header_text);
      const auto range = part_of(entry.status, fields, entry.size);
      if (!range || !entry.digest) continue;
      std::string etag(strong_etag(fields));
      parts.push_back(
          {.entry = std::move(entry), .fields = std::move(fields), .range = *range, .etag = std::move(etag)});
    }
    if (entries->size() < kPartsMax) break;
  }
  std::ranges::sort(parts, std::greater(), [](const Part& part) { return part.entry.checked_at; });
  co_return parts;
}

async::awaitable<std::string> CachedParts::place_for(ContentRange range) {
  std::size_t kept = 1;
  for (const auto& part : co_await list()) {
    if (++kept > kPartsMax) (void)co_await store_.erase_entry(part.entry.key);
  }
  co_return fmt::format("{}{}-{}", prefix_of(place_), range.first, range.last);
}

async::awaitable<void> CachedParts::keep_only(std::string_view etag, std::optional<std::uint64_t> size) {
  for (const auto& part : co_await list()) {
    if (part.etag != etag || (size && part.range.size != *size)) (void)co_await store_.erase_entry(part.entry.key);
  }
}

/// Of the newest content that has all of it. What has no strong ETag is used alone.
std::optional<CachedParts::Chosen> CachedParts::choose(std::vector<Part> parts, const Question& question) {
  for (std::size_t newest = 0; newest < parts.size(); ++newest) {
    const auto is_of_same = [&](const Part& part) {
      return !part.etag.empty() && part.etag == parts[newest].etag && part.range.size == parts[newest].range.size;
    };
    const bool is_tried = std::ranges::any_of(std::span(parts).first(newest), is_of_same);
    if (is_tried || (!question.if_range.empty() && question.if_range != parts[newest].etag)) continue;
    if (auto chosen = choose_of(parts, newest, question)) return chosen;
  }
  return std::nullopt;
}

std::optional<CachedParts::Chosen> CachedParts::choose_of(std::vector<Part>& parts, std::size_t newest,
                                                          const Question& question) {
  const auto etag = parts[newest].etag;
  const auto size = parts[newest].range.size;
  const auto wanted = choose_range(question.range, size);
  if (wanted.kind != RangeChoice::Kind::part) return std::nullopt;
  std::vector<ContentRange> ranges;
  std::vector<Part*> usable;
  for (auto& part : std::span(parts).subspan(newest, etag.empty() ? 1 : parts.size() - newest)) {
    if (part.etag != etag || part.range.size != size) continue;
    ranges.push_back(part.range);
    usable.push_back(&part);
  }
  auto slices = cover(ranges, wanted.range);
  std::uint64_t found = 0;
  for (const auto& slice : slices) found += slice.range.count;
  if (found != wanted.range.count || slices.size() > kSlicesMax) return std::nullopt;
  Chosen chosen{.parts = {}, .slices = std::move(slices), .range = wanted.range};
  for (auto* part : usable) chosen.parts.push_back(std::move(*part));
  return chosen;
}

async::awaitable<std::unique_ptr<http::BodySource>> CachedParts::body_of_all(const Chosen& chosen) {
  ChainedBody::Links links;
  for (const auto& slice : chosen.slices) {
    const auto blob = co_await store_.find_blob(*chosen.parts[slice.part].entry.digest);
    if (!blob) co_return nullptr;
    links.push_back(body_of({.blob = blob}, slice.range));
  }
  if (links.size() == 1) co_return std::move(links.front());
  co_return std::make_unique<ChainedBody>(std::move(links));
}

cache::Verdict CachedParts::verdict_on(const Part& part, const Question& question) {
  const auto note = cache::parse_response_note(part.entry.note).value_or(cache::ResponseNote{});
  const cache::StoredResponse stored{.status = part.entry.status,
                                     .fields = part.fields,
                                     .initial_age = note.initial_age,
                                     .received = cache::sys_seconds(cache::seconds(part.entry.checked_at))};
  return cache::judge(stored, question.asked, wall_seconds(), question.ttl_max);
}

async::awaitable<std::optional<CachedParts::Found>> CachedParts::find(Question question) {
  auto parts = co_await list();
  for (auto& part : parts) part.verdict = verdict_on(part, question);
  std::erase_if(parts, [](const Part& part) { return part.verdict.use != cache::Verdict::Use::fresh; });
  auto chosen = choose(std::move(parts), question);
  if (!chosen) co_return std::nullopt;
  auto body = co_await body_of_all(*chosen);
  if (!body) co_return std::nullopt;
  auto& first = chosen->parts.front();
  Found found{.fields = std::move(first.fields),
              .body = std::move(body),
              .age = first.verdict.age,
              .time_left = first.verdict.time_left,
              .stored_at = first.entry.stored_at};
  for (const auto& slice : chosen->slices) {
    const auto& verdict = chosen->parts[slice.part].verdict;
    found.age = std::max(found.age, verdict.age);
    found.time_left = std::min(found.time_left, verdict.time_left);
  }
  found.fields.set("Content-Range", content_range(chosen->range, first.range.size));
  co_return found;
}

}  // namespace propeller::forward
