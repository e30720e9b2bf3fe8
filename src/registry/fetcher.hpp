#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "async/core.hpp"
#include "config/settings.hpp"
#include "registry/authenticator.hpp"
#include "registry/failure.hpp"
#include "registry/liveness.hpp"
#include "registry/reference.hpp"
#include "registry/retry.hpp"
#include "registry/transport.hpp"

namespace propeller::registry {

/// A GET at a registry's API.
struct FetchRequest {
  std::string registry;  ///< "https://host[:port]"
  std::string repository;
  std::string target;  ///< path after the repository: "manifests/latest"
  std::string what;    ///< for messages: "manifest latest of acme/add"
  std::vector<std::string> header_lines;
  std::size_t buffer_bytes = 16 * 1024;
  OnRetry on_retry = {};
};

/// How often one request was tried, and since when without progress.
struct Attempts {
  std::uint32_t count = 1;
  std::chrono::steady_clock::time_point since = std::chrono::steady_clock::now();
};

/// GETs from registries: authenticates, follows redirects, says what a status means, and whether trying again may help.
///
/// Order:    one challenge is answered per attempt; a second 401 is unauthorized.
/// Bound:    settings.attempts_max attempts in a row, with retry_pause() between them; kRetryTimeMax in all.
/// Threads:  one core; the counters from any.
class Fetcher {
 public:
  /// Lifetime: all outlive it.
  Fetcher(const config::Registry& settings, const HostPolicy& policy, Authenticator& authenticator,
          Transport& transport);

  /// One attempt: the answer is 200 or 206.
  async::awaitable<Attempt<std::unique_ptr<Exchange>>> attempt(FetchRequest request);

  /// After the last of `attempts` failed so: false when that was it, else true after the pause.
  async::awaitable<bool> pause_before_retry(Failure failure, Attempts attempts, OnRetry on_retry);

  [[nodiscard]] std::uint64_t retries() const { return retries_.load(std::memory_order_relaxed); }
  [[nodiscard]] Liveness liveness() const;

 private:
  async::awaitable<Attempt<std::unique_ptr<Exchange>>> authenticated(FetchRequest request);
  [[nodiscard]] Failure refusal(const FetchRequest& request, const Exchange& exchange) const;
  void note(const std::string& registry, bool has_answered);

  const config::Registry& settings_;
  const HostPolicy& policy_;
  Authenticator& authenticator_;
  Transport& transport_;
  std::atomic<std::uint64_t> retries_{0};
  mutable std::mutex liveness_mutex_;
  Liveness liveness_;
};

}  // namespace propeller::registry
