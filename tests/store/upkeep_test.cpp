// What an operator asks of the store: pins, purges, checks, clean-ups.
#include "store/upkeep.hpp"

#include <ctime>
#include <limits>

#include "store/catalogue.hpp"
#include "store_fixture.hpp"
#include "support/environment.hpp"

namespace propeller::store {
namespace {

class UpkeepTest : public StoreTest {
 protected:
  void name(const std::string& key, const std::string& text) {
    put(text);
    ASSERT_TRUE(run(store_->put_entry({.key = key, .digest = digest_of(text), .size = text.size()})));
  }
  bool is_there(const std::string& key) { return *run(store_->find_entry(key)) != nullptr; }
  /// All steps of one; the last one's progress.
  CheckProgress check() {
    const auto job = store_->begin_check();
    auto progress = run(store_->go_on(job));
    while (!progress.is_done) progress = run(store_->go_on(job));
    return progress;
  }
  SweepProgress sweep(bool takes_unnamed = false) {
    const auto job = store_->begin_sweep(takes_unnamed);
    auto progress = run(store_->go_on(job));
    while (progress && !progress->is_done) progress = run(store_->go_on(job));
    return progress.value_or(SweepProgress{});
  }
  void damage(const std::string& text) {
    std::fstream file(blob_path(digest_of(text)), std::ios::in | std::ios::out | std::ios::binary);
    file.put('X');
  }
};

TEST_F(UpkeepTest, HalfOfTheStoreIsPinnedAtMostAndTheRefusalSaysSo) {
  options_.size_bytes_max = 100;
  open();
  put(std::string(30, 'a'));
  put(std::string(30, 'b'));
  ASSERT_TRUE(run(store_->pin_blob(digest_of(std::string(30, 'a')), true)));
  ASSERT_TRUE(run(store_->pin_blob(digest_of(std::string(30, 'a')), true))) << "twice is once";
  const auto refused = run(store_->pin_blob(digest_of(std::string(30, 'b')), true));
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, Code::limit_exceeded);
  ASSERT_TRUE(run(store_->pin_blob(digest_of(std::string(30, 'a')), false)));
  EXPECT_TRUE(run(store_->pin_blob(digest_of(std::string(30, 'b')), true)));
  ASSERT_EQ(store_->pinned_blobs().size(), 1U);
  reopen();
  EXPECT_EQ(store_->pinned_blobs().front().digest, digest_of(std::string(30, 'b')));
}

TEST(Catalogue, SoManyBlobsArePinnedAndNoMore) {
  Catalogue catalogue(PolicyKind::lru, {.bytes_max = 1'000'000'000, .blobs_max = 100'000});
  std::vector<BlobDigest> victims;
  for (std::size_t i = 0; i <= Catalogue::kPinsMax; ++i)
    catalogue.add({.digest = digest_of(std::to_string(i)), .size = 1}, 0, victims);
  for (std::size_t i = 0; i < Catalogue::kPinsMax; ++i)
    ASSERT_EQ(catalogue.pin(digest_of(std::to_string(i)), true), Catalogue::Pinned::done);
  const auto last = digest_of(std::to_string(Catalogue::kPinsMax));
  EXPECT_EQ(catalogue.pin(last, true), Catalogue::Pinned::too_much);
  catalogue.remove(digest_of("0"));
  EXPECT_EQ(catalogue.pin(last, true), Catalogue::Pinned::done);
}

TEST_F(UpkeepTest, WhenABlobWasLastUsedIsKnownAlsoAfterARestart) {
  open();
  put("a");
  const auto now = std::time(nullptr);
  ASSERT_NE(find(digest_of("a")), nullptr);
  EXPECT_NEAR(static_cast<double>(store_->blob_info(digest_of("a"))->used_at), static_cast<double>(now), 30);
  reopen();
  EXPECT_NEAR(static_cast<double>(store_->blob_info(digest_of("a"))->used_at), static_cast<double>(now), 30);
}

TEST_F(UpkeepTest, ErasedEntriesTakeTheBlobsThatNobodyElseNames) {
  open();
  name("one", "a");
  name("two", "a");
  name("three", "bb");
  name("four", "ccc");
  ASSERT_TRUE(run(store_->pin_blob(digest_of("ccc"), true)));
  const auto erased = run(store_->erase_unpinned({"one", "three", "four"}));
  ASSERT_TRUE(erased);
  EXPECT_EQ(erased->entries, 2U);
  EXPECT_EQ(erased->blobs, 1U);
  EXPECT_EQ(erased->bytes, 2U);
  EXPECT_FALSE(is_there("one"));
  EXPECT_TRUE(is_there("four")) << "pinned: by its name alone clients reach it";
  EXPECT_TRUE(is_there("two"));
  EXPECT_TRUE(store_->has_blob(digest_of("a"))) << "two names it";
  EXPECT_FALSE(store_->has_blob(digest_of("bb")));
  EXPECT_TRUE(store_->has_blob(digest_of("ccc"))) << "pinned";
}

TEST_F(UpkeepTest, ABlobIsErasedUnlessItIsNamedOrPinned) {
  open();
  name("one", "a");
  name("two", "bb");
  name("three", "ccc");
  for (const auto* key : {"two", "three"}) ASSERT_TRUE(run(store_->erase_entry(key)));
  ASSERT_TRUE(run(store_->pin_blob(digest_of("ccc"), true)));
  for (const auto* bytes : {"a", "bb", "ccc", "none"})
    EXPECT_EQ(run(store_->erase_unnamed_blob(digest_of(bytes))).value(), std::string(bytes) == "bb") << bytes;
  EXPECT_TRUE(store_->has_blob(digest_of("a")));
  EXPECT_FALSE(store_->has_blob(digest_of("bb")));
  EXPECT_TRUE(store_->has_blob(digest_of("ccc")));
}

TEST_F(UpkeepTest, MoreKeysThanAPageAreRefused) {
  open();
  EXPECT_EQ(run(store_->erase_unpinned(std::vector<std::string>(ContentStore::kPageMax + 1, "k"))).error().code,
            Code::limit_exceeded);
}

TEST_F(UpkeepTest, BlobsThatNoEntryNamesAreListedInPages) {
  open();
  name("one", "a");
  put("b");
  put("c");
  // What was put is in the index a moment later.
  ASSERT_TRUE(support::wait_until([&] { return run(store_->list_unnamed_blobs(std::nullopt, 10))->size() == 2; }));
  const auto first = run(store_->list_unnamed_blobs(std::nullopt, 1));
  ASSERT_TRUE(first);
  ASSERT_EQ(first->size(), 1U);
  const auto second = run(store_->list_unnamed_blobs(first->front().digest, 10));
  ASSERT_EQ(second->size(), 1U);
  EXPECT_LT(first->front().digest, second->front().digest);
  EXPECT_NE(first->front().digest, digest_of("a"));
}

TEST_F(UpkeepTest, ACheckDropsWhatIsDamagedAndNothingElse) {
  open();
  name("good", "good bytes");
  name("bad", "bad bytes");
  put("gone");
  damage("bad bytes");
  fs::remove(blob_path(digest_of("gone")));
  const auto progress = check();
  EXPECT_EQ(progress.blobs, 3U);
  EXPECT_EQ(progress.damaged, 2U);
  EXPECT_FALSE(is_there("bad"));
  EXPECT_TRUE(is_there("good"));
  EXPECT_FALSE(store_->has_blob(digest_of("gone")));
  EXPECT_EQ(check().damaged, 0U);
}

TEST_F(UpkeepTest, ACheckReadsNoMoreThanItsBoundInAStep) {
  options_.size_bytes_max = 200'000'000;
  open();
  put(std::string(StoreCheck::kStepBytesMax + 1'000'000, 'a'));
  for (std::size_t i = 0; i < StoreCheck::kStepBlobsMax + 1; ++i) put(std::to_string(i));
  const auto job = store_->begin_check();
  std::size_t steps = 1;
  for (auto progress = run(store_->go_on(job)); !progress.is_done; ++steps) progress = run(store_->go_on(job));
  EXPECT_GE(steps, 3U);
}

TEST_F(UpkeepTest, ACheckIsNoUse) {
  options_.size_bytes_max = 20;
  open();
  put("aaaaaaaaaa");
  put("bbbbbbbbbb");
  EXPECT_EQ(check().blobs, 2U);
  put("cccccccccc");
  EXPECT_FALSE(store_->has_blob(digest_of("aaaaaaaaaa"))) << "the least recently used";
}

TEST_F(UpkeepTest, ACleanUpTakesInFilesThatAreRightAndRemovesThoseThatAreNot) {
  open();
  std::ofstream(blob_path(digest_of("right"))) << "right";
  std::ofstream(blob_path(digest_of("wrong"))) << "something else";
  const auto progress = sweep();
  EXPECT_EQ(progress.adopted, 1U);
  EXPECT_EQ(progress.removed, 1U);
  EXPECT_NE(find(digest_of("right")), nullptr);
  EXPECT_FALSE(fs::exists(blob_path(digest_of("wrong"))));
}

TEST_F(UpkeepTest, MoreStrayFilesThanAreKnownAtATimeAreAllSettled) {
  open();
  for (std::size_t i = 0; i < StoreSweep::kStraysMax + 1; ++i)
    std::ofstream(blob_path(digest_of(std::to_string(i)))) << i;
  EXPECT_EQ(sweep().adopted, StoreSweep::kStraysMax + 1);
}

TEST_F(UpkeepTest, ACleanUpTakesWhatNoEntryNamesOnlyWhenToldTo) {
  open();
  name("one", "a");
  put("bb");
  put("ccc");
  ASSERT_TRUE(run(store_->pin_blob(digest_of("ccc"), true)));
  EXPECT_EQ(sweep().unnamed, 0U);
  EXPECT_TRUE(store_->has_blob(digest_of("bb")));
  const auto progress = sweep(true);
  EXPECT_EQ(progress.unnamed, 1U);
  EXPECT_EQ(progress.bytes, 2U);
  EXPECT_TRUE(store_->has_blob(digest_of("a")));
  EXPECT_TRUE(store_->has_blob(digest_of("ccc")));
}

// The limit of the disk's free space can be passed by what others write there.
TEST_F(UpkeepTest, ACleanUpGivesTheDiskItsFreeSpaceBack) {
  open();
  put("aaaaaaaaaa");
  options_.free_bytes_min = std::numeric_limits<std::int64_t>::max();
  reopen();
  ASSERT_TRUE(store_->has_blob(digest_of("aaaaaaaaaa")));
  EXPECT_EQ(sweep().evicted, 1U);
  EXPECT_EQ(store_->status().bytes, 0U);
}

}  // namespace
}  // namespace propeller::store
