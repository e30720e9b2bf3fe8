#include "config/file_watcher.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <condition_variable>
#include <mutex>

#include "config/support.hpp"

namespace propeller::config {
namespace {

using namespace std::chrono_literals;
namespace fs = std::filesystem;

/// Counts calls; waits for one.
class Calls {
 public:
  void add() {
    const std::lock_guard lock(mutex_);
    ++count_;
    changed_.notify_all();
  }
  bool wait(int count, std::chrono::milliseconds limit = 10s) {
    std::unique_lock lock(mutex_);
    return changed_.wait_for(lock, limit, [&] { return count_ >= count; });
  }
  int count() {
    const std::lock_guard lock(mutex_);
    return count_;
  }

 private:
  std::mutex mutex_;
  std::condition_variable changed_;
  int count_ = 0;
};

class FileWatcherTest : public testing::Test {
 protected:
  std::unique_ptr<FileWatcher> watch(const fs::path& file, FileWatcherOptions options = {}) {
    auto watcher = std::make_unique<FileWatcher>(file, [this] { calls_.add(); }, options);
    EXPECT_TRUE(watcher->start());
    return watcher;
  }

  const TemporaryDirectory files_;
  Calls calls_;
};

// Far beyond any test: what is seen is seen by an event.
constexpr FileWatcherOptions kEventsOnly{.debounce = 20ms, .look_again = 1h};

TEST_F(FileWatcherTest, SeesAFileThatIsWritten) {
  const auto file = files_.write("p.yaml", "a");
  const auto watcher = watch(file, kEventsOnly);
  files_.write("p.yaml", "bb");
  EXPECT_TRUE(calls_.wait(1));
}

TEST_F(FileWatcherTest, SeesAFileThatAnEditorRenamesOverIt) {
  const auto file = files_.write("p.yaml", "a");
  const auto watcher = watch(file, kEventsOnly);
  fs::rename(files_.write("p.yaml.new", "a"), file);
  ASSERT_TRUE(calls_.wait(1));
  fs::rename(files_.write("p.yaml.new", "a"), file);
  EXPECT_TRUE(calls_.wait(2));
}

TEST_F(FileWatcherTest, SeesAFileThatWasNotThereAtFirst) {
  const auto watcher = watch(files_.path() / "p.yaml", kEventsOnly);
  files_.write("p.yaml", "a");
  EXPECT_TRUE(calls_.wait(1));
}

// Kubernetes: p.yaml -> ..data/p.yaml, ..data -> ..one, and then ..data is swapped by a rename.
TEST_F(FileWatcherTest, SeesTheSwapOfALinkToADirectory) {
  files_.write("..one/p.yaml", "1");
  files_.write("..two/p.yaml", "2");
  fs::create_directory_symlink("..one", files_.path() / "..data");
  fs::create_symlink("..data/p.yaml", files_.path() / "p.yaml");
  const auto watcher = watch(files_.path() / "p.yaml", kEventsOnly);
  fs::create_directory_symlink("..two", files_.path() / "..data_tmp");
  fs::rename(files_.path() / "..data_tmp", files_.path() / "..data");
  EXPECT_TRUE(calls_.wait(1));
}

TEST_F(FileWatcherTest, SeesAChangeOfTheFileThatALinkLeadsTo) {
  const auto real = files_.write("elsewhere/real.yaml", "1");
  fs::create_directories(files_.path() / "here");
  fs::create_symlink(real, files_.path() / "here/p.yaml");
  const auto watcher = watch(files_.path() / "here/p.yaml", kEventsOnly);
  files_.write("elsewhere/real.yaml", "22");
  EXPECT_TRUE(calls_.wait(1));
}

TEST_F(FileWatcherTest, SeesAChangeWithoutAnyEvent) {
  const auto directory = files_.path() / "later";
  // The directory is made after start(): there was nothing to put a watch on.
  const auto watcher = watch(directory / "p.yaml", {.debounce = 5ms, .look_again = 20ms});
  files_.write("later/p.yaml", "a");
  EXPECT_TRUE(calls_.wait(1));
}

TEST_F(FileWatcherTest, OneBurstOfWritesIsOneCall) {
  const auto file = files_.write("p.yaml", "a");
  const auto watcher = watch(file, {.debounce = 300ms, .look_again = 1h});
  for (int i = 0; i < 20; ++i) files_.write("p.yaml", std::string(static_cast<std::size_t>(i), 'x'));
  ASSERT_TRUE(calls_.wait(1));
  EXPECT_FALSE(calls_.wait(2, 700ms));
}

TEST_F(FileWatcherTest, OtherFilesOfTheDirectoryAndADeletionAreNoChange) {
  const auto file = files_.write("p.yaml", "a");
  const auto watcher = watch(file, kEventsOnly);
  files_.write("other.yaml", "b");
  fs::remove(file);
  EXPECT_FALSE(calls_.wait(1, 200ms));
  files_.write("p.yaml", "c");
  EXPECT_TRUE(calls_.wait(1));
}

TEST_F(FileWatcherTest, LooksWhenItIsTold) {
  const auto file = files_.write("p.yaml", "a");
  const auto watcher = watch(file, kEventsOnly);
  watcher->look_now();
  EXPECT_TRUE(calls_.wait(1));
}

TEST_F(FileWatcherTest, EndsInTheMiddleOfChanges) {
  const auto file = files_.write("p.yaml", "a");
  auto watcher = watch(file, kEventsOnly);
  files_.write("p.yaml", "bb");
  watcher.reset();
  const int count = calls_.count();
  files_.write("p.yaml", "ccc");
  EXPECT_FALSE(calls_.wait(count + 1, 100ms));
}

TEST(DirectoriesOnTheWay, EndAtACircleOfLinks) {
  const TemporaryDirectory files;
  fs::create_symlink("b", files.path() / "a");
  fs::create_symlink("a", files.path() / "b");
  EXPECT_THAT(directories_on_the_way(files.path() / "a"), testing::Contains(files.path()));
  EXPECT_LE(directories_on_the_way(files.path() / "a").size(), kLinksMax + 1);
}

}  // namespace
}  // namespace propeller::config
