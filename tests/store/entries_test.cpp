// Entries by key: what was put is found, pages are in order, and an entry never outlives its body.
#include <thread>

#include "store/store_fixture.hpp"

namespace propeller::store {
namespace {

Entry entry_of(std::string key, std::optional<BlobDigest> digest = std::nullopt) {
  Entry entry{.key = std::move(key), .digest = digest};
  entry.header_text = "Content-Type: text/plain\r\n";
  entry.note = "fresh";
  entry.stored_at = 17;
  entry.expires_at = 18;
  return entry;
}

class EntriesTest : public StoreTest {
 protected:
  bool put_entry(Entry entry) { return run(store_->put_entry(std::move(entry))).has_value(); }
  std::shared_ptr<const Entry> find_entry(const std::string& key) { return *run(store_->find_entry(key)); }
  std::vector<std::string> keys(const std::string& prefix, const std::string& after, std::size_t count) {
    std::vector<std::string> found;
    for (const Entry& entry : *run(store_->list_entries(prefix, after, count))) found.push_back(entry.key);
    return found;
  }
};

TEST_F(EntriesTest, AnEntryComesBackAsItWasAlsoAfterARestart) {
  open();
  put("body");
  const Entry entry = entry_of("https://example.org/a", digest_of("body"));
  ASSERT_TRUE(put_entry(entry));
  EXPECT_EQ(*find_entry(entry.key), entry);
  reopen();
  ASSERT_NE(find_entry(entry.key), nullptr);
  EXPECT_EQ(*find_entry(entry.key), entry);
  EXPECT_EQ(find_entry("https://example.org/b"), nullptr);
}

TEST_F(EntriesTest, APutReplacesWhatWasThere) {
  open();
  ASSERT_TRUE(put_entry(entry_of("key")));
  Entry changed = entry_of("key");
  changed.status = 404;
  ASSERT_TRUE(put_entry(changed));
  EXPECT_EQ(find_entry("key")->status, 404);
  EXPECT_EQ(store_->status().entries, 1U);
}

TEST_F(EntriesTest, OnlyWhatIsThereStillIsReplaced) {
  open();
  for (const auto* body : {"a", "bb"}) put(body);
  const auto before = std::make_shared<const Entry>(entry_of("key", digest_of("a")));
  const auto replace = [&](int status) {
    auto entry = entry_of("key", digest_of("bb"));
    entry.status = status;
    const auto replaced = run(store_->replace_entry(before, std::move(entry)));
    return replaced ? std::nullopt : std::optional(replaced.error().code);
  };
  EXPECT_EQ(replace(201), Code::not_found) << "nothing is there";
  auto checked = *before;
  ++checked.checked_at;
  for (const auto& other : {entry_of("key"), entry_of("key", digest_of("bb")), checked}) {
    ASSERT_TRUE(put_entry(other));
    EXPECT_EQ(replace(202), Code::not_found);
    EXPECT_EQ(*find_entry("key"), other);
  }
  ASSERT_TRUE(put_entry(*before));
  EXPECT_EQ(replace(203), std::nullopt);
  EXPECT_EQ(find_entry("key")->status, 203);
}

TEST_F(EntriesTest, AnErasedEntryIsGone) {
  open();
  ASSERT_TRUE(put_entry(entry_of("key")));
  EXPECT_TRUE(*run(store_->erase_entry("key")));
  EXPECT_EQ(find_entry("key"), nullptr);
  EXPECT_FALSE(*run(store_->erase_entry("key")));
  reopen();
  EXPECT_EQ(find_entry("key"), nullptr);
}

TEST_F(EntriesTest, AnEntryGoesWithItsBody) {
  open();
  put("body");
  ASSERT_TRUE(put_entry(entry_of("one", digest_of("body"))));
  ASSERT_TRUE(put_entry(entry_of("two", digest_of("body"))));
  ASSERT_TRUE(put_entry(entry_of("without body")));
  ASSERT_TRUE(run(store_->erase_blob(digest_of("body"))));
  EXPECT_EQ(find_entry("one"), nullptr);
  // The index follows on a thread of its own.
  const auto is_listed_alone = [&] { return keys("", "", 10) == std::vector<std::string>{"without body"}; };
  for (int i = 0; i < 3000 && !is_listed_alone(); ++i) std::this_thread::sleep_for(std::chrono::milliseconds(10));
  EXPECT_TRUE(is_listed_alone());
}

TEST_F(EntriesTest, AnEntryWithoutItsBodyIsRefused) {
  open();
  EXPECT_EQ(run(store_->put_entry(entry_of("key", digest_of("nothing")))).error().code, Code::not_found);
}

TEST_F(EntriesTest, PagesAreInOrderAndWithinThePrefix) {
  open();
  for (const char* key : {"a/1", "b/1", "b/3", "b/2", "c/1"}) ASSERT_TRUE(put_entry(entry_of(key)));
  EXPECT_EQ(keys("b/", "", 2), (std::vector<std::string>{"b/1", "b/2"}));
  EXPECT_EQ(keys("b/", "b/2", 2), (std::vector<std::string>{"b/3"}));
  EXPECT_EQ(keys("", "b/3", 9), (std::vector<std::string>{"c/1"}));
  EXPECT_EQ(keys("\xff", "", 9), std::vector<std::string>());
}

TEST_F(EntriesTest, WhatIsTooLongIsRefused) {
  open();
  EXPECT_EQ(run(store_->put_entry(entry_of(std::string(Entry::kKeyBytesMax + 1, 'k')))).error().code, Code::too_large);
  Entry entry = entry_of("key");
  entry.note.assign(Entry::kTextBytesMax + 1, 'n');
  EXPECT_EQ(run(store_->put_entry(entry)).error().code, Code::too_large);
  entry.note.assign(Entry::kTextBytesMax, 'n');
  EXPECT_TRUE(put_entry(entry));
}

TEST_F(EntriesTest, TheOldestGoWhenThereAreTooMany) {
  options_.entries_max = 3;
  open();
  for (int i = 0; i < 5; ++i) ASSERT_TRUE(put_entry(entry_of("key " + std::to_string(i))));
  EXPECT_EQ(keys("", "", 10), (std::vector<std::string>{"key 2", "key 3", "key 4"}));
  EXPECT_EQ(find_entry("key 0"), nullptr);
  EXPECT_EQ(store_->status().entries, 3U);
}

TEST_F(EntriesTest, OneThatIsWrittenManyTimesCountsOnce) {
  options_.entries_max = 3;
  open();
  for (const char* key : {"first", "second", "third"}) ASSERT_TRUE(put_entry(entry_of(key)));
  for (int i = 0; i < 20; ++i) ASSERT_TRUE(put_entry(entry_of("third")));
  EXPECT_EQ(keys("", "", 10), (std::vector<std::string>{"first", "second", "third"}));
}

TEST_F(EntriesTest, ThoseOfPinnedContentAreNotTheOldest) {
  options_.entries_max = 3;
  open();
  put("body");
  ASSERT_TRUE(run(store_->pin_blob(digest_of("body"), true)));
  ASSERT_TRUE(put_entry(entry_of("pinned", digest_of("body"))));
  for (int i = 0; i < 5; ++i) ASSERT_TRUE(put_entry(entry_of("key " + std::to_string(i))));
  EXPECT_EQ(keys("", "", 10), (std::vector<std::string>{"key 3", "key 4", "pinned"}));
}

TEST_F(EntriesTest, TheNewOneStaysWhereAllOthersArePinned) {
  options_.entries_max = 2;
  open();
  put("body");
  ASSERT_TRUE(run(store_->pin_blob(digest_of("body"), true)));
  for (const char* key : {"one", "two"}) ASSERT_TRUE(put_entry(entry_of(key, digest_of("body"))));
  ASSERT_TRUE(put_entry(entry_of("new")));
  EXPECT_EQ(keys("", "", 10), (std::vector<std::string>{"new", "one", "two"}));
}

TEST_F(EntriesTest, AFullStoreGoesOnWithTheNewestAndSomeRoom) {
  options_.entries_max = 128;
  open();
  for (int i = 100; i < 400; ++i) {
    ASSERT_TRUE(put_entry(entry_of("key " + std::to_string(i))));
    ASSERT_LE(store_->status().entries, 128U);
  }
  const auto left = keys("", "", 200);
  EXPECT_GE(left.size(), 126U);
  EXPECT_EQ(left.back(), "key 399");
  EXPECT_EQ(left.front(), "key " + std::to_string(400 - left.size()));
}

TEST_F(EntriesTest, MoreThanTheHotOnesAreStillFound) {
  open();
  const std::size_t count = 3 * ContentStore::kHotBytesMax / Entry::kTextBytesMax;
  for (std::size_t i = 0; i < count; ++i) {
    Entry entry = entry_of("key " + std::to_string(i));
    entry.note.assign(Entry::kTextBytesMax, 'n');
    ASSERT_TRUE(put_entry(entry));
  }
  for (std::size_t i = 0; i < count; ++i) ASSERT_NE(find_entry("key " + std::to_string(i)), nullptr) << i;
}

TEST_F(EntriesTest, ADamagedIndexBeginsAnewAndTheBlobsComeBack) {
  open();
  put("body");
  ASSERT_TRUE(put_entry(entry_of("key", digest_of("body"))));
  store_.reset();
  fs::remove(directory_ / "index.db-wal");
  std::ofstream(directory_ / "index.db") << std::string(10'000, 'x');
  open();
  EXPECT_EQ(find_entry("key"), nullptr);
  // Strays are settled on the housekeeping thread: closing waits for the one in hand only, so look until it is there.
  while (!store_->has_blob(digest_of("body"))) std::this_thread::yield();
  EXPECT_EQ(text_of(*find(digest_of("body"))), "body");
}

}  // namespace
}  // namespace propeller::store
