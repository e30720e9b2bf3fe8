#pragma once

#include <cstdint>
#include <deque>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "admin/api_server.hpp"
#include "app/event_body.hpp"
#include "app/proxy_client.hpp"
#include "forward/cache_listing.hpp"
#include "store/content_store.hpp"

namespace propeller::app {

/// Where listings go on, by names that tell nothing of the keys, which may be secret.
///
/// Bound:    the last kCursorsMax. Threads: one core.
class CursorBook {
 public:
  static constexpr std::size_t kCursorsMax = 256;

  [[nodiscard]] std::string keep(forward::CacheListing::Position position);
  [[nodiscard]] std::optional<forward::CacheListing::Position> find(std::string_view name) const;

 private:
  struct Cursor {
    std::string name;
    forward::CacheListing::Position position;
  };
  std::deque<Cursor> cursors_;
};

/// The part of the API that shows and changes what the cache holds.
///
/// Bound:    one check or clean-up at a time, and kPullsMax pulls; the next is 409.
/// Threads:  one core. Lifetime: the store and the client outlive it, it outlives the server.
class CacheApi {
 public:
  static constexpr std::size_t kPullsMax = 4;

  struct Parts {
    store::ContentStore* store = nullptr;  ///< null: there is no cache, which every answer says
    cache::seconds ttl_max = cache::kSecondsMax;
    ProxyClient* client = nullptr;  ///< null: nothing can be pulled, because of:
    std::string_view why_no_pulls = {};
  };
  explicit CacheApi(const Parts& parts)
      : store_(parts.store), ttl_max_(parts.ttl_max), client_(parts.client), why_no_pulls_(parts.why_no_pulls) {}

  [[nodiscard]] std::vector<admin::ApiRoute> routes();
  /// What `cache.ttl` says now, by which freshness is told.
  void set_ttl_max(cache::seconds ttl_max) { ttl_max_ = ttl_max; }

 private:
  using Answer = admin::ApiAnswer;
  using Question = admin::ApiQuestion;
  using Handler = async::awaitable<Answer> (CacheApi::*)(Question);
  [[nodiscard]] admin::ApiRoute route(http::Method method, std::string path, Handler handler);
  static async::awaitable<Answer> no_cache();

  async::awaitable<Answer> entries(Question question);
  async::awaitable<Answer> erase(Question question);
  async::awaitable<Answer> purge(Question question);
  async::awaitable<Answer> pins(Question question);
  async::awaitable<Answer> pin(Question question);
  async::awaitable<Answer> unpin(Question question);
  async::awaitable<Answer> set_pin(std::string name, bool is_pinned);
  async::awaitable<Answer> verify(Question question);
  async::awaitable<Answer> sweep(Question question);
  async::awaitable<Answer> pull(Question question);
  [[nodiscard]] Answer begin(std::unique_ptr<StepwiseWork> work);

  store::ContentStore* const store_;
  cache::seconds ttl_max_;
  ProxyClient* const client_;
  const std::string_view why_no_pulls_;
  CursorBook cursors_;
  std::weak_ptr<void> working_;                                  ///< held by the check or clean-up that runs
  const std::shared_ptr<int> pulls_ = std::make_shared<int>(0);  ///< held by each that runs
};

}  // namespace propeller::app
