// kill -9 at any instant, under load: no wrong and no half blob is ever visible, and the next start works.
#include <sys/wait.h>

#include <csignal>
#include <random>
#include <thread>

#include "async/core.hpp"
#include "store/layout_directory.hpp"
#include "store/store_fixture.hpp"
#include "support/kills.hpp"

namespace propeller::store {
namespace {

std::string blob_text(std::uint64_t number) {
  std::string text = "blob " + std::to_string(number) + " ";
  while (text.size() < 1000 + number % 7 * 40'000) text += text;
  return text;
}

// What the child does until it is killed: stores, reads, evicts and names blobs as fast as it can.
awaitable<void> work(ContentStore& store, std::uint64_t seed) {
  std::mt19937_64 random(seed);
  for (;;) {
    const std::string text = blob_text(random() % 200);
    auto joined = co_await store.join({.key = {}, .digest = digest_of(text)});
    if (!joined || !joined->writer) continue;
    if (!co_await joined->writer->begin({.header_text = {}, .length = text.size(), .validator = {}})) continue;
    for (std::size_t offset = 0; offset < text.size(); offset += 10'000) {
      if (!co_await joined->writer->write(std::string_view(text).substr(offset, 10'000))) break;
    }
    if (!co_await joined->writer->finish()) ::_exit(3);
    if (!co_await store.put_entry({.key = std::to_string(random() % 300), .digest = digest_of(text)})) continue;
  }
}

[[noreturn]] void child(const StoreOptions& options, std::uint64_t seed, int ready) {
  observe::Metrics metrics;
  Probe probe(metrics);
  asio::thread_pool pool(2);
  ContentStore store(options, pool, probe);
  if (!store.open()) ::_exit(2);
  if (::write(ready, "r", 1) != 1) ::_exit(4);
  asio::io_context core(1);
  for (std::uint64_t i = 0; i < 4; ++i) asio::co_spawn(core, work(store, seed + i), asio::detached);
  core.run();
  ::_exit(5);
}

class StoreCrashTest : public StoreTest {
 protected:
  StoreCrashTest() { pool_.join(); }

  void kill_one(std::uint64_t round) {
    int pipe[2] = {};
    ASSERT_EQ(::pipe(pipe), 0);
    const pid_t pid = ::fork();
    if (pid == 0) child(options_, round * 10, pipe[1]);
    ::close(pipe[1]);
    char byte = 0;
    EXPECT_EQ(::read(pipe[0], &byte, 1), 1) << "the child of round " << round << " could not open the store";
    ::close(pipe[0]);
    std::mt19937 random(static_cast<unsigned>(round));                          // NOLINT(cert-msc32-c,cert-msc51-cpp)
    std::this_thread::sleep_for(std::chrono::microseconds(random() % 60'000));  // the instant is the point
    ::kill(pid, SIGKILL);
    int status = 0;
    ::waitpid(pid, &status, 0);
    EXPECT_TRUE(WIFSIGNALED(status)) << "it ended by itself: " << WEXITSTATUS(status);
  }
};

TEST_F(StoreCrashTest, AProcessKilledAtAnyInstantLeavesNoWrongAndNoHalfBlob) {
  options_.size_bytes_max = 5'000'000;
  options_.flush_interval = std::chrono::milliseconds(5);
  int blobs = 0;
  for (int round = 0; round < support::kill_count(10); ++round) {
    kill_one(static_cast<std::uint64_t>(round));
    const auto seen = support::count_blobs(directory_ / "blobs/sha256");
    EXPECT_EQ(seen.wrong, 0) << "whoever reads the directory sees whole blobs only";
    blobs += seen.right;
  }
  EXPECT_GT(blobs, 0) << "nothing was ever stored: the test shows nothing";
  asio::thread_pool pool(2);
  {
    ContentStore store(options_, pool, probe_);
    ASSERT_TRUE(store.open());
    EXPECT_LE(store.status().bytes, options_.size_bytes_max);
    EXPECT_TRUE(fs::is_empty(directory_ / "tmp"));
    EXPECT_EQ(probe_.damaged.value(), 0U);
    for (const Entry& entry : *run(store.list_entries("", "", ContentStore::kPageMax))) {
      const auto found = run(store.find_entry(entry.key));
      ASSERT_TRUE(found);
      if (*found) EXPECT_NE(run(store.find_blob(*(*found)->digest)), nullptr);
    }
  }
  pool.join();
}

}  // namespace
}  // namespace propeller::store
