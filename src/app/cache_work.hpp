#pragma once

#include <memory>

#include "app/event_body.hpp"
#include "store/content_store.hpp"

namespace propeller::app {

/// Reads every blob again and drops what is damaged. Lifetime: the store outlives it.
class CheckWork final : public StepwiseWork {
 public:
  explicit CheckWork(store::ContentStore& store) : store_(store), check_(store.begin_check()) {}
  async::awaitable<ServerEvent> step() override;

 private:
  store::ContentStore& store_;
  std::shared_ptr<store::StoreCheck> check_;
};

/// Brings the store under its limits and clears it up. Lifetime: the store outlives it.
class SweepWork final : public StepwiseWork {
 public:
  SweepWork(store::ContentStore& store, bool takes_unnamed) : store_(store), sweep_(store.begin_sweep(takes_unnamed)) {}
  async::awaitable<ServerEvent> step() override;

 private:
  store::ContentStore& store_;
  std::shared_ptr<store::StoreSweep> sweep_;
};

}  // namespace propeller::app
