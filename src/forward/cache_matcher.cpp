#include "forward/cache_matcher.hpp"

#include <re2/re2.h>

#include <algorithm>
#include <array>

#include "forward/redaction.hpp"

namespace propeller::forward {

namespace {

constexpr std::size_t kSha256Digits = 64;
constexpr std::size_t kSha512Digits = 128;
constexpr std::array<std::string_view, 2> kRegistryTypes{"application/vnd.docker.", "application/vnd.oci."};

bool is_hex(char c) { return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F'); }

/// As many hex digits as there are at the start.
std::size_t hex_digits(std::string_view text) {
  return static_cast<std::size_t>(std::ranges::find_if_not(text, is_hex) - text.begin());
}

ContentDigest made_of(DigestAlgorithm algorithm, std::string_view hex) {
  std::string lower(hex);
  for (char& c : lower) c = c >= 'A' && c <= 'F' ? static_cast<char>(c + ('a' - 'A')) : c;
  return {algorithm, std::move(lower)};
}

/// A digest that begins here, with as many digits as its algorithm has and no more.
std::optional<ContentDigest> digest_at(std::string_view text) {
  const bool is_sha512 = text.starts_with("sha512");
  if (!is_sha512 && !text.starts_with("sha256")) return std::nullopt;
  text.remove_prefix(6);
  if (text.starts_with(':')) {
    text.remove_prefix(1);
  } else if (text.starts_with("%3A") || text.starts_with("%3a")) {
    text.remove_prefix(3);
  } else {
    return std::nullopt;
  }
  const auto wanted = is_sha512 ? kSha512Digits : kSha256Digits;
  if (hex_digits(text) != wanted) return std::nullopt;
  return made_of(is_sha512 ? DigestAlgorithm::sha512 : DigestAlgorithm::sha256, text.substr(0, wanted));
}

/// "/HEX64/", as the file system layout of a registry has it.
std::optional<ContentDigest> segment_at(std::string_view text) {
  if (!text.starts_with('/') || hex_digits(text.substr(1)) != kSha256Digits) return std::nullopt;
  const auto rest = text.substr(1 + kSha256Digits);
  if (!rest.empty() && rest.front() != '/') return std::nullopt;
  return made_of(DigestAlgorithm::sha256, text.substr(1, kSha256Digits));
}

bool names_registry_type(std::string_view value) {
  return std::ranges::any_of(kRegistryTypes,
                             [&](std::string_view type) { return contains_ignoring_case(value, type); });
}

/// Whether a directive is there, with an argument or without.
bool has_directive(std::string_view value, std::string_view directive) {
  while (!value.empty()) {
    const auto comma = value.find(',');
    auto one = value.substr(0, std::min(comma, value.find('=')));
    while (one.starts_with(' ')) one.remove_prefix(1);
    while (one.ends_with(' ')) one.remove_suffix(1);
    if (equals_ignoring_case(one, directive)) return true;
    value.remove_prefix(comma == std::string_view::npos ? value.size() : comma + 1);
  }
  return false;
}

bool any_value(FieldSpan fields, std::string_view name, auto predicate) {
  return std::ranges::any_of(
      fields, [&](const Field& field) { return equals_ignoring_case(field.name, name) && predicate(field.value); });
}

}  // namespace

std::string ContentDigest::to_string() const {
  return (algorithm == DigestAlgorithm::sha512 ? "sha512:" : "sha256:") + hex;
}

std::optional<ContentDigest> digest_in_path(std::string_view path) {
  for (std::size_t i = 0; i < path.size(); ++i) {
    if (path[i] != 's' && path[i] != '/') continue;
    const auto rest = path.substr(i);
    if (auto found = path[i] == 's' ? digest_at(rest) : segment_at(rest)) return found;
  }
  return std::nullopt;
}

std::optional<ContentDigest> parse_digest(std::string_view text) {
  auto found = digest_at(text);
  if (!found || found->to_string().size() != text.size()) return std::nullopt;
  return found;
}

CacheMatcher::CacheMatcher(const config::Cache& settings)
    : is_enabled_(settings.is_enabled), is_content_aware_(settings.is_content_aware) {
  RE2::Options options;
  options.set_log_errors(false);
  for (const auto& pattern : settings.patterns) {
    auto expression = std::make_unique<RE2>(pattern, options);
    if (expression->ok()) patterns_.push_back(std::move(expression));
  }
}

CacheMatcher::~CacheMatcher() = default;
CacheMatcher::CacheMatcher(CacheMatcher&&) noexcept = default;
CacheMatcher& CacheMatcher::operator=(CacheMatcher&&) noexcept = default;

bool CacheMatcher::is_cacheable(const CacheRequest& request, bool has_digest) const {
  // Another query may mean another content, unless the path says which it is.
  if (!request.query.empty() && !has_digest) return false;
  const bool names_content = request.path.find("sha256:") != std::string_view::npos;
  if (is_content_aware_ && names_content && any_value(request.fields, "Accept", names_registry_type)) return true;
  const re2::StringPiece path(request.path.data(), request.path.size());
  return std::ranges::any_of(patterns_, [&](const auto& pattern) { return RE2::PartialMatch(path, *pattern); });
}

CacheDecision CacheMatcher::check_request(const CacheRequest& request) const {
  CacheDecision decision;
  if (!is_enabled_ || request.method != "GET") return decision;
  decision.digest = digest_in_path(request.path);
  if (!is_cacheable(request, decision.digest.has_value())) return decision;
  const auto has = [&](std::string_view name) { return find_field(request.fields, name).has_value(); };
  decision.may_look_up = true;
  decision.may_store = !has("Authorization") && !has("Cookie");
  decision.key.append(request.authority).append(request.path);
  if (has_secret_parameter(request.query)) decision.key.append("?").append(request.query);
  return decision;
}

bool CacheMatcher::is_storable(int status, FieldSpan fields) const {
  constexpr int kPartialContent = 206;
  if (status < 200 || status > 299 || status == kPartialContent) return false;
  const auto is_kept_out = [](std::string_view value) {
    return contains_ignoring_case(value, "no-store") || has_directive(value, "private");
  };
  if (any_value(fields, "Cache-Control", is_kept_out)) return false;
  if (any_value(fields, "Vary", [](std::string_view value) { return value.find('*') != std::string_view::npos; }))
    return false;
  if (!is_content_aware_) return true;
  return find_field(fields, "Docker-Content-Digest").has_value() || any_value(fields, "Content-Type", [](auto value) {
           return names_registry_type(value) || equals_ignoring_case(value.substr(0, 24), "application/octet-stream");
         });
}

}  // namespace propeller::forward
