#include "forward/cache_matcher.hpp"

#include <re2/re2.h>
#include <re2/set.h>

#include <algorithm>
#include <array>

#include "forward/redaction.hpp"
#include "forward/registry_path.hpp"
#include "http/syntax.hpp"
#include "store/entry.hpp"

namespace propeller::forward {

using http::contains_ignoring_case;
using http::equals_ignoring_case;
using store::BlobDigest;

namespace {

constexpr std::size_t kSha256Digits = 64;
constexpr std::size_t kSha512Digits = 128;
constexpr std::size_t kPrefixBytes = 7;  ///< "sha256:"
/// Leaves room for a variant behind it.
constexpr std::size_t kKeyBytesMax = store::Entry::kKeyBytesMax - 128;
constexpr std::array<std::string_view, 2> kRegistryTypes{"application/vnd.docker.", "application/vnd.oci."};

bool is_hex(char digit) { return http::hex_value(digit) >= 0; }

/// A digest whose `digits` hex digits stand at the start, and no more of them.
std::optional<BlobDigest> made_of(std::string_view prefix, std::string_view text, std::size_t digits) {
  if (text.size() < digits || (text.size() > digits && is_hex(text[digits]))) return std::nullopt;
  std::string named(prefix);
  named.append(text.substr(0, digits));
  std::ranges::transform(named, named.begin(), http::to_lower);
  const auto digest = BlobDigest::parse(named);
  return digest ? std::optional(*digest) : std::nullopt;
}

/// A digest that begins here, with as many digits as its algorithm has and no more.
std::optional<BlobDigest> digest_at(std::string_view text) {
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
  return is_sha512 ? made_of("sha512:", text, kSha512Digits) : made_of("sha256:", text, kSha256Digits);
}

bool asks_for_content(const RegistryPath& path) {
  return path.call == RegistryCall::manifest || path.call == RegistryCall::blob;
}

/// "/HEX64/" at a slash, as the file system layout of a registry has it.
std::optional<BlobDigest> segment_at(std::string_view text) {
  const auto segment = text.substr(1, text.find('/', 1) - 1);
  return segment.size() == kSha256Digits ? made_of("sha256:", segment, kSha256Digits) : std::nullopt;
}

bool names_registry_type(std::string_view value) {
  return std::ranges::any_of(kRegistryTypes,
                             [&](std::string_view type) { return contains_ignoring_case(value, type); });
}

/// Whether a directive is there, with an argument or without.
bool has_directive(std::string_view value, std::string_view directive) {
  while (const auto member = http::next_member(value)) {
    if (equals_ignoring_case(http::trim(member->substr(0, member->find('='))), directive)) return true;
  }
  return false;
}

/// Nothing, or `ns=` alone: no more than the path says already.
bool names_only_namespace(std::string_view query) {
  while (!query.empty()) {
    const auto end = std::min(query.find('&'), query.size());
    if (!query.substr(0, end).starts_with("ns=")) return false;
    query.remove_prefix(std::min(end + 1, query.size()));
  }
  return true;
}

/// Of a registry, which changes whatever is in its path: its tags, and what refers to a digest.
bool asks_for_list(const RegistryPath& path) {
  return path.call == RegistryCall::tags || path.call == RegistryCall::referrers;
}

cache::Packs packs_in(const std::vector<config::CachePack>& named) {
  const auto has = [&](config::CachePack pack) { return std::ranges::find(named, pack) != named.end(); };
  return {.is_npm_on = has(config::CachePack::npm), .is_debian_on = has(config::CachePack::debian)};
}

bool any_value(http::FieldView fields, std::string_view name, auto predicate) {
  return std::ranges::any_of(fields, [&](const http::Field& field) {
    return equals_ignoring_case(field.name, name) && predicate(field.value);
  });
}

/// `asked` is the path as a registry's, where it is one.
std::optional<BlobDigest> digest_in(std::string_view path, const std::optional<RegistryPath>& asked) {
  // A repository may have whatever name it likes: what a registry is asked for stands at the end.
  if (asked && asks_for_content(*asked)) {
    const auto named = digest_at(asked->reference);
    return named && kPrefixBytes + 2 * named->bytes().size() == asked->reference.size() ? named : std::nullopt;
  }
  for (std::size_t i = 0; i < path.size(); ++i) {
    if (path[i] != 's' && path[i] != '/') continue;
    const auto rest = path.substr(i);
    if (auto found = path[i] == 's' ? digest_at(rest) : segment_at(rest)) return found;
  }
  return std::nullopt;
}

}  // namespace

std::optional<BlobDigest> digest_in_path(std::string_view path) {
  return digest_in(path, parse_registry_path(path.substr(0, path.find('?'))));
}

cache::Credentials credentials_in(http::FieldView fields) {
  auto found = cache::Credentials::none;
  for (const auto& field : fields) {
    // For us; and how npm would log in, which every request of it says.
    if (equals_ignoring_case(field.name, "Proxy-Authorization") || equals_ignoring_case(field.name, "npm-auth-type"))
      continue;
    if (equals_ignoring_case(field.name, "Cookie")) {
      found = cache::Credentials::cookie;
    } else if (is_secret_header(field.name) || contains_ignoring_case(field.name, "auth") ||
               equals_ignoring_case(field.name, "X-JFrog-Art-Api")) {
      return cache::Credentials::authorization;
    }
  }
  return found;
}

bool carries_credentials(http::FieldView fields) { return credentials_in(fields) != cache::Credentials::none; }

cache::seconds ttl_max_of(const config::Cache& settings) {
  const bool is_set = settings.ttl_max > std::chrono::milliseconds(0);
  return is_set ? std::chrono::ceil<cache::seconds>(settings.ttl_max) : cache::kSecondsMax;
}

/// All of them are looked for in one pass.
class CacheMatcher::Patterns {
 public:
  explicit Patterns(const std::vector<std::string>& patterns) {
    for (const auto& pattern : patterns) set_.Add(pattern, nullptr);
    is_compiled_ = set_.Compile();
  }

  [[nodiscard]] bool match(std::string_view path) const {
    return is_compiled_ && set_.Match({path.data(), path.size()}, nullptr);
  }

 private:
  static RE2::Options options() {
    RE2::Options options;
    options.set_log_errors(false);
    return options;
  }

  RE2::Set set_{options(), RE2::UNANCHORED};
  bool is_compiled_ = false;
};

CacheMatcher::CacheMatcher(const config::Cache& settings)
    : is_enabled_(settings.is_enabled),
      is_content_aware_(settings.is_content_aware),
      are_http_rules_on_(settings.are_http_rules_on),
      packs_(packs_in(settings.packs)),
      ttl_max_(ttl_max_of(settings)),
      private_content_(settings.private_content),
      private_ttl_(settings.private_ttl),
      tag_window_(settings.tag_window),
      is_text_compressed_(settings.is_text_compressed),
      patterns_(std::make_unique<const Patterns>(settings.patterns)) {}

CacheMatcher::~CacheMatcher() = default;
CacheMatcher::CacheMatcher(CacheMatcher&&) noexcept = default;
CacheMatcher& CacheMatcher::operator=(CacheMatcher&&) noexcept = default;

bool CacheMatcher::is_cacheable(const CacheRequest& request, bool has_digest) const {
  // Another query may mean another content, unless the path says which it is.
  if (!request.query.empty() && !has_digest) return false;
  const bool names_content =
      request.path.find("sha256:") != std::string_view::npos || request.path.find("sha512:") != std::string_view::npos;
  if (is_content_aware_ && names_content && any_value(request.fields, "Accept", names_registry_type)) return true;
  return patterns_->match(request.path);
}

CacheDecision CacheMatcher::check_request(const CacheRequest& request) const {
  CacheDecision decision;
  const bool is_get = request.method == "GET";
  if (!is_enabled_ || (!is_get && request.method != "HEAD")) return decision;
  const auto has = [&](std::string_view name) { return request.fields.contains(name); };
  const auto append_key = [&](bool has_query) {
    decision.key.reserve(request.scheme.size() + request.authority.size() + request.path.size() + request.query.size() +
                         std::string_view("://?").size());
    decision.key.append(request.scheme).append("://").append(request.authority).append(request.path);
    if (has_query) decision.key.append("?").append(request.query);
  };
  // Who wants to be told that something has changed gets no answer from here.
  if (has("If-Match") || has("If-Unmodified-Since")) return decision;
  const auto asked = parse_registry_path(request.path);
  const bool is_list = asked && asks_for_list(*asked);
  if (!is_list) decision.digest = digest_in(request.path, asked);
  if (is_list || request.is_unfit || !is_cacheable(request, decision.digest.has_value())) {
    const bool is_plain = names_only_namespace(request.query);
    decision.is_tag = is_plain && !has("Range") && names_a_tag(request.path) &&
                      !request.fields.has_member("Cache-Control", "no-store");
    if (!are_http_rules_on_ && !decision.is_tag) return decision;
    decision.rules = CacheRules::http;
    decision.digest.reset();
    append_key(decision.is_tag ? false : !request.query.empty());
    const bool fits = decision.key.size() <= kKeyBytesMax;
    decision.is_tag = decision.is_tag && fits;
    decision.may_look_up = are_http_rules_on_ && fits;
    // A query may be what gives access, or choose another content.
    if (request.query.empty()) decision.keeping = cache::keeping_of(packs_, request.path, request.fields);
    return decision;
  }
  append_key(!names_only_namespace(request.query));
  if (decision.key.size() > kKeyBytesMax) return decision;
  decision.may_look_up = true;
  decision.may_store = is_get && !has("Range") && !has("If-None-Match") && !has("If-Modified-Since") &&
                       !request.fields.has_member("Cache-Control", "no-store");
  return decision;
}

bool CacheMatcher::is_storable(const CacheDecision& decision, int status, http::FieldView fields) const {
  constexpr int kPartialContent = 206;
  if (status < 200 || status > 299 || status == kPartialContent) return false;
  const auto is_kept_out = [](std::string_view value) {
    return contains_ignoring_case(value, "no-store") || has_directive(value, "private");
  };
  if (any_value(fields, "Cache-Control", is_kept_out)) return false;
  // The digest is that of the bytes without it, and another client may not understand it.
  if (any_value(fields, "Content-Encoding", [](auto value) { return !equals_ignoring_case(value, "identity"); }))
    return false;
  const auto varies = [&](std::string_view value) {
    if (value.find('*') != std::string_view::npos) return true;
    return !decision.digest && !equals_ignoring_case(http::trim(value), "Accept-Encoding");
  };
  if (any_value(fields, "Vary", varies)) return false;
  if (!is_content_aware_) return true;
  return fields.contains("Docker-Content-Digest") || any_value(fields, "Content-Type", [](auto value) {
           return names_registry_type(value) || equals_ignoring_case(value.substr(0, 24), "application/octet-stream");
         });
}

}  // namespace propeller::forward
