#pragma once

#include <boost/asio/thread_pool.hpp>
#include <memory>

#include "config/settings.hpp"
#include "observe/metrics.hpp"
#include "store/content_store.hpp"

namespace propeller::app {

/// The content store of a bridge that runs without the forward proxy, whose store it would share otherwise.
///
/// Errors:   one that cannot be opened is none: the bridge goes on with its spool alone, as a line in the log says.
/// Lifetime: outlives the bridge's last use of it; `metrics` outlives it.
class BridgeStore {
 public:
  BridgeStore(config::BridgeStore settings, observe::Metrics& metrics)
      : settings_(std::move(settings)), probe_(metrics) {}
  ~BridgeStore();
  BridgeStore(const BridgeStore&) = delete;
  BridgeStore& operator=(const BridgeStore&) = delete;

  /// Null when it is switched off, or cannot be opened. Blocks.
  [[nodiscard]] store::ContentStore* open();

 private:
  config::BridgeStore settings_;
  store::Probe probe_;
  boost::asio::thread_pool pool_{2};
  std::unique_ptr<store::ContentStore> store_;
};

}  // namespace propeller::app
