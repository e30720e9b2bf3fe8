#include "db/database.hpp"

#include <fmt/format.h>
#include <pthread.h>

#include <future>

#include "base/assert.hpp"

namespace propeller::db {

Database::~Database() { close(); }

Result<void> Database::open(const std::filesystem::path& path, std::span<const char* const> migrations) {
  ASSERT(!thread_.joinable());
  path_ = path;
  writer_ = std::make_unique<Connection>();
  auto opened = writer_->open(path, Connection::Mode::write);
  if (opened) opened = migrate(migrations);
  if (!opened) {
    is_corrupt_ = writer_->is_corrupt();
    writer_.reset();
    return opened;
  }
  is_corrupt_ = false;
  is_open_ = true;
  thread_ = std::thread([this] {
    pthread_setname_np(pthread_self(), "db");
    work();
  });
  return {};
}

Result<void> Database::migrate(std::span<const char* const> migrations) {
  const auto version = writer_->user_version();
  if (!version) return std::unexpected(version.error());
  if (*version < 0 || static_cast<std::size_t>(*version) > migrations.size()) {
    return fail(
        Code::io, Origin::internal,
        fmt::format("the database {} has version {}, this program knows {} at most: it was written by a newer one",
                    path_.native(), *version, migrations.size()));
  }
  for (auto next = static_cast<std::size_t>(*version); next < migrations.size(); ++next) {
    auto migrated = writer_->execute(
        fmt::format("BEGIN IMMEDIATE; {}; PRAGMA user_version={}; COMMIT", migrations[next], next + 1));
    if (!migrated) return migrated;
  }
  return {};
}

void Database::close() {
  {
    const std::scoped_lock lock(mutex_);
    is_open_ = false;
  }
  filled_.notify_all();
  emptied_.notify_all();
  if (thread_.joinable()) thread_.join();
  std::unique_lock lock(readers_mutex_);
  reader_back_.wait(lock, [this] { return readers_lent_ == 0; });
  readers_.clear();
  writer_.reset();  // last, so that the last checkpoint is the writer's
}

bool Database::submit(Write write, Done done) {
  {
    const std::scoped_lock lock(mutex_);
    if (!is_open_ || queue_.size() >= queue_max_) return false;
    queue_.push_back({std::move(write), std::move(done)});
  }
  filled_.notify_one();
  return true;
}

Result<void> Database::run(Write write) {
  std::promise<Result<void>> promise;
  auto committed = promise.get_future();
  {
    std::unique_lock lock(mutex_);
    emptied_.wait(lock, [this] { return !is_open_ || queue_.size() < queue_max_; });
    if (!is_open_) return fail(Code::shutting_down, Origin::internal, "the database is closed");
    queue_.push_back({std::move(write), [&promise](Result<void> result) { promise.set_value(std::move(result)); }});
  }
  filled_.notify_one();
  return committed.get();
}

void Database::work() {
  for (;;) {
    std::vector<Job> batch;
    {
      std::unique_lock lock(mutex_);
      filled_.wait(lock, [this] { return !is_open_ || !queue_.empty(); });
      if (queue_.empty()) return;
      while (!queue_.empty() && batch.size() < kBatchMax) {
        batch.push_back(std::move(queue_.front()));
        queue_.pop_front();
      }
    }
    emptied_.notify_all();
    run_batch(batch);
  }
}

void Database::run_batch(std::vector<Job>& batch) {
  std::vector<Result<void>> results;
  results.reserve(batch.size());
  Result<void> outcome = writer_->execute("BEGIN IMMEDIATE");
  if (outcome) {
    for (Job& job : batch) results.push_back(run_job(job));
    outcome = writer_->execute("COMMIT");
    // A transaction that cannot be committed would make every later BEGIN fail. It may be gone already.
    if (!outcome) static_cast<void>(writer_->execute("ROLLBACK"));
  }
  for (std::size_t i = 0; i < batch.size(); ++i) {
    if (!batch[i].done) continue;
    batch[i].done(outcome ? std::move(results[i]) : outcome);
  }
}

Result<void> Database::run_job(Job& job) {
  if (auto begun = writer_->execute("SAVEPOINT job"); !begun) return begun;
  auto result = job.write(*writer_);
  if (!result) static_cast<void>(writer_->execute("ROLLBACK TO job"));
  auto released = writer_->execute("RELEASE job");
  return result ? released : result;
}

Result<void> Database::read(const std::function<Result<void>(Connection&)>& read) {
  std::unique_ptr<Connection> connection;
  {
    std::unique_lock lock(readers_mutex_);
    reader_back_.wait(lock, [this] { return readers_lent_ < kReadersMax; });
    if (!writer_) return fail(Code::shutting_down, Origin::internal, "the database is closed");
    ++readers_lent_;
    if (!readers_.empty()) {
      connection = std::move(readers_.back());
      readers_.pop_back();
    }
  }
  Result<void> result;
  if (!connection) {
    connection = std::make_unique<Connection>();
    result = connection->open(path_, Connection::Mode::read);
  }
  const bool is_usable = result.has_value();
  if (is_usable) result = read(*connection);
  if (!is_usable) connection.reset();
  {
    const std::scoped_lock lock(readers_mutex_);
    --readers_lent_;
    if (connection) readers_.push_back(std::move(connection));
  }
  reader_back_.notify_all();
  return result;
}

}  // namespace propeller::db
