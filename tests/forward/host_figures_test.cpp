#include "forward/host_figures.hpp"

#include <gtest/gtest.h>

#include <set>

namespace propeller::forward {
namespace {

// Clients choose the names, and each is a line in /metrics.
TEST(HostFigures, MoreHostsThanTheirBoundAreCountedAsOne) {
  FiguresByHost figures;
  std::set<std::string> told;
  figures.watch([&](const std::string& host, const HostFigures&) { told.insert(host); });
  for (std::size_t i = 0; i < FiguresByHost::kHostsMax; ++i) ++figures.of("host" + std::to_string(i)).hits;
  ++figures.of("one more").hits;
  ++figures.of("and another").hits;
  EXPECT_EQ(told.size(), FiguresByHost::kHostsMax + 1);
  EXPECT_EQ(figures.of("other").hits, 2U);
  EXPECT_EQ(figures.of("host7").hits, 1U);
}

TEST(HostFigures, WhoeverWatchesLaterHearsOfThoseThatAreThere) {
  FiguresByHost figures;
  (void)figures.of("first");
  std::set<std::string> told;
  figures.watch([&](const std::string& host, const HostFigures&) { told.insert(host); });
  EXPECT_EQ(told, (std::set<std::string>{"first", "other"}));
}

TEST(HostFigures, BytesOfAKnownLengthCountAtOnce) {
  HostFigures figures;
  http::Response response{.body = std::make_unique<http::MemoryBody>("12345")};
  count(figures, CacheOutcome::hit, response);
  count(figures, CacheOutcome::miss, response);
  EXPECT_EQ(figures.bytes, 10U);
  EXPECT_EQ(figures.bytes_saved, 5U);
  EXPECT_EQ(figures.hits, 1U);
  EXPECT_EQ(figures.misses, 1U);
}

}  // namespace
}  // namespace propeller::forward
