#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <map>
#include <mutex>
#include <string>
#include <string_view>

#include "http/server.hpp"

namespace propeller::forward {

/// How a GET that the cache was asked about was answered.
enum class CacheOutcome : std::uint8_t {
  hit,        ///< from the store
  coalesced,  ///< along with another one's download
  miss        ///< from its origin
};

/// What the cache did for one host.
struct HostFigures {
  std::atomic<std::uint64_t> hits = 0, misses = 0, coalesced = 0;
  std::atomic<std::uint64_t> bytes = 0;        ///< of bodies, to clients
  std::atomic<std::uint64_t> bytes_saved = 0;  ///< of those, not fetched for them
  std::atomic<std::uint64_t> evictions = 0;    ///< responses that made room for others
};

/// The same by host: those that were seen first by their names, and all that came later as one.
///
/// Bound:    kHostsMax names besides kOthers: clients choose them.
/// Threads:  any; the mutex is held for one look-up.
/// Lifetime: what of() gives stays valid.
class FiguresByHost {
 public:
  static constexpr std::size_t kHostsMax = 50;
  static constexpr std::string_view kOthers = "other";

  using OnNew = std::function<void(const std::string& host, const HostFigures& figures)>;
  /// `on_new` hears of every host that is there and of each new one, under the mutex.
  void watch(OnNew on_new);
  [[nodiscard]] HostFigures& of(std::string_view host);

 private:
  HostFigures& add(std::string_view host);

  std::mutex mutex_;
  std::map<std::string, HostFigures, std::less<>> hosts_;
  OnNew on_new_;
};

/// What one core has looked up in a FiguresByHost last, so that request after request for one host takes no lock.
///
/// Threads:  one core. Lifetime: `all` outlives it.
class RecentFigures {
 public:
  explicit RecentFigures(FiguresByHost& all) : all_(all) {}

  [[nodiscard]] HostFigures& of(std::string_view host) {
    if (figures_ == nullptr || host != host_) {
      host_ = host;
      figures_ = &all_.of(host);
    }
    return *figures_;
  }

 private:
  FiguresByHost& all_;
  std::string host_;
  HostFigures* figures_ = nullptr;
};

/// Counts a response that is about to be sent. `figures` outlives its body.
void count(HostFigures& figures, CacheOutcome outcome, http::Response& response);

}  // namespace propeller::forward
