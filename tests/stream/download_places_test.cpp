#include "stream/download_places.hpp"

#include <gtest/gtest.h>

#include <vector>

namespace propeller::stream {
namespace {

using std::chrono::seconds;

constexpr std::uint64_t kSmall = 600, kMedium = 2'000'000, kLarge = 50'000'000;

struct DownloadPlacesTest : testing::Test {
  DownloadPlaces places{512'000};
  DownloadPlaces::TimePoint now{seconds(1000)};

  DownloadPlaces::Ticket begun(std::uint64_t size) {
    const auto ticket = places.enter(size, now);
    EXPECT_TRUE(places.try_begin(ticket, now));
    return ticket;
  }
};

TEST_F(DownloadPlacesTest, ASmallOneHasAPlaceWhileAllOfTheLargeAreTaken) {
  for (std::uint32_t i = 0; i < DownloadPlaces::kLargeMax; ++i) (void)begun(kLarge);
  const auto ninth = places.enter(kLarge, now);
  EXPECT_FALSE(places.try_begin(ninth, now));
  EXPECT_TRUE(places.try_begin(places.enter(kSmall, now), now));
}

TEST_F(DownloadPlacesTest, ThereAreThirtyTwoPlacesForSmallOnes) {
  std::vector<DownloadPlaces::Ticket> tickets;
  for (std::uint32_t i = 0; i < DownloadPlaces::kSmallMax; ++i) tickets.push_back(begun(kSmall));
  const auto next = places.enter(kSmall, now);
  EXPECT_FALSE(places.try_begin(next, now));
  places.leave(tickets.front());
  EXPECT_TRUE(places.try_begin(next, now));
}

TEST_F(DownloadPlacesTest, AFreePlaceGoesToTheSmallestWhoWaits) {
  std::vector<DownloadPlaces::Ticket> tickets;
  for (std::uint32_t i = 0; i < DownloadPlaces::kLargeMax; ++i) tickets.push_back(begun(kLarge));
  const auto large = places.enter(kLarge, now), medium = places.enter(kMedium, now + seconds(1));
  places.leave(tickets.front());
  EXPECT_FALSE(places.try_begin(large, now + seconds(2)));
  EXPECT_TRUE(places.try_begin(medium, now + seconds(2)));
  EXPECT_FALSE(places.try_begin(large, now + seconds(2)));
}

TEST_F(DownloadPlacesTest, NobodyIsOvertakenForEver) {
  std::vector<DownloadPlaces::Ticket> tickets;
  for (std::uint32_t i = 0; i < DownloadPlaces::kLargeMax; ++i) tickets.push_back(begun(kLarge));
  const auto large = places.enter(kLarge, now);
  const auto later = now + DownloadPlaces::kPatience + seconds(1);
  const auto medium = places.enter(kMedium, later);
  places.leave(tickets.front());
  EXPECT_FALSE(places.try_begin(medium, later));
  EXPECT_TRUE(places.try_begin(large, later));
}

TEST_F(DownloadPlacesTest, WhoIsPausedGivesItsPlaceUpAndComesBackOverTheLimit) {
  std::vector<DownloadPlaces::Ticket> tickets;
  for (std::uint32_t i = 0; i < DownloadPlaces::kLargeMax; ++i) tickets.push_back(begun(kLarge));
  places.pause(tickets.front());
  (void)begun(kLarge);
  places.resume(tickets.front());
  EXPECT_EQ(places.active(false), DownloadPlaces::kLargeMax + 1);
  const auto next = places.enter(kLarge, now);
  places.leave(tickets[1]);
  EXPECT_FALSE(places.try_begin(next, now));
  places.leave(tickets[2]);
  EXPECT_TRUE(places.try_begin(next, now));
}

TEST_F(DownloadPlacesTest, WhoLeavesWhileWaitingOrPausedFreesNothingTwice) {
  for (std::uint32_t i = 0; i < DownloadPlaces::kLargeMax; ++i) (void)begun(kLarge);
  places.leave(places.enter(kLarge, now));
  EXPECT_EQ(places.active(false), DownloadPlaces::kLargeMax);
  EXPECT_FALSE(places.try_begin(places.enter(kLarge, now), now));
}

}  // namespace
}  // namespace propeller::stream
