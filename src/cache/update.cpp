#include "cache/update.hpp"

#include <algorithm>
#include <array>

#include "http/syntax.hpp"

namespace propeller::cache {

namespace {

bool describes_bytes(std::string_view name) {
  static constexpr std::array<std::string_view, 5> kNames{"ETag", "Content-Length", "Content-Encoding", "Content-Range",
                                                          "Content-MD5"};
  return std::ranges::any_of(kNames, [&](auto other) { return http::equals_ignoring_case(name, other); });
}

}  // namespace

http::Fields freshened(http::FieldView stored, http::FieldView not_modified) {
  const auto is_replaced = [&](std::string_view name) { return !describes_bytes(name) && not_modified.contains(name); };
  http::Fields fields;
  for (const auto& field : stored) {
    if (!is_replaced(field.name)) fields.add(field.name, field.value);
  }
  for (const auto& field : not_modified) {
    if (!describes_bytes(field.name)) fields.add(field.name, field.value);
  }
  return fields;
}

bool is_same_content(http::FieldView stored, http::FieldView received) {
  bool is_same = false;
  for (const auto* name : {"ETag", "Last-Modified"}) {
    const auto before = stored.find(name);
    const auto now = received.find(name);
    if (!before || !now) continue;
    if (*before != *now) return false;
    is_same = true;
  }
  return is_same;
}

bool add_validators(http::Fields& request, http::FieldView stored) {
  for (const auto* name :
       {"If-None-Match", "If-Modified-Since", "If-Match", "If-Unmodified-Since", "If-Range", "Range"})
    request.remove(name);
  const auto etag = stored.find("ETag");
  const auto modified = stored.find("Last-Modified");
  if (etag) request.add("If-None-Match", *etag);
  if (modified) request.add("If-Modified-Since", *modified);
  return etag || modified;
}

}  // namespace propeller::cache
