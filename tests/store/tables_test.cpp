// The tables in memory against the standard's, and their size.
#include <gtest/gtest.h>

#include <map>
#include <random>
#include <set>

#include "store/blob_table.hpp"
#include "store/catalogue.hpp"
#include "store/hash_set.hpp"
#include "store/store_index.hpp"
#include "store/store_options.hpp"

namespace propeller::store {
namespace {

TEST(HashSet, ItHoldsWhatAStandardSetHolds) {
  HashSet set;
  std::set<std::uint64_t> model;
  std::mt19937_64 random(1);  // NOLINT(cert-msc32-c,cert-msc51-cpp): the same trace every time
  for (int i = 0; i < 100'000; ++i) {
    const std::uint64_t value = random() % 500 << (i % 2 == 0 ? 0 : 50);  // poor low bits too; 0 never
    if (random() % 2 == 0)
      EXPECT_EQ(set.insert(value + 2), model.insert(value + 2).second);
    else
      EXPECT_EQ(set.erase(value + 2), model.erase(value + 2) == 1);
    ASSERT_EQ(set.size(), model.size());
  }
  for (const std::uint64_t value : model) EXPECT_TRUE(set.contains(value));
}

BlobDigest numbered(std::uint64_t number) {
  if (number % 16 != 0) return base::sha256(std::to_string(number));
  BlobHash hash(DigestAlgorithm::sha512);
  hash.update(std::to_string(number));
  return hash.finish();
}

TEST(BlobTable, ItHoldsWhatAStandardMapHolds) {
  BlobTable table;
  std::map<BlobDigest, Slot> model;
  std::mt19937 random(1);  // NOLINT(cert-msc32-c,cert-msc51-cpp): the same trace every time
  for (int i = 0; i < 20'000; ++i) {
    const BlobDigest digest = numbered(random() % 300);
    const auto known = model.find(digest);
    ASSERT_EQ(table.find(digest).has_value(), known != model.end());
    if (known == model.end()) {
      model[digest] = table.insert(digest);
    } else {
      EXPECT_EQ(table.digest_of(known->second), digest);
      table.erase(known->second);
      model.erase(known);
    }
  }
  EXPECT_EQ(table.size(), model.size());
  for (const auto& [digest, slot] : model) EXPECT_EQ(table.find(digest), slot);
}

TEST(BlobTable, TwoLongDigestsWithTheSameFirstHalfAreTwoBlobs) {
  std::array<std::uint8_t, 64> bytes{};
  const auto one = *BlobDigest::from_bytes(DigestAlgorithm::sha512, bytes);
  bytes[63] = 1;
  const auto two = *BlobDigest::from_bytes(DigestAlgorithm::sha512, bytes);
  const auto three = *BlobDigest::from_bytes(DigestAlgorithm::sha256, std::span(bytes).first(32));
  BlobTable table;
  const Slot slot = table.insert(one);
  EXPECT_EQ(table.find(two), std::nullopt);
  EXPECT_EQ(table.find(three), std::nullopt);
  table.insert(two);
  table.insert(three);
  EXPECT_EQ(table.find(one), slot);
}

TEST(Catalogue, ABlobAndItsEntryTakeLessThan200BytesOfMemory) {
  constexpr std::size_t kCount = 100'000;
  Catalogue catalogue(PolicyKind::s3fifo, {.bytes_max = kCount * 1000, .blobs_max = 1'000'000});
  HashSet keys;
  std::vector<BlobDigest> victims;
  for (std::size_t i = 0; i < kCount; ++i) {
    const Digest digest = base::sha256(std::to_string(i));
    catalogue.add({.digest = digest, .size = 1000}, 0, victims);
    keys.insert(BlobDigest(digest).prefix());
  }
  const std::size_t bytes = (catalogue.memory_bytes() + keys.memory_bytes()) / kCount;
  RecordProperty("bytes_per_blob", static_cast<int>(bytes));
  EXPECT_LE(bytes, 200U);
  EXPECT_TRUE(victims.empty());
}

TEST(Catalogue, NobodyGoesForWhatCannotBeHadAnyway) {
  Catalogue catalogue(PolicyKind::lru, {.bytes_max = 100, .blobs_max = 10});
  std::vector<BlobDigest> victims;
  catalogue.add({.digest = numbered(1), .size = 50}, 0, victims);
  EXPECT_FALSE(catalogue.reserve({.bytes = 101}, victims));
  ASSERT_TRUE(catalogue.reserve({.bytes = 40}, victims));
  EXPECT_FALSE(catalogue.reserve({.bytes = 61}, victims));
  EXPECT_TRUE(victims.empty());
  EXPECT_TRUE(catalogue.reserve({.bytes = 60}, victims));
  EXPECT_EQ(victims, std::vector{numbered(1)});
  catalogue.release(100);
  EXPECT_EQ(catalogue.bytes(), 0U);
}

TEST(Catalogue, ALargeNewcomerIsAdmittedTheSecondTimeOrWhenThereIsRoom) {
  Catalogue catalogue(PolicyKind::s3fifo, {.bytes_max = 100, .blobs_max = 10});
  std::vector<BlobDigest> victims;
  EXPECT_TRUE(catalogue.reserve({.bytes = 50, .name = 1}, victims));
  catalogue.add({.digest = numbered(1), .size = 50}, 50, victims);
  EXPECT_FALSE(catalogue.reserve({.bytes = 60, .name = 2}, victims));
  EXPECT_TRUE(catalogue.reserve({.bytes = 60, .name = 2}, victims));
}

TEST(BlobDigest, ItReadsBothAlgorithmsAndNothingElse) {
  const std::string digits(128, 'a');
  EXPECT_EQ(BlobDigest::parse("sha512:" + digits)->to_string(), "sha512:" + digits);
  EXPECT_EQ(BlobDigest::parse("sha256:" + digits.substr(64))->to_string(), "sha256:" + digits.substr(64));
  for (const std::string& text : {std::string("sha512:") + digits.substr(1), "sha256:" + digits, "md5:" + digits,
                                  "sha256:" + std::string(64, 'A'), std::string(), std::string("sha256:")}) {
    EXPECT_FALSE(BlobDigest::parse(text)) << text;
  }
}

TEST(BlobDigest, ItComesBackFromTheIndexAsItWas) {
  for (const std::uint64_t number : {1U, 16U}) {
    EXPECT_EQ(unpack_digest(pack_digest(numbered(number))), numbered(number));
  }
  EXPECT_EQ(unpack_digest({}), std::nullopt);
  EXPECT_EQ(unpack_digest(std::vector<std::uint8_t>(33, 9)), std::nullopt);
  EXPECT_EQ(unpack_digest(std::vector<std::uint8_t>(32, 1)), std::nullopt);
}

TEST(EndOfPrefix, ItIsTheFirstTextBehindAllThatBeginSo) {
  EXPECT_EQ(end_of_prefix("ab"), "ac");
  EXPECT_EQ(end_of_prefix("a\xff"), "b");
  EXPECT_EQ(end_of_prefix("\xff"), "");
  EXPECT_EQ(end_of_prefix(""), "");
}

}  // namespace
}  // namespace propeller::store
