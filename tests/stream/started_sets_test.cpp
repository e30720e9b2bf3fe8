#include "stream/started_sets.hpp"

#include <gtest/gtest.h>

#include <fstream>

#include "base/random.hpp"

namespace propeller::stream {
namespace {

using namespace std::chrono_literals;

struct StartedSetsTest : testing::Test {
  std::filesystem::path directory = std::filesystem::path(testing::TempDir()) / ("sets-" + base::random_hex(8));
  std::chrono::system_clock::time_point now{std::chrono::hours(400'000)};
  StartedSet set{.id = "ab12",
                 .channel = "c1",
                 .app_name = "acme/add:\"1\"\n",
                 .pinned = "r/acme/add@sha256:0",
                 .digest = base::sha256("x"),
                 .size = 5000,
                 .chunk_size = 100,
                 .delivered = 0,
                 .begun = now};

  ~StartedSetsTest() override { std::filesystem::remove_all(directory); }
  std::vector<StartedSet> left_behind() { return StartedSets(directory).take_over(now, 300s).value(); }
};

TEST_F(StartedSetsTest, ASetThatWasBegunIsFoundByTheNextProcessWithItsCount) {
  {
    StartedSets sets(directory);
    ASSERT_TRUE(sets.take_over(now, 300s));
    ASSERT_TRUE(sets.begin(set));
    sets.delivered("ab12", 7);
    sets.delivered("ab12", 12);
  }
  const auto found = left_behind();
  ASSERT_EQ(found.size(), 1u);
  EXPECT_EQ(found[0].id, "ab12");
  EXPECT_EQ(found[0].app_name, set.app_name);
  EXPECT_EQ(found[0].digest, set.digest);
  EXPECT_EQ(found[0].chunk_size, 100u);
  EXPECT_EQ(found[0].delivered, 12u);
  EXPECT_EQ(left_behind().size(), 1u) << "it stays noted until it is finished";
}

TEST_F(StartedSetsTest, AFinishedSetIsForgotten) {
  StartedSets sets(directory);
  ASSERT_TRUE(sets.take_over(now, 300s));
  ASSERT_TRUE(sets.begin(set));
  sets.finish("ab12");
  EXPECT_TRUE(left_behind().empty());
}

TEST_F(StartedSetsTest, OldAndMalformedNotesAreRemoved) {
  StartedSets sets(directory);
  ASSERT_TRUE(sets.take_over(now, 300s));
  set.begun = now - 301s;
  ASSERT_TRUE(sets.begin(set));
  std::ofstream(directory / "bad.set") << "{\"channel\":7";
  std::ofstream(directory / "empty.set") << "";
  EXPECT_TRUE(left_behind().empty());
  EXPECT_TRUE(std::filesystem::is_empty(directory));
}

TEST_F(StartedSetsTest, ADirectoryThatCannotBeUsedIsAnError) {
  std::ofstream(directory.string()) << "a file";
  EXPECT_EQ(StartedSets(directory).take_over(now, 300s).error().code, Code::io);
}

TEST(Quarantine, ANameRestsForItsTimeOnItsChannelOnly) {
  const std::chrono::steady_clock::time_point start{1h};
  Quarantine quarantine;
  quarantine.put({"c1", "app"}, start + Quarantine::kRest, {Code::digest_mismatch, Origin::upstream, "corrupt"});
  EXPECT_EQ(quarantine.find({"c1", "app"}, start + 299s)->why.code, Code::digest_mismatch);
  EXPECT_FALSE(quarantine.find({"c2", "app"}, start));
  EXPECT_FALSE(quarantine.find({"c1", "app"}, start + 300s));
}

TEST(Quarantine, IsBounded) {
  const std::chrono::steady_clock::time_point start{1h};
  Quarantine quarantine;
  for (std::size_t i = 0; i <= Quarantine::kNamesMax; ++i) {
    quarantine.put({"c", std::to_string(i)}, start + std::chrono::milliseconds(i), {});
  }
  EXPECT_FALSE(quarantine.find({"c", "0"}, start - 1s)) << "the one that would end first made room";
  EXPECT_TRUE(quarantine.find({"c", "1"}, start - 1s));
}

}  // namespace
}  // namespace propeller::stream
