#include "forward/cache_answer.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "base/random.hpp"
#include "base/timestamp.hpp"
#include "http/date.hpp"
#include "http/forwarding.hpp"
#include "http/syntax.hpp"

namespace propeller::forward {

using http::equals_ignoring_case;

namespace {

constexpr int kOk = 200;
constexpr int kPartialContent = 206;
constexpr int kNotModified = 304;
constexpr int kRangeNotSatisfiable = 416;

bool is_one_of(std::string_view name, std::initializer_list<std::string_view> names) {
  return std::ranges::any_of(names, [&](auto other) { return equals_ignoring_case(name, other); });
}

bool is_left_out(std::string_view name, CacheRules rules) {
  constexpr std::string_view kProxy = "proxy-";
  if (equals_ignoring_case(name.substr(0, kProxy.size()), kProxy)) return true;
  if (is_one_of(name, {"Authentication-Info", "Content-Length"})) return true;
  return rules == CacheRules::content ? is_one_of(name, {"Set-Cookie", "Set-Cookie2"}) : is_one_of(name, {"Age"});
}

/// The same but for a mark of weakness.
bool matches_weakly(std::string_view left, std::string_view right) {
  constexpr std::string_view kWeak = "W/";
  if (left.starts_with(kWeak)) left.remove_prefix(kWeak.size());
  if (right.starts_with(kWeak)) right.remove_prefix(kWeak.size());
  return !left.empty() && left == right;
}

bool is_not_modified(http::FieldView stored, http::FieldView request) {
  if (request.contains("If-None-Match")) {
    const auto etag = stored.find("ETag").value_or("");
    const auto list = request.joined("If-None-Match");
    std::string_view rest = list;
    while (const auto member = http::next_member(rest)) {
      if (*member == "*" || matches_weakly(*member, etag)) return true;
    }
    return false;
  }
  const auto since = request.find("If-Modified-Since");
  if (!since) return false;
  const auto modified = stored.find("Last-Modified");
  if (modified == since) return true;
  const auto now = std::chrono::floor<std::chrono::seconds>(std::chrono::system_clock::now());
  const auto wanted = http::parse_date(*since, now);
  const auto kept = http::parse_date(modified ? *modified : stored.find("Date").value_or(""), now);
  return wanted && kept && *kept <= *wanted;
}

bool may_have_a_part(http::FieldView stored, http::FieldView request) {
  const auto condition = request.find("If-Range");
  return !condition || (!condition->empty() && *condition == strong_etag(stored));
}

void give_several(CacheAnswer& answer, std::vector<ByteRange> ranges, std::uint64_t size) {
  constexpr std::size_t kBoundaryBytes = 16;
  answer.status = kPartialContent;
  answer.list = RangeList{.ranges = std::move(ranges),
                          .type = std::string(answer.fields.find("Content-Type").value_or("")),
                          .boundary = base::random_hex(kBoundaryBytes),
                          .size = size};
  answer.fields.set("Content-Type", fmt::format("multipart/byteranges; boundary={}", answer.list->boundary));
}

}  // namespace

std::string kept_header_text(http::FieldView fields, CacheRules rules) {
  http::Fields kept(fields);
  http::remove_hop_by_hop(kept);
  kept.remove_if([&](const http::Field& field) { return is_left_out(field.name, rules); });
  std::string text;
  for (const auto& field : kept) text.append(field.name).append(": ").append(field.value).append("\r\n");
  return text;
}

http::Fields fields_of(std::string_view header_text) {
  http::Fields fields;
  header_text = fields.keep(header_text);
  while (!header_text.empty()) {
    const auto end = std::min(header_text.find("\r\n"), header_text.size());
    const auto line = header_text.substr(0, end);
    const auto colon = line.find(':');
    if (colon != std::string_view::npos) {
      const auto name = line.substr(0, colon);
      const auto value = http::trim(line.substr(colon + 1));
      if (http::is_token(name) && http::is_field_value(value)) fields.add_view(name, value);
    }
    header_text.remove_prefix(std::min(end + 2, header_text.size()));
  }
  return fields;
}

std::string_view strong_etag(http::FieldView fields) {
  const auto etag = fields.find("ETag").value_or("");
  return etag.starts_with('"') ? etag : std::string_view();
}

CacheAnswer answer_with(CachedHead head, http::Method method, http::FieldView request) {
  CacheAnswer answer{
      .status = head.status, .fields = std::move(head.fields), .range = {.count = head.size.value_or(0)}};
  answer.has_body = method == http::Method::get;
  if (head.status != kOk) return answer;
  if (is_not_modified(answer.fields, request)) {
    answer.status = kNotModified;
    answer.has_body = false;
    return answer;
  }
  if (!head.size) return answer;
  answer.fields.set("Accept-Ranges", "bytes");
  const auto wanted = request.find("Range");
  if (!wanted || method != http::Method::get || !may_have_a_part(answer.fields, request)) return answer;
  auto ranges = head.is_whole ? choose_ranges(*wanted, *head.size) : std::vector<ByteRange>();
  if (ranges.size() > 1) {
    give_several(answer, std::move(ranges), *head.size);
    return answer;
  }
  const auto choice = ranges.empty() ? choose_range(*wanted, *head.size)
                                     : RangeChoice{.kind = RangeChoice::Kind::part, .range = ranges[0]};
  if (choice.kind == RangeChoice::Kind::unsatisfiable) {
    answer.status = kRangeNotSatisfiable;
    answer.fields.set("Content-Range", fmt::format("bytes */{}", *head.size));
    answer.range = {};
    answer.has_body = false;
  } else if (choice.kind == RangeChoice::Kind::part) {
    answer.status = kPartialContent;
    answer.range = choice.range;
    answer.fields.set("Content-Range", content_range(choice.range, *head.size));
  }
  return answer;
}

std::string RangeList::head_of(ByteRange range) const {
  const auto type_line = type.empty() ? std::string() : fmt::format("Content-Type: {}\r\n", type);
  return fmt::format("\r\n--{}\r\n{}Content-Range: {}\r\n\r\n", boundary, type_line, content_range(range, size));
}

std::string RangeList::end() const { return fmt::format("\r\n--{}--\r\n", boundary); }

void mark_as_hit(http::Fields& fields, std::int64_t stored_at, std::chrono::sys_seconds now) {
  const std::chrono::seconds old(http::parse_decimal(fields.find("Age").value_or("")).value_or(0));
  const auto here = now.time_since_epoch() - std::chrono::seconds(stored_at);
  mark_as_hit(fields, stored_at, old + std::max(here, std::chrono::seconds(0)));
}

void mark_as_hit(http::Fields& fields, std::int64_t stored_at, std::chrono::seconds age) {
  const auto date = base::timestamp(std::chrono::sys_seconds(std::chrono::seconds(stored_at)));
  const fmt::format_int age_text(age.count());
  fields.set("Age", {age_text.data(), age_text.size()});
  fields.set("X-Cache", "HIT");
  fields.set("X-Cache-Date", {date.data(), date.size()});
}

}  // namespace propeller::forward
