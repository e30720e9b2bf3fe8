// Cache-Control, Expires, Age, Date, Vary and the rest of what a cache decides by: whatever an origin says, ages and
// lifetimes stay within bounds, and what may not be kept is not.
#include <cstddef>
#include <cstdint>
#include <string_view>

#include "base/assert.hpp"
#include "cache/entry_note.hpp"
#include "cache/storing.hpp"
#include "cache/update.hpp"
#include "cache/vary.hpp"
#include "http/syntax.hpp"

namespace {

using namespace propeller;

/// "Name: value" on each line; a line that is none is left out.
http::Fields fields_of(std::string_view text) {
  http::Fields fields;
  while (!text.empty()) {
    const auto end = std::min(text.find('\n'), text.size());
    const auto line = text.substr(0, end);
    const auto colon = std::min(line.find(':'), line.size());
    const auto value = http::trim(line.substr(std::min(colon + 1, line.size())));
    if (http::is_token(line.substr(0, colon)) && http::is_field_value(value)) fields.add(line.substr(0, colon), value);
    text.remove_prefix(std::min(end + 1, text.size()));
  }
  return fields;
}

void check_ages(const http::Fields& fields, int status) {
  constexpr cache::sys_seconds kNow{std::chrono::seconds(1'800'000'000)};
  const auto said = cache::response_directives(fields);
  const auto life = cache::lifetime(status, fields, said, kNow);
  ASSERT(life.length >= cache::seconds(0) && life.length <= cache::kSecondsMax);
  const auto age = cache::initial_age(fields, kNow - cache::seconds(3), kNow);
  ASSERT(age >= cache::seconds(0) && age <= cache::kSecondsMax);
  const auto verdict = cache::judge({.status = status, .fields = fields, .initial_age = age, .received = kNow},
                                    cache::request_directives(fields), kNow + cache::seconds(10));
  if (verdict.use == cache::Verdict::Use::fresh) ASSERT(!said.no_cache);
  const bool is_kept = cache::may_store({.status = status, .fields = fields, .received = kNow});
  if (is_kept) ASSERT(!said.is_private && (!said.no_store || said.must_understand) && cache::vary_names(fields));
}

/// What a pack says is never more than may be kept, and bounded as the rest.
void check_packs(const http::Fields& fields, std::string_view path, const http::Fields& request) {
  constexpr cache::sys_seconds kNow{std::chrono::seconds(1'800'000'000)};
  const auto keeping = cache::keeping_of({.is_npm_on = true, .is_debian_on = true}, path, request);
  if (!cache::is_likely(keeping, 200, fields)) return;
  const auto said = cache::response_directives(fields);
  const auto names = cache::vary_names(fields, keeping);
  if (names) ASSERT(names->size() <= cache::kVaryNamesMax + 1);
  if (cache::may_store({.fields = fields, .received = kNow, .keeping = keeping}))
    ASSERT(names && !said.is_private && (!said.no_store || said.must_understand));
  ASSERT(!cache::may_store(
      {.credentials = cache::Credentials::authorization, .fields = fields, .received = kNow, .keeping = keeping}));
  const auto asked = cache::request_directives(request);
  const auto verdict = cache::judge({.fields = fields, .received = kNow, .keeping = keeping}, asked, kNow);
  ASSERT(verdict.may_outlive_silence && verdict.time_left <= cache::kSecondsMax);
  if (asked.no_cache) ASSERT(verdict.use == cache::Verdict::Use::after_checking);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  const auto half = std::min(text.find("\n\n"), text.size());
  const auto first = fields_of(text.substr(0, half));
  const auto second = fields_of(text.substr(half));
  for (const int status : {200, 404, 599}) check_ages(first, status);
  if (const auto names = cache::vary_names(first)) {
    ASSERT(names->size() <= cache::kVaryNamesMax && cache::split_names(cache::join_names(*names)) == *names);
    ASSERT(cache::variant_of(*names, second).size() == 64);
  }
  check_packs(first, text.substr(0, text.find('\n')), second);
  const auto updated = cache::freshened(first, second);
  ASSERT(updated.size() <= first.size() + second.size());
  if (const auto note = cache::parse_response_note(text))
    ASSERT(cache::parse_response_note(cache::to_text(*note)) == note);
  return 0;
}
