#pragma once

#include <atomic>
#include <chrono>
#include <filesystem>
#include <functional>
#include <optional>
#include <thread>
#include <vector>

#include "base/error.hpp"
#include "base/file_descriptor.hpp"

namespace propeller::config {

struct FileWatcherOptions {
  std::chrono::milliseconds debounce{100};      ///< quiet for so long, then the file is looked at
  std::chrono::milliseconds look_again{5'000};  ///< also without an event: network file systems report none
};

/// Calls back when a file has another content than before: written, renamed over, or reached through another symbolic
/// link (Kubernetes swaps `..data`). Watches the directories, since the file itself is a new one each time.
///
/// Bound:    one call after a burst of changes, at the latest ten times the debounce after its first.
/// Errors:   a file that is gone is no change; the call comes when it is back.
/// Threads:  the callback runs on the watcher's own thread; look_now() from any.
/// Lifetime: the destructor waits for a callback under way.
/// Source:   inotify(7)
class FileWatcher {
 public:
  FileWatcher(std::filesystem::path file, std::function<void()> on_change, FileWatcherOptions options = {});
  ~FileWatcher();
  FileWatcher(const FileWatcher&) = delete;
  FileWatcher& operator=(const FileWatcher&) = delete;

  /// Once. Errors: io, when the system has no more watches; changes are then seen by `look_again` alone after start().
  [[nodiscard]] Result<void> start();
  /// Calls back soon, changed or not (SIGHUP).
  void look_now();

 private:
  /// What tells one content from another without reading it.
  struct Print {
    std::uint64_t device, inode, size;
    std::int64_t modified_seconds, modified_nanoseconds, changed_seconds, changed_nanoseconds;

    friend bool operator==(const Print&, const Print&) = default;
  };

  [[nodiscard]] std::optional<Print> print() const;
  void watch_directories();
  void run(const std::stop_token& stop);
  void look();
  bool wait(std::chrono::milliseconds limit) const;
  void drain() const;

  std::filesystem::path file_;
  std::function<void()> on_change_;
  FileWatcherOptions options_;
  base::FileDescriptor notify_;
  base::FileDescriptor wake_;
  std::atomic<bool> is_asked_{false};
  std::optional<Print> seen_;
  std::jthread thread_;
};

/// The directories in which a change can make `file` another one: its own, and that of every link on the way.
/// Bound: kLinksMax links.
[[nodiscard]] std::vector<std::filesystem::path> directories_on_the_way(const std::filesystem::path& file);
inline constexpr std::size_t kLinksMax = 40;

}  // namespace propeller::config
