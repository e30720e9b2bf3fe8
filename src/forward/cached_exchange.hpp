#pragma once

#include <memory>
#include <optional>

#include "forward/cache_answer.hpp"
#include "forward/cache_counters.hpp"
#include "forward/cache_fill.hpp"
#include "forward/cache_matcher.hpp"
#include "forward/recent_names.hpp"
#include "http/client.hpp"
#include "http/server.hpp"
#include "store/content_store.hpp"

namespace propeller::forward {

/// What the exchanges of one core work with.
struct CacheParts {
  http::Sender& client;
  store::ContentStore& store;
  CacheCounters& counters;
  CacheFills& fills;
  const Invalidations& invalidations;
  RecentNames& unshared;  ///< URLs whose responses were not for sharing, the last time
  std::string_view name;  ///< ours in Via
};

/// One request that the matcher has taken: answered from the store, along with a download on its way, or as the one
/// that begins it.
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

  /// A hit.
  async::awaitable<std::optional<http::Response>> look_up();
  /// `out` is the request as it would be sent, with what the header rules add.
  async::awaitable<std::optional<http::Response>> share(http::Destination destination,
                                                        const http::OutgoingRequest& out);
  /// Whether it asked the origin.
  [[nodiscard]] bool has_led() const { return has_led_; }

 private:
  async::awaitable<std::optional<http::Response>> stored();
  async::awaitable<std::optional<http::Response>> lead(std::unique_ptr<store::BlobWriter> writer);
  async::awaitable<std::optional<http::Response>> follow();
  async::awaitable<std::optional<http::Response>> ride_along();
  [[nodiscard]] CachedHead head_of(const store::BlobHead& head) const;
  [[nodiscard]] http::Fields kept_fields(std::string_view header_text) const;
  http::Response arriving(const store::BlobHead& head, CacheAnswer answer);

  CacheParts parts_;
  const CacheMatcher& matcher_;
  http::Request& request_;
  CacheDecision decision_;
  std::shared_ptr<const ContentOrigin> origin_;
  std::unique_ptr<store::BlobReader> reader_;
  bool has_led_ = false;
};

}  // namespace propeller::forward
