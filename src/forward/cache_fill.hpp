#pragma once

#include <memory>
#include <optional>
#include <string>

#include "async/task_group.hpp"
#include "forward/cache_counters.hpp"
#include "forward/content_origin.hpp"
#include "forward/invalidations.hpp"
#include "forward/recent_names.hpp"
#include "store/content_store.hpp"

namespace propeller::forward {

/// A download into the store, as it is begun or gone on with.
struct CacheFill {
  std::shared_ptr<const ContentOrigin> origin;
  std::string key;  ///< of the entry that it becomes
  std::unique_ptr<store::BlobWriter> writer;
  std::string url = {};                         ///< by the rules of HTTP: what a write to it overtakes is not kept
  std::uint64_t generation = 0;                 ///< of the URL when it was asked for
  bool is_text_compressed = false;              ///< it is text, to be compressed once it is there
  std::string caller = {};                      ///< whose credentials brought it, of private content
  std::chrono::milliseconds caller_ttl{0};      ///< how long his registry's yes to him holds
  bool is_for_everybody = false;                ///< content by digest that whoever shares our store may have, too
  std::optional<store::BlobHead> head = {};     ///< none: an earlier writer has told it
  std::unique_ptr<http::BodySource> body = {};  ///< none: the rest is asked for
};

/// The downloads of one core. They go on when the client that began one leaves.
///
/// Bound:    as many as the store has flights.
/// Errors:   what breaks off is resumed: kResumesMax times in all, kStallsMax without a byte in between. What cannot be
///           brought to a right end breaks its readers, and is counted.
/// Threads:  one core. Lifetime: stop() before the store and the origins' client go.
class CacheFills {
 public:
  static constexpr int kResumesMax = 8;
  static constexpr int kStallsMax = 2;
  static constexpr std::chrono::milliseconds kResumePause{50};  ///< doubled with each stall

  CacheFills(const async::asio::any_io_executor& executor, store::ContentStore& store, CacheCounters& counters,
             const Invalidations& invalidations, RecentNames& accepted)
      : store_(store), counters_(counters), invalidations_(invalidations), accepted_(accepted), tasks_(executor) {}

  void spawn(CacheFill fill) { tasks_.spawn(run(std::move(fill))); }
  /// What else goes on without a client: asking whether something still holds, say.
  void spawn(async::awaitable<void> task) { tasks_.spawn(std::move(task)); }
  async::awaitable<void> stop();

 private:
  async::awaitable<void> run(CacheFill fill);
  async::awaitable<Result<void>> download(CacheFill& fill);
  async::awaitable<Result<void>> keep(CacheFill& fill);
  [[nodiscard]] bool is_overtaken(const CacheFill& fill) const;
  async::awaitable<void> compress(store::Entry entry, std::shared_ptr<const store::OpenBlob> text);

  store::ContentStore& store_;
  CacheCounters& counters_;
  const Invalidations& invalidations_;
  RecentNames& accepted_;
  async::TaskGroup tasks_;
};

}  // namespace propeller::forward
