#pragma once

#include <string>
#include <variant>

#include "forward/cached_exchange.hpp"
#include "forward/registry_path.hpp"

namespace propeller::forward {

/// What a tag of a registry stands for: a digest, which is remembered for `cache.tag_window` and then asked for by
/// HEAD. The manifest itself is then the content that the digest names, with all the rules for who gets that.
///
/// Callers with credentials share what is remembered once the registry has accepted them; what was asked without any is
/// remembered apart.
/// Pressure: with something to fall back on a silent registry is waited for kPatience at most, and then left alone
///           for a while, as is one that says 429 or 5xx: for as long as it wants, or another window.
/// Threads:  one core. Lifetime: of the handler's call; what it refers to outlives it.
/// Source:   OCI distribution-spec 1.1, "Pulling manifests"
class TagLookup {
 public:
  static constexpr std::chrono::seconds kPatience{10};

  struct Named {
    store::BlobDigest digest;
    bool is_new = false;    ///< the registry has just said so
    bool is_stale = false;  ///< it cannot say at the moment: 429, 5xx, silence
  };
  /// Nothing: ask for the tag as if there were no cache. A response: the registry's own, to HEAD; or an error.
  using Outcome = std::variant<std::monostate, Named, http::Response>;

  TagLookup(CacheParts parts, const CacheMatcher& matcher, http::Request& request, CacheDecision decision);

  /// `out` is the request as it would be sent.
  [[nodiscard]] async::awaitable<Outcome> resolve(http::Destination destination, const http::OutgoingRequest& out);
  /// What was remembered is wrong.
  async::awaitable<void> forget();

 private:
  [[nodiscard]] bool is_accepted() const;
  [[nodiscard]] async::awaitable<std::optional<Named>> remembered();
  [[nodiscard]] async::awaitable<Result<http::ClientResponse>> ask(bool has_fallback) const;
  [[nodiscard]] bool is_resting() const;
  void let_rest(const Result<http::ClientResponse>& answer);
  async::awaitable<Outcome> judge(http::ClientResponse answer, std::optional<Named> known);

  CacheParts parts_;
  const CacheMatcher& matcher_;
  http::Request& request_;
  const CacheDecision decision_;
  const std::uint64_t generation_;  ///< of the URL, see Invalidations
  Caller caller_;
  std::string key_;
  std::shared_ptr<const ContentOrigin> origin_;
  bool is_fresh_ = false;
};

/// What a write to `path` of the registry at `origin` ("https://host") has changed beside its own URL: what tags stand
/// for, the lists of tags and of referrers.
async::awaitable<void> forget_what_names(store::ContentStore& store, std::string origin, std::string path);

}  // namespace propeller::forward
