// What callers of the cache's API may ask, in a query or as JSON: a filter that came of it is never an empty purge, and
// what it fits lies in its range.
#include <cstddef>
#include <cstdint>
#include <string_view>

#include "app/cache_questions.hpp"
#include "app/pull_work.hpp"
#include "base/assert.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace propeller;
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  const auto parameters = admin::parse_api_query(text);
  if (parameters) ASSERT(parameters->size() <= admin::kParametersMax);
  const auto question = app::parse_entries_question(text);
  if (question) ASSERT(question->count >= 1 && question->count <= forward::CacheListing::kItemsMax);
  static_cast<void>(app::parse_sweep(text));
  if (const auto pull = app::parse_pull(text)) ASSERT(!pull->reference.repository.empty() && !pull->os.empty());
  if (const auto filter = app::parse_purge(text)) ASSERT(!filter->is_empty());
  // As a key, and as what a key is looked for with.
  const auto half = text.find('\n');
  const auto key = std::string(text.substr(0, half));
  const auto facts = forward::facts_of_key(key);
  ASSERT(facts.host.size() <= key.size());
  const forward::EntryFilter filter{.key = half == std::string_view::npos ? "" : std::string(text.substr(half + 1))};
  if (filter.fits(store::Entry{.key = key})) ASSERT(key.starts_with(filter.range()));
  return 0;
}
