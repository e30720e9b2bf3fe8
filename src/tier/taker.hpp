#pragma once

#include <cstdint>
#include <string>
#include <unordered_set>

#include "async/core.hpp"
#include "async/event.hpp"
#include "store/content_store.hpp"
#include "tier/probe.hpp"
#include "tier/record.hpp"
#include "tier/s3_client.hpp"
#include "tier/uploader.hpp"

namespace propeller::tier {

/// Brings contents from the tier into the store, where they are verified before anybody sees a byte of them: who waits
/// gets the registry's bytes where those of the tier are wrong, and no broken connection.
///
/// Order:    the record of the key first: without one nobody has said that everybody may have it.
/// Bound:    kHoldMax, and no less than kRateMin: see pace_of(). Memory: 512 KiB for each content on its way.
/// Errors:   those of the client, for which the tier is to be left alone. An object that is wrong, or too large to wait
///           for, is not there.
/// Threads:  one core; disk and hashing on the store's pool. Lifetime: what it is made of outlives it.
class Taker {
 public:
  Taker(const async::asio::any_io_executor& executor, S3Client& client, const ObjectNames& names,
        store::ContentStore& store, Uploader& uploader, Probe& probe)
      : client_(client), names_(names), store_(store), uploader_(uploader), probe_(probe), ended_(executor) {}

  /// Whether it is in the store now, with an entry under the key.
  [[nodiscard]] async::awaitable<Result<bool>> take(std::string key, store::BlobDigest digest);

 private:
  [[nodiscard]] async::awaitable<Result<bool>> take_bytes(const Record& record);
  [[nodiscard]] async::awaitable<Result<bool>> download(const Record& record, store::BlobWriter& writer);
  [[nodiscard]] async::awaitable<Result<bool>> copy(registry::Exchange& object, const Record& record,
                                                    store::BlobWriter& writer);
  /// Another download of the digest, for another key.
  [[nodiscard]] async::awaitable<void> wait_for_others(store::BlobDigest digest);
  void distrust(const Record& record, std::string_view why);

  S3Client& client_;
  const ObjectNames& names_;
  store::ContentStore& store_;
  Uploader& uploader_;
  Probe& probe_;
  std::unordered_set<store::BlobDigest> under_way_;  ///< as many as are asked for at once
  async::Event ended_;                               ///< one of them
};

}  // namespace propeller::tier
