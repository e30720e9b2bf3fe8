#pragma once

#include <atomic>
#include <chrono>
#include <memory>
#include <mutex>
#include <string>

#include "async/core.hpp"
#include "async/task_group.hpp"
#include "config/forward_settings.hpp"
#include "store/backing.hpp"
#include "store/content_store.hpp"
#include "tier/probe.hpp"
#include "tier/reach.hpp"
#include "tier/record.hpp"
#include "tier/s3_client.hpp"
#include "tier/taker.hpp"
#include "tier/uploader.hpp"

namespace propeller::tier {

struct SecondTierOptions {
  config::SecondTier settings;
  std::chrono::milliseconds rest{5'000};  ///< after the first failure, before it is asked again
  Reach::Sleep sleep = &async::sleep_for;
  std::chrono::milliseconds upload_time_max = S3Client::kUploadTimeMax;
};

/// A bucket behind the store that several proxies share: what one of them has fetched, the others need not.
///
/// What is there is what anybody may have, by digest, with a record for each key that says so. A key with a query has
/// none: the query may be a signature, which is a login. Nobody waits for it longer than for one bounded request: see
/// Reach, Taker.
///
/// Order:    start(), stop().
/// Bound:    kAskedMax downloads are asked for at once, Uploader's of what it is given.
/// Threads:  bring(), offer(), is_up(), reason(): any; the rest: the owner's. A thread of its own, which may wait for a
///           disk.
/// Lifetime: the store outlives it; so do the cores that ask, until stop() has returned.
/// Source:   docs/adr/0009-second-tier.md
class SecondTier final : public store::Backing {
 public:
  static constexpr std::size_t kAskedMax = 64;

  SecondTier(SecondTierOptions options, store::ContentStore& store, Probe& probe);
  ~SecondTier();
  SecondTier(const SecondTier&) = delete;
  SecondTier& operator=(const SecondTier&) = delete;

  /// Errors: bad_config. Whether it is there is found out beside whatever the caller does next.
  [[nodiscard]] Result<void> start();
  /// What is on its way is given up. Safe to call twice.
  void stop();

  [[nodiscard]] async::awaitable<bool> bring(std::string key, store::BlobDigest digest) override;
  void offer(std::string key, std::shared_ptr<const store::OpenBlob> blob, std::string_view header_text) override;
  void forget(std::string key) override;

  [[nodiscard]] bool is_up() const { return parts_ && parts_->reach.is_up(); }
  /// Why it is out.
  [[nodiscard]] std::string reason() const { return parts_ ? parts_->reach.reason() : std::string(); }

 private:
  struct Wish;
  struct Parts {
    Parts(async::Core& core, std::unique_ptr<S3Client> s3, const SecondTierOptions& options, store::ContentStore& store,
          Probe& probe);

    std::unique_ptr<S3Client> client;
    ObjectNames names;
    async::TaskGroup tasks;
    Reach reach;
    Uploader uploader;
    Taker taker;
  };

  [[nodiscard]] async::awaitable<void> fulfil(std::shared_ptr<Wish> wish);
  /// False: it ends.
  bool post(std::function<void()> work);

  const SecondTierOptions options_;
  store::ContentStore& store_;
  Probe& probe_;
  async::Core core_{"tier"};
  std::unique_ptr<Parts> parts_;
  std::atomic<std::size_t> asked_ = 0;
  std::atomic<std::size_t> offered_ = 0;  ///< on their way to the core
  std::mutex mutex_;
  bool is_running_ = false;
};

}  // namespace propeller::tier
