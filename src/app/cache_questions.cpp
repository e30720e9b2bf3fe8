#include "app/cache_questions.hpp"

#include <fmt/format.h>

#include <charconv>
#include <initializer_list>
#include <nlohmann/json.hpp>
#include <utility>

namespace propeller::app {

using nlohmann::json;

namespace {

constexpr int kDepthMax = 1;

std::unexpected<Error> wrong(std::string text) { return fail(Code::bad_request, Origin::client, std::move(text)); }

Result<std::size_t> parse_limit(const std::string& text) {
  std::size_t limit = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), limit);
  if (error != std::errc{} || end != text.data() + text.size() || limit < 1 || limit > forward::CacheListing::kItemsMax)
    return wrong(fmt::format("limit is a number from 1 to {}", forward::CacheListing::kItemsMax));
  return limit;
}

Result<void> set_field(forward::EntryFilter& filter, std::string_view name, const std::string& value) {
  if (value.empty()) return wrong(fmt::format("{} is empty", name));
  if (name == "key") {
    filter.key = value;
  } else if (name == "prefix") {
    filter.prefix = value;
  } else if (name == "host") {
    filter.host = value;
  } else if (name == "repository") {
    filter.repository = value;
  } else if (name == "digest") {
    const auto digest = store::BlobDigest::parse(value);
    if (!digest) return wrong("digest is sha256: and 64 hex digits, or sha512: and 128");
    filter.digest = *digest;
  } else if (name == "kind") {
    filter.kind = forward::parse_entry_kind(value);
    if (!filter.kind) return wrong("kind is digest, http or tag");
  } else {
    return wrong("there is no such filter: key, prefix, host, repository, digest and kind are");
  }
  return {};
}

/// A flat object; nothing for everything else.
std::optional<json> parse_flat(std::string_view document) {
  bool is_flat = true;
  const auto watch = [&](int depth, json::parse_event_t, json&) { return is_flat = is_flat && depth <= kDepthMax; };
  try {
    auto value = json::parse(document, watch);
    if (is_flat && value.is_object()) return value;
  } catch (const json::exception&) {
    return std::nullopt;
  }
  return std::nullopt;
}

}  // namespace

Result<EntriesQuestion> parse_entries_question(std::string_view query) {
  auto parameters = admin::parse_api_query(query);
  if (!parameters) return std::unexpected(parameters.error());
  EntriesQuestion question;
  for (const auto& [name, value] : *parameters) {
    if (name == "limit") {
      const auto limit = parse_limit(value);
      if (!limit) return std::unexpected(limit.error());
      question.count = *limit;
    } else if (name == "cursor") {
      question.cursor = value;
    } else if (auto set = set_field(question.filter, name, value); !set) {
      return std::unexpected(set.error());
    }
  }
  return question;
}

Result<forward::EntryFilter> parse_purge(std::string_view document) {
  const auto value = parse_flat(document);
  if (!value) return wrong("the body has to be an object such as {\"prefix\":\"https://example.org/\"}");
  forward::EntryFilter filter;
  for (const auto& [name, text] : value->items()) {
    if (!text.is_string()) return wrong(fmt::format("{} has to be a string", name));
    if (auto set = set_field(filter, name, text.get<std::string>()); !set) return std::unexpected(set.error());
  }
  if (filter.is_empty()) return wrong("one of key, prefix, repository and host is needed");
  return filter;
}

Result<SweepQuestion> parse_sweep(std::string_view document) {
  if (document.empty()) return SweepQuestion{};
  const auto value = parse_flat(document);
  if (!value) return wrong("the body has to be an object such as {\"unnamed\":true}");
  SweepQuestion question;
  for (const auto& [name, flag] : value->items()) {
    if (name != "unnamed" || !flag.is_boolean()) return wrong("only unnamed is known, which is true or false");
    question.takes_unnamed = flag.get<bool>();
  }
  return question;
}

}  // namespace propeller::app
