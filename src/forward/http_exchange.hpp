#pragma once

#include <memory>
#include <optional>
#include <string>

#include "cache/directives.hpp"
#include "forward/cached_exchange.hpp"
#include "forward/cached_responses.hpp"
#include "forward/refresh.hpp"

namespace propeller::forward {

/// One GET or HEAD that is answered by the rules of HTTP, as a shared cache: fresh from the store, stale while somebody
/// asks or when nobody answers, along with a download on its way, or as the one that asks the origin.
///
/// Pressure: who asks for what was never seen waits at most kCollapseWait for another one's answer to begin: what is
///           not for sharing may take its time, as a long poll does.
/// Lifetime: of the handler's call; what it refers to outlives it.
/// Source:   RFC 9111, 5861, 9211
class HttpExchange {
 public:
  static constexpr std::chrono::milliseconds kCollapseWait{500};
  /// How long who has to check what has just arrived waits for it to be in the store.
  static constexpr int kSettleTries = 20;
  static constexpr std::chrono::milliseconds kSettlePause{10};

  HttpExchange(CacheParts parts, const CacheMatcher& matcher, http::Request& request, CacheDecision decision);

  /// `out` is the request as it would be sent. Nothing: forward it as if there were no cache.
  async::awaitable<std::optional<http::Response>> answer(http::Destination destination,
                                                         const http::OutgoingRequest& out);
  /// Of answer().
  [[nodiscard]] CacheOutcome outcome() const { return outcome_; }

 private:
  using Answer = std::optional<http::Response>;

  async::awaitable<void> look_up();
  async::awaitable<Answer> from_parts();
  [[nodiscard]] bool may_begin() const;
  async::awaitable<Answer> share();
  async::awaitable<Answer> ride_along(std::string place);
  async::awaitable<Answer> share_again();
  [[nodiscard]] std::string flight_key(const std::string& place) const;
  async::awaitable<Answer> lead(std::unique_ptr<store::BlobWriter> writer);
  async::awaitable<Answer> follow();
  async::awaitable<Answer> look_again();
  async::awaitable<Answer> share_alone();
  async::awaitable<Answer> check_by_head();
  async::awaitable<Answer> along(const store::BlobHead& head);
  Answer passed(http::Response response);
  Answer failed(const Error& error);
  [[nodiscard]] bool is_known_silent() const;
  http::Response from_store(std::string_view how);
  Answer arriving(const store::BlobHead& head, http::Fields fields);
  void check_in_background();
  [[nodiscard]] bool is_wanted_part(http::FieldView fields) const;
  [[nodiscard]] Refresh refresh() const;

  CacheParts parts_;
  http::Request& request_;
  const cache::seconds ttl_max_;
  const bool is_text_compressed_;
  const std::string url_;  ///< the key
  const cache::RequestDirectives asked_;
  cache::Keeping keeping_;
  const std::uint64_t generation_;  ///< of the URL, see Invalidations
  const bool is_for_part_;          ///< one range, with no other condition than If-Range
  std::shared_ptr<const ContentOrigin> origin_;
  std::optional<CachedResponse> stored_;
  cache::Verdict verdict_;
  std::string place_;  ///< the key of what answers this request, as far as it is known
  std::unique_ptr<store::BlobReader> reader_;
  bool is_second_try_ = false;
  bool is_alone_ = false;  ///< nobody else waits for what this one asks
  CacheOutcome outcome_ = CacheOutcome::miss;
};

}  // namespace propeller::forward
