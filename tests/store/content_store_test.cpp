// Blobs in, blobs out: what is kept, for how long, and what another program sees in the directory.
#include <algorithm>
#include <memory>
#include <string>
#include <vector>

#include "store/hot_blobs.hpp"
#include "store/store_fixture.hpp"

namespace propeller::store {
namespace {

TEST_F(StoreTest, ABlobIsFoundByItsDigestAndOnlyWhenItIsComplete) {
  open();
  const BlobDigest digest = digest_of("module");
  Joined joined = join(digest);
  ASSERT_TRUE(joined.writer && joined.reader);
  EXPECT_EQ(find(digest), nullptr);
  ASSERT_TRUE(run(download(std::move(joined.writer), "module")));
  const auto found = find(digest);
  ASSERT_NE(found, nullptr);
  EXPECT_EQ(text_of(*found), "module");
  EXPECT_EQ(join(digest).writer, nullptr);
  EXPECT_EQ(probe_.hits.value(), 1U);
  EXPECT_EQ(probe_.misses.value(), 1U);
}

TEST_F(StoreTest, ASmallBlobStaysOpenAndInMemoryUntilItIsRemoved) {
  open();
  const BlobDigest digest = digest_of("module");
  put("module");
  const auto first = find(digest);
  ASSERT_NE(first, nullptr);
  EXPECT_EQ(first->bytes(), "module");
  EXPECT_EQ(find(digest), first);
  ASSERT_TRUE(run(store_->erase_blob(digest)));
  EXPECT_EQ(find(digest), nullptr);
  EXPECT_EQ(first.use_count(), 1);  // nobody else keeps it open
  const std::string large(HotBlobs::kBlobBytesMax + 1, 'x');
  put(large);
  EXPECT_EQ(find(digest_of(large))->bytes(), "");
}

TEST_F(StoreTest, OfManySmallBlobsTheOnesUsedLastStayInMemory) {
  open();
  const auto text_number = [](std::size_t number) { return "module " + std::to_string(number); };
  std::vector<std::weak_ptr<const OpenBlob>> blobs;
  for (std::size_t i = 0; i < HotBlobs::kBlobsMax + 2; ++i) {
    put(text_number(i));
    blobs.push_back(find(digest_of(text_number(i))));
    EXPECT_NE(find(digest_of(text_number(0))), nullptr);
  }
  EXPECT_FALSE(blobs[0].expired());
  EXPECT_TRUE(blobs[1].expired());
  EXPECT_TRUE(blobs[2].expired());
  EXPECT_EQ(std::ranges::count_if(blobs, [](const auto& blob) { return !blob.expired(); }),
            static_cast<std::ptrdiff_t>(HotBlobs::kBlobsMax));
}

TEST_F(StoreTest, TheDirectoryIsAnOciImageLayout) {
  open();
  put("module");
  std::ifstream layout(directory_ / "oci-layout");
  EXPECT_EQ(std::string(std::istreambuf_iterator(layout), {}), R"({"imageLayoutVersion":"1.0.0"})");
  EXPECT_TRUE(fs::exists(directory_ / "index.json"));
  EXPECT_EQ(fs::file_size(blob_path(digest_of("module"))), 6U);
  EXPECT_TRUE(fs::is_empty(directory_ / "tmp"));
}

TEST_F(StoreTest, ASha512DigestNamesABlobToo) {
  open();
  BlobHash hash(DigestAlgorithm::sha512);
  hash.update("module");
  const BlobDigest digest = hash.finish();
  ASSERT_NE(put("module", digest), nullptr);
  reopen();
  ASSERT_NE(find(digest), nullptr);
  EXPECT_EQ(find(digest_of("module")), nullptr);
  ASSERT_TRUE(run(store_->erase_blob(digest)));
  EXPECT_FALSE(fs::exists(blob_path(digest)));
}

TEST_F(StoreTest, WhatIsAskedForByAnotherKeyIsKeptUnderItsDigest) {
  open();
  Joined joined = std::move(*run(store_->join({.key = "https://example.org/a", .digest = {}})));
  const auto blob = run(download(std::move(joined.writer), "module"));
  ASSERT_TRUE(blob && *blob);
  EXPECT_EQ((*blob)->digest(), digest_of("module"));
  EXPECT_NE(find(digest_of("module")), nullptr);
}

TEST_F(StoreTest, BytesOfTheWrongDigestAreNeverKept) {
  open();
  EXPECT_EQ(put("forged", digest_of("module")), nullptr);
  EXPECT_EQ(find(digest_of("module")), nullptr);
  EXPECT_EQ(find(digest_of("forged")), nullptr);
  EXPECT_EQ(probe_.mismatches.value(), 1U);
  store_.reset();  // waits for drafts, which go on the pool
  EXPECT_EQ(probe_.bytes.value(), 0);
  EXPECT_TRUE(fs::is_empty(directory_ / "tmp"));
}

TEST_F(StoreTest, TheLimitIsKeptAndTheLeastRecentlyUsedGoesFirst) {
  options_.size_bytes_max = 30;
  open();
  put("aaaaaaaaaa");
  put("bbbbbbbbbb");
  put("cccccccccc");
  EXPECT_NE(find(digest_of("aaaaaaaaaa")), nullptr);
  put("dddddddddd");
  EXPECT_EQ(find(digest_of("bbbbbbbbbb")), nullptr);
  EXPECT_FALSE(fs::exists(blob_path(digest_of("bbbbbbbbbb"))));
  EXPECT_NE(find(digest_of("aaaaaaaaaa")), nullptr);
  EXPECT_EQ(store_->status().bytes, 30U);
  EXPECT_EQ(probe_.evicted.value(), 1U);
}

TEST_F(StoreTest, RecencySurvivesARestartAndALowerLimitHoldsAtOnce) {
  options_.size_bytes_max = 30;
  open();
  put("aaaaaaaaaa");
  put("bbbbbbbbbb");
  put("cccccccccc");
  EXPECT_NE(find(digest_of("aaaaaaaaaa")), nullptr);
  options_.size_bytes_max = 15;
  reopen();
  EXPECT_NE(find(digest_of("aaaaaaaaaa")), nullptr);
  EXPECT_EQ(find(digest_of("bbbbbbbbbb")), nullptr);
  EXPECT_EQ(find(digest_of("cccccccccc")), nullptr);
  EXPECT_FALSE(fs::exists(blob_path(digest_of("cccccccccc"))));
  EXPECT_EQ(store_->status().bytes, 10U);
}

TEST_F(StoreTest, AnObjectThatIsTooLargeIsPassedOnAndNotKept) {
  options_.object_bytes_max = 5;
  open();
  Joined joined = join(digest_of("module"));
  EXPECT_EQ(*run(download(std::move(joined.writer), "module")), nullptr);
  EXPECT_EQ(run(receive(*joined.reader)).text, "module");
  EXPECT_EQ(find(digest_of("module")), nullptr);
  EXPECT_NE(put("small"), nullptr);
  EXPECT_EQ(probe_.refused.value(), 1U);
}

TEST_F(StoreTest, APinnedBlobStaysWhateverComes) {
  options_.size_bytes_max = 20;
  open();
  put("aaaaaaaaaa");
  ASSERT_TRUE(run(store_->pin_blob(digest_of("aaaaaaaaaa"), true)));
  put("bbbbbbbbbb");
  put("cccccccccc");
  EXPECT_NE(find(digest_of("aaaaaaaaaa")), nullptr);
  EXPECT_EQ(put(std::string(15, 'd')), nullptr);  // there is no room for it beside the pinned one
  reopen();
  put("eeeeeeeeee");
  EXPECT_NE(find(digest_of("aaaaaaaaaa")), nullptr);
  ASSERT_TRUE(run(store_->pin_blob(digest_of("aaaaaaaaaa"), false)));
  put("ffffffffff");
  put("gggggggggg");
  EXPECT_EQ(find(digest_of("aaaaaaaaaa")), nullptr);
  EXPECT_EQ(run(store_->pin_blob(digest_of("nobody"), true)).error().code, Code::not_found);
}

TEST_F(StoreTest, AnEvictedBlobStaysReadableForWhoHoldsIt) {
  options_.size_bytes_max = 10;
  open();
  put("aaaaaaaaaa");
  const auto held = find(digest_of("aaaaaaaaaa"));
  put("bbbbbbbbbb");
  EXPECT_EQ(find(digest_of("aaaaaaaaaa")), nullptr);
  EXPECT_EQ(text_of(*held), "aaaaaaaaaa");
}

TEST_F(StoreTest, ClearingTakesEverythingButWhatIsPinned) {
  open();
  put("aaaaaaaaaa");
  put("bbbbbbbbbb");
  ASSERT_TRUE(run(store_->pin_blob(digest_of("aaaaaaaaaa"), true)));
  for (const char* body : {"aaaaaaaaaa", "bbbbbbbbbb"})
    ASSERT_TRUE(run(store_->put_entry({.key = body, .digest = digest_of(body), .size = 10})));
  ASSERT_TRUE(run(store_->put_entry({.key = "a tag"})));
  ASSERT_TRUE(run(store_->clear_unpinned()));
  EXPECT_EQ(store_->status().entries, 1U);
  EXPECT_NE(run(store_->find_entry("aaaaaaaaaa")).value(), nullptr) << "by its name alone clients reach it";
  EXPECT_EQ(run(store_->find_entry("a tag")).value(), nullptr);
  EXPECT_NE(find(digest_of("aaaaaaaaaa")), nullptr);
  EXPECT_EQ(find(digest_of("bbbbbbbbbb")), nullptr);
  EXPECT_EQ(store_->status().bytes, 10U);
}

TEST_F(StoreTest, EveryPolicyHasAName) {
  EXPECT_EQ(*parse_policy("s3fifo"), PolicyKind::s3fifo);
  EXPECT_EQ(*parse_policy("sieve"), PolicyKind::sieve);
  EXPECT_EQ(*parse_policy("lru"), PolicyKind::lru);
  EXPECT_EQ(parse_policy("fifo").error().code, Code::bad_config);
}

TEST_F(StoreTest, EveryPolicyKeepsTheLimit) {
  for (const PolicyKind policy : {PolicyKind::s3fifo, PolicyKind::sieve, PolicyKind::lru}) {
    store_.reset();
    fs::remove_all(directory_);
    options_.policy = policy;
    options_.size_bytes_max = 1000;
    open();
    for (int i = 0; i < 400; ++i) put("blob " + std::to_string(i * 7 % 200));
    EXPECT_LE(store_->status().bytes, 1000U);
    EXPECT_GE(store_->status().blobs, 90U);
  }
}

TEST_F(StoreTest, MoreBlobsThanTheirNumberMaxMakeOthersGo) {
  options_.entries_max = 5;
  open();
  for (int i = 0; i < 20; ++i) put("blob " + std::to_string(i));
  EXPECT_EQ(store_->status().blobs, 5U);
}

TEST_F(StoreTest, AFreeDiskFloorThatCannotBeKeptMeansNothingIsStored) {
  options_.free_bytes_min = std::uint64_t{1} << 60;
  open();
  EXPECT_EQ(put("module"), nullptr);
  EXPECT_EQ(probe_.refused.value(), 1U);
  EXPECT_TRUE(store_->status().is_storing);  // it is our limit, not the disk's
}

TEST_F(StoreTest, AStoreThatCouldNotBeOpenedPassesOn) {
  std::ofstream(directory_) << "a file, not a directory";
  options_.directory = directory_ / "store";
  store_ = std::make_unique<ContentStore>(options_, pool_, probe_);
  EXPECT_EQ(store_->open().error().code, Code::io);
  Joined joined = join(digest_of("module"));
  EXPECT_EQ(*run(download(std::move(joined.writer), "module")), nullptr);
  EXPECT_EQ(run(receive(*joined.reader)).text, "module");
  EXPECT_EQ(*run(store_->find_entry("key")), nullptr);
}

}  // namespace
}  // namespace propeller::store
