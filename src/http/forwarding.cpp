#include "http/forwarding.hpp"

#include <algorithm>
#include <array>
#include <string>
#include <vector>

#include "http/syntax.hpp"

namespace propeller::http {

namespace {

constexpr std::array<std::string_view, 10> kHopByHop = {
    "connection",          "http2-settings",   "keep-alive", "proxy-authenticate",
    "proxy-authorization", "proxy-connection", "te",         "trailer",
    "transfer-encoding",   "upgrade"};

/// Whoever names these in Connection wants the next hop to see another message than we did.
constexpr std::array<std::string_view, 9> kEndToEnd = {"authorization",  "cache-control", "content-encoding",
                                                       "content-length", "content-range", "content-type",
                                                       "cookie",         "host",          "range"};

template <class Names>
bool is_among(const Names& names, std::string_view name) {
  return std::ranges::any_of(names, [&](std::string_view other) { return equals_ignoring_case(name, other); });
}

std::vector<std::string_view> nominated(FieldView fields) {
  std::vector<std::string_view> names;
  for (const Field& field : fields) {
    if (!equals_ignoring_case(field.name, "connection")) continue;
    std::string_view list = field.value;
    while (const auto name = next_member(list)) {
      if (!is_among(kEndToEnd, *name)) names.push_back(*name);
    }
  }
  return names;
}

std::string_view via_version(Version version) {
  switch (version) {
    case Version::http_1_0: return "1.0";
    case Version::http_1_1: return "1.1";
    default: return "2.0";
  }
}

}  // namespace

void remove_hop_by_hop(Fields& fields) {
  const bool takes_trailers = fields.has_member("te", "trailers");
  const auto names = nominated(fields);
  fields.remove_if([&](const Field& field) { return is_among(kHopByHop, field.name) || is_among(names, field.name); });
  if (takes_trailers) fields.add_view("te", "trailers");
}

void append_via(Fields& fields, Version version, std::string_view name) {
  std::string value = fields.joined("via");
  if (!value.empty()) value += ", ";
  fields.set("via", value.append(via_version(version)).append(" ").append(name));
}

bool is_in_via(FieldView fields, std::string_view name) {
  for (const Field& field : fields) {
    if (!equals_ignoring_case(field.name, "via")) continue;
    std::string_view list = field.value;
    while (const auto member = next_member(list)) {
      // protocol, received-by, and perhaps a comment
      const std::size_t begin = member->find_first_of(" \t");
      if (begin == std::string_view::npos) continue;
      const std::string_view by = trim(member->substr(begin));
      if (equals_ignoring_case(by.substr(0, by.find_first_of(" \t")), name)) return true;
    }
  }
  return false;
}

Forwards count_max_forwards(Method method, Fields& fields) {
  if (method != Method::options && method != Method::trace) return Forwards::go_on;
  const auto value = fields.find("max-forwards");
  if (!value) return Forwards::go_on;
  const auto hops = parse_decimal(*value);
  if (!hops) return Forwards::invalid;
  if (*hops == 0) return Forwards::answer;
  fields.set("max-forwards", std::to_string(*hops - 1));
  return Forwards::go_on;
}

std::string_view requested_upgrade(const RequestHead& head) {
  if (head.version != Version::http_1_1 || !head.fields.has_member("connection", "upgrade")) return {};
  return head.fields.find("upgrade").value_or(std::string_view{});
}

}  // namespace propeller::http
