#pragma once

#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "cache/packs.hpp"
#include "cache/storing.hpp"
#include "config/forward_settings.hpp"
#include "forward/cache_answer.hpp"
#include "http/fields.hpp"
#include "store/blob_digest.hpp"

namespace propeller::forward {

/// The first of `sha256:HEX64`, `sha512:HEX128`, or HEX64 as a whole segment (`/HEX64/`, also at the end). `%3A` is a
/// colon.
[[nodiscard]] std::optional<store::BlobDigest> digest_in_path(std::string_view path);

/// Whether what is asked for with these may be somebody's own: Authorization, Cookie, whatever is called a key, token
/// or the like. Proxy-Authorization is for us and does not count.
[[nodiscard]] bool carries_credentials(http::FieldView fields);
/// The same, told apart as the rules of HTTP do.
[[nodiscard]] cache::Credentials credentials_in(http::FieldView fields);

/// A request as the cache looks at it.
struct CacheRequest {
  std::string_view method;
  std::string_view scheme;
  std::string_view authority;  ///< verified; with the port where it is not the scheme's
  std::string_view path;
  std::string_view query;  ///< without the question mark
  http::FieldView fields;  ///< as the client sent them, before any rule
  bool is_unfit = false;   ///< no pattern could keep what came: the rules of HTTP may
};

struct CacheDecision {
  CacheRules rules = CacheRules::content;
  bool may_look_up = false;  ///< an entry may answer
  bool may_store = false;    ///< the response may become one, if it is fit for that: a plain GET of the whole
  std::string key;           ///< scheme, authority and path; with the query where that may be what gives access
  std::optional<store::BlobDigest> digest;
  cache::Keeping keeping = cache::Keeping::as_said;  ///< by the rules of HTTP and this
  bool is_tag = false;                               ///< TagLookup comes first, with `key` as the URL
  std::string own_login = {};  ///< the upstream whose credentials the mirror sends along, which no field shows
};

/// For how long a kept response is fresh at most: `cache.ttl`.
[[nodiscard]] cache::seconds ttl_max_of(const config::Cache& settings);

/// Which requests and responses are kept: content by digest under the patterns of the configuration; everything else by
/// the rules of HTTP (HttpExchange), where those are on.
///
/// Credentials are not looked at here: see CachedExchange and cache::may_store(). A query is part of the key, so that
/// an entry answers only who has the same signature; `ns` alone is not, which tells a mirror whose content is meant.
/// 206 is no entry here, see CachedParts. Threads: any; immutable.
/// Source:  forward-proxy reference, 1.6; docs/adr/0005-who-gets-what-is-cached.md
class CacheMatcher {
 public:
  /// The patterns are well formed, as config::check_expression() says; another one matches nothing.
  explicit CacheMatcher(const config::Cache& settings);
  ~CacheMatcher();
  CacheMatcher(CacheMatcher&&) noexcept;
  CacheMatcher& operator=(CacheMatcher&&) noexcept;

  [[nodiscard]] CacheDecision check_request(const CacheRequest& request) const;
  /// How long anything is fresh at most, by the rules of HTTP.
  [[nodiscard]] std::chrono::seconds ttl_max() const { return ttl_max_; }
  /// What becomes of content that came with credentials.
  [[nodiscard]] config::PrivateContent private_content() const { return private_content_; }
  /// How long a registry's yes to a caller holds.
  [[nodiscard]] std::chrono::milliseconds private_ttl() const { return private_ttl_; }
  /// For how long a tag is not asked about again.
  [[nodiscard]] std::chrono::milliseconds tag_window() const { return tag_window_; }
  /// Is text that is kept by the rules of HTTP kept compressed?
  [[nodiscard]] bool is_text_compressed() const { return is_text_compressed_; }
  [[nodiscard]] bool is_storable(const CacheDecision& decision, int status, http::FieldView fields) const;

 private:
  class Patterns;

  [[nodiscard]] bool is_cacheable(const CacheRequest& request, bool has_digest) const;

  bool is_enabled_;
  bool is_content_aware_;
  bool are_http_rules_on_;
  cache::Packs packs_;
  std::chrono::seconds ttl_max_;
  config::PrivateContent private_content_;
  std::chrono::milliseconds private_ttl_;
  std::chrono::milliseconds tag_window_;
  bool is_text_compressed_;
  std::unique_ptr<const Patterns> patterns_;
};

}  // namespace propeller::forward
