#include "forward/host_figures.hpp"

namespace propeller::forward {

namespace {

void count_bytes(HostFigures& figures, CacheOutcome outcome, std::uint64_t bytes) {
  figures.bytes += bytes;
  if (outcome != CacheOutcome::miss) figures.bytes_saved += bytes;
}

/// A body whose length only its end tells.
class CountedBody final : public http::BodySource {
 public:
  CountedBody(std::unique_ptr<http::BodySource> inner, HostFigures& figures, CacheOutcome outcome)
      : inner_(std::move(inner)), figures_(figures), outcome_(outcome) {}

  http::awaitable<Result<std::string_view>> read(std::size_t max) override {
    auto bytes = co_await inner_->read(max);
    if (bytes) count_bytes(figures_, outcome_, bytes->size());
    co_return bytes;
  }
  [[nodiscard]] http::FieldView trailers() const override { return inner_->trailers(); }

 private:
  const std::unique_ptr<http::BodySource> inner_;
  HostFigures& figures_;
  const CacheOutcome outcome_;
};

}  // namespace

void FiguresByHost::watch(OnNew on_new) {
  const std::scoped_lock lock(mutex_);
  on_new_ = std::move(on_new);
  if (!hosts_.contains(kOthers)) hosts_.try_emplace(std::string(kOthers));
  for (const auto& [host, figures] : hosts_) on_new_(host, figures);
}

HostFigures& FiguresByHost::of(std::string_view host) {
  const std::scoped_lock lock(mutex_);
  if (const auto found = hosts_.find(host); found != hosts_.end()) return found->second;
  const std::size_t others = hosts_.contains(kOthers) ? 1 : 0;
  if (hosts_.size() - others < kHostsMax) return add(host);
  const auto found = hosts_.find(kOthers);
  return found != hosts_.end() ? found->second : add(kOthers);
}

HostFigures& FiguresByHost::add(std::string_view host) {
  auto& [name, figures] = *hosts_.try_emplace(std::string(host)).first;
  if (on_new_) on_new_(name, figures);
  return figures;
}

void count(HostFigures& figures, CacheOutcome outcome, http::Response& response) {
  switch (outcome) {
    case CacheOutcome::hit: ++figures.hits; break;
    case CacheOutcome::coalesced: ++figures.coalesced; break;
    case CacheOutcome::miss: ++figures.misses; break;
  }
  if (!response.body) return;
  if (const auto length = response.body->length())
    count_bytes(figures, outcome, *length);
  else
    response.body = std::make_unique<CountedBody>(std::move(response.body), figures, outcome);
}

}  // namespace propeller::forward
