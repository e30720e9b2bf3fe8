#include "app/bridge_store.hpp"

#include "observe/log.hpp"

namespace propeller::app {

using observe::kv;

// Before its pool: the store waits for what still runs there.
BridgeStore::~BridgeStore() { store_.reset(); }

store::ContentStore* BridgeStore::open() {
  if (!settings_.is_enabled) return nullptr;
  auto opened = std::make_unique<store::ContentStore>(
      store::StoreOptions{.directory = settings_.dir, .size_bytes_max = settings_.size_max_bytes}, pool_, probe_);
  if (const auto result = opened->open(); !result) {
    observe::log_warn("the content store cannot be opened: while a registry is down, nothing of it is known",
                      {kv("reason", result.error().detail), kv("variables", "PROXY_CACHE_DIR, PROXY_CACHE=off")});
    return nullptr;
  }
  store_ = std::move(opened);
  return store_.get();
}

}  // namespace propeller::app
