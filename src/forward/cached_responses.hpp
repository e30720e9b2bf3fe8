#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "cache/entry_note.hpp"
#include "cache/freshness.hpp"
#include "cache/storing.hpp"
#include "forward/stored_body.hpp"
#include "http/fields.hpp"
#include "store/content_store.hpp"

namespace propeller::forward {

/// A response that was kept by the rules of HTTP.
struct CachedResponse {
  std::shared_ptr<const store::Entry> entry;
  StoredContent content;
  http::Fields fields;
  cache::ResponseNote note;

  /// Under the rule of a pack, if it was kept under one.
  [[nodiscard]] cache::StoredResponse stored(cache::Keeping keeping) const;
};

/// Where the responses of one URL are in the store: under the URL, or, when they vary, each under the URL and a hash of
/// the fields that chose it, with their names under the URL alone. Parts (CachedParts) are beside their whole.
///
/// Bound:    forget() takes kPage variants and parts at a time, until none is left.
/// Threads:  one core. Lifetime: the store outlives it.
/// Source:   RFC 9111 sections 2 and 4.1
class CachedResponses {
 public:
  static constexpr std::size_t kPage = 100;

  explicit CachedResponses(store::ContentStore& store) : store_(store) {}

  struct Found {
    std::string key;                         ///< where the response for such a request is, or would be
    std::optional<CachedResponse> response;  ///< with its bytes
  };
  [[nodiscard]] async::awaitable<Found> find(const std::string& url, http::FieldView request);

  /// Notes by which fields the URL's responses vary. Returns where the one for `request` goes.
  [[nodiscard]] async::awaitable<std::string> place(const std::string& url, const std::vector<std::string>& names,
                                                    http::FieldView request);
  /// What said that a response still holds.
  struct Confirmation {
    http::FieldView fields;
    cache::sys_seconds requested;
    cache::Credentials credentials = cache::Credentials::none;  ///< that it was asked with
    cache::Keeping keeping = cache::Keeping::as_said;
  };
  /// The response with what is new. It is kept so only when others may have that, too, and when nobody has written or
  /// forgotten it meanwhile.
  [[nodiscard]] async::awaitable<CachedResponse> confirm(CachedResponse response, Confirmation confirmation);
  /// Whatever there is of that URL.
  async::awaitable<void> forget(std::string url);

 private:
  [[nodiscard]] async::awaitable<std::shared_ptr<const store::Entry>> entry_of(std::string key);

  store::ContentStore& store_;
};

/// The time now, as entries have it.
[[nodiscard]] cache::sys_seconds wall_seconds();

}  // namespace propeller::forward
