#pragma once

#include <condition_variable>
#include <cstdint>
#include <deque>
#include <filesystem>
#include <functional>
#include <memory>
#include <mutex>
#include <span>
#include <string>
#include <thread>
#include <vector>

#include "db/connection.hpp"

namespace propeller::db {

/// A SQLite file with one writer thread and a few readers.
///
/// Order:    writes run in the order of submit(). What waits runs in one transaction, kBatchMax writes at most; each
///           write has a savepoint, so that one that fails takes nobody with it.
/// Bound:    `queue_max` writes wait; kReadersMax reads at once.
/// Pressure: submit() refuses while the queue is full, run() waits.
/// Errors:   io, as values; a write hears of a commit that failed as of one of its own.
/// Threads:  any after open(). `done` runs on the writer thread and must be short.
/// Lifetime: close() runs what waits; the destructor closes.
class Database {
 public:
  static constexpr std::size_t kBatchMax = 512;
  static constexpr std::size_t kReadersMax = 4;

  using Write = std::move_only_function<Result<void>(Connection&)>;
  using Done = std::move_only_function<void(Result<void>)>;

  explicit Database(std::size_t queue_max = 4096) : queue_max_(queue_max) {}
  ~Database();
  Database(const Database&) = delete;
  Database& operator=(const Database&) = delete;

  /// `migrations[n]` leads from user_version n to n + 1, each in a transaction. Errors: io, also for a file of a newer
  /// version, or one that is no database (see is_corrupt()).
  [[nodiscard]] Result<void> open(const std::filesystem::path& path, std::span<const char* const> migrations);
  void close();

  /// False, with neither called, when the queue is full or the database closed.
  [[nodiscard]] bool submit(Write write, Done done = {});
  /// Blocks until `write` is committed. Not on a core, not from `done`.
  [[nodiscard]] Result<void> run(Write write);
  /// Blocks: `read` with a connection that sees everything committed. Not on a core.
  [[nodiscard]] Result<void> read(const std::function<Result<void>(Connection&)>& read);

  /// open() failed because of what is in the file, not because of the disk.
  [[nodiscard]] bool is_corrupt() const { return is_corrupt_; }

 private:
  struct Job {
    Write write;
    Done done;
  };
  [[nodiscard]] Result<void> migrate(std::span<const char* const> migrations);
  void work();
  void run_batch(std::vector<Job>& batch);
  [[nodiscard]] Result<void> run_job(Job& job);

  std::size_t queue_max_;
  std::filesystem::path path_;
  std::unique_ptr<Connection> writer_;
  bool is_corrupt_ = false;

  std::mutex mutex_;
  std::condition_variable filled_, emptied_;
  std::deque<Job> queue_;
  bool is_open_ = false;
  std::thread thread_;

  std::mutex readers_mutex_;
  std::condition_variable reader_back_;
  std::vector<std::unique_ptr<Connection>> readers_;
  std::size_t readers_lent_ = 0;
};

}  // namespace propeller::db
