#pragma once

#include <memory>
#include <optional>

#include "forward/cache_answer.hpp"
#include "forward/cache_counters.hpp"
#include "forward/cache_fill.hpp"
#include "forward/cache_matcher.hpp"
#include "forward/caller.hpp"
#include "forward/recent_names.hpp"
#include "forward/stored_body.hpp"
#include "http/client.hpp"
#include "http/server.hpp"
#include "store/content_store.hpp"

namespace propeller::forward {

/// What the exchanges of one core work with.
struct CacheParts {
  http::Sender& client;
  http::Sender& content_client;  ///< follows redirects, for what a digest verifies
  store::ContentStore& store;
  CacheCounters& counters;
  CacheFills& fills;
  const Invalidations& invalidations;
  RecentNames& unshared;  ///< URLs whose responses were not for sharing, the last time
  RecentNames& unfit;     ///< URLs whose answers a pattern could not keep
  RecentNames& silent;    ///< origins, and tags, that could not say whether what is here still holds
  RecentNames& accepted;  ///< callers whose credentials a registry has accepted
  std::string_view name;  ///< ours in Via
};

/// A hit that is for everybody and needs no wait, as most hits: what CachedExchange::look_up() would have found.
[[nodiscard]] std::optional<http::Response> hit_at_once(const CacheParts& parts, const CacheDecision& decision,
                                                        const http::Request& request);

/// One request that the matcher has taken: answered from the store, along with a download on its way, or as the one
/// that begins it.
///
/// What came with credentials is kept under a key of its own (private_key()), and has flights of its own. Nobody gets
/// it, or rides along with it, before its registry has accepted his own credentials for that repository: for the one
/// who downloads it the answer to that is enough, everybody else is asked for by HEAD.
///
/// Order:    look_up(), then share(). Nothing from both: forward it as if there were no cache.
/// Lifetime: of the handler's call; what it refers to outlives it.
/// Source:   docs/adr/0005-who-gets-what-is-cached.md
class CachedExchange {
 public:
  /// A range that begins further on than this of what has arrived is fetched by itself.
  static constexpr std::uint64_t kAheadBytesMax = 1024 * 1024;

  CachedExchange(CacheParts parts, const CacheMatcher& matcher, http::Request& request, CacheDecision decision)
      : parts_(parts), matcher_(matcher), request_(request), decision_(std::move(decision)) {}

  /// A hit that is for everybody.
  async::awaitable<std::optional<http::Response>> look_up();
  /// `out` is the request as it would be sent, with what the header rules add.
  async::awaitable<std::optional<http::Response>> share(http::Destination destination,
                                                        const http::OutgoingRequest& out);
  /// Of what share() answered.
  [[nodiscard]] CacheOutcome outcome() const { return outcome_; }

 private:
  using Stored = store::ContentStore::Found;

  async::awaitable<std::optional<Stored>> find(std::string key) const;
  [[nodiscard]] http::Response answer_from(const Stored& stored) const;
  async::awaitable<bool> ask_for_caller();
  [[nodiscard]] bool is_admitted(std::optional<std::uint64_t> size);
  [[nodiscard]] bool is_accepted() const;
  async::awaitable<std::optional<http::Response>> stored_privately();
  async::awaitable<std::optional<http::Response>> share_privately();
  void count(bool is_hit) const;
  async::awaitable<std::optional<http::Response>> begin_or_join();
  [[nodiscard]] async::awaitable<bool> bring() const;
  async::awaitable<std::optional<http::Response>> lead(std::unique_ptr<store::BlobWriter> writer);
  async::awaitable<std::optional<http::Response>> follow();
  async::awaitable<std::optional<http::Response>> ride_along();
  [[nodiscard]] CachedHead head_of(const store::BlobHead& head) const;
  http::Response arriving(const store::BlobHead& head, CacheAnswer answer);

  CacheParts parts_;
  const CacheMatcher& matcher_;
  http::Request& request_;
  CacheDecision decision_;
  std::shared_ptr<const ContentOrigin> origin_;
  std::unique_ptr<store::BlobReader> reader_;
  Caller caller_;
  std::optional<std::string> private_key_;          ///< of what came with credentials, where that may be kept
  bool is_private_ = false;                         ///< the key is that of private content
  bool is_admitted_ = false;                        ///< the caller may have what is private
  std::optional<std::uint64_t> length_for_caller_;  ///< that the registry names for him, when it was asked
  CacheOutcome outcome_ = CacheOutcome::coalesced;
};

}  // namespace propeller::forward
