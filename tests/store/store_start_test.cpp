// How long a start takes with many blobs: measured and reported, not gated.
#include <fcntl.h>

#include <chrono>
#include <cstdlib>
#include <ctime>
#include <thread>

#include "store/layout_directory.hpp"
#include "store/store_fixture.hpp"
#include "store/store_index.hpp"

namespace propeller::store {
namespace {

// The promise is about 100 000; in every run a small number shows that the numbers are right.
int blob_count() {
  const char* text = std::getenv("PROPELLER_STORE_START_BLOBS");  // NOLINT(concurrency-mt-unsafe): before any thread
  return text != nullptr ? std::atoi(text) : 2000;
}

TEST_F(StoreTest, AStartFindsEveryBlobAndEntryAgain) {
  open();
  store_.reset();
  const int count = blob_count();
  {
    StoreIndex index;
    ASSERT_TRUE(index.open(directory_ / "index.db"));
    for (int i = 0; i < count; ++i) {
      const BlobDigest digest = digest_of(std::to_string(i));
      std::ofstream(blob_path(digest)) << i;
      const base::FileDescriptor file(::open(blob_path(digest).c_str(), O_RDONLY | O_CLOEXEC));
      const auto state = state_of(file.get());
      ASSERT_TRUE(state);
      const BlobRow row{.digest = digest, .size = state->size, .changed_ns = state->changed_ns, .used = 1U + i};
      while (!index.put_blobs({row})) std::this_thread::yield();
      auto entry = std::make_shared<const Entry>(
          Entry{.key = "https://registry.example.org/v2/library/image/blobs/" + digest.to_string(), .digest = digest});
      auto dropped = std::make_shared<std::vector<std::string>>();
      const StoreIndex::EntryWrite write{
          .entry = entry, .before = nullptr, .entries_max = 1'000'000, .dropped = dropped};
      while (!index.put_entry(write, {})) std::this_thread::yield();
    }
  }
  options_.size_bytes_max = 1'000'000'000;
  const auto begin = std::chrono::steady_clock::now();
  const std::clock_t cpu_begin = std::clock();
  open();
  const std::clock_t cpu_took = std::clock() - cpu_begin;
  const auto took = std::chrono::duration_cast<std::chrono::milliseconds>(std::chrono::steady_clock::now() - begin);
  RecordProperty("start_ms", static_cast<int>(took.count()));
  RecordProperty("start_cpu_ms", static_cast<int>(cpu_took * 1000 / CLOCKS_PER_SEC));
  RecordProperty("memory_bytes_per_blob", static_cast<int>(store_->memory_bytes() / static_cast<std::size_t>(count)));
  EXPECT_EQ(store_->status().blobs, static_cast<std::size_t>(count));
  EXPECT_EQ(store_->status().entries, static_cast<std::size_t>(count));
  EXPECT_LE(store_->memory_bytes() / static_cast<std::size_t>(count), 200U);
  EXPECT_EQ(probe_.damaged.value() + probe_.swept.value(), 0U);
  EXPECT_EQ(text_of(*find(digest_of("7"))), "7");
}

}  // namespace
}  // namespace propeller::store
