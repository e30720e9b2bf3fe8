#include <gtest/gtest.h>

#include "base/units.hpp"
#include "device/advice.hpp"
#include "device/progress.hpp"

namespace propeller::device {
namespace {

using namespace std::chrono_literals;

TEST(Advice, ThereIsSomethingToDoForEveryCodeOfTheWire) {
  for (int i = 0; i <= static_cast<int>(Code::shutting_down); ++i) {
    const auto name = base::to_string(static_cast<Code>(i));
    EXPECT_FALSE(advice_for(name).empty()) << name;
    EXPECT_EQ(code_of(name), static_cast<Code>(i));
  }
  EXPECT_TRUE(advice_for("of_a_later_version").empty());
  EXPECT_EQ(code_of("of_a_later_version"), std::nullopt);
}

TEST(ForTerminal, WhatCouldDriveATerminalIsReplaced) {
  EXPECT_EQ(for_terminal("plain \xc3\xa4 text"), "plain \xc3\xa4 text");
  EXPECT_EQ(for_terminal("\x1b[31mred\r\n"), "?[31mred??");
  EXPECT_EQ(for_terminal("\xc2\x9b"
                         "31m"),
            "??31m");
  EXPECT_EQ(for_terminal("\xff\xc3"), "??");
}

TEST(ForTerminal, LongTextIsCut) { EXPECT_EQ(for_terminal(std::string(10'000, 'x')).size(), 503U); }

TEST(ProgressMeter, SaysRateAndTimeLeft) {
  ProgressMeter meter;
  const auto start = ProgressMeter::time_point();
  Progress progress{.bytes = 0, .bytes_total = 10 * base::kMiB, .chunks = 0, .chunks_total = 10, .what = "receiving"};
  meter.update(progress, start);
  progress.bytes = 2 * base::kMiB;
  meter.update(progress, start + 1s);
  EXPECT_EQ(meter.line(), "receiving 20% 2.0 MiB of 10.0 MiB 2.0 MiB/s 4s left");
}

TEST(ProgressMeter, WhatWasResumedIsNoRate) {
  ProgressMeter meter;
  Progress progress{
      .bytes = 5 * base::kMiB, .bytes_total = 10 * base::kMiB, .chunks = 5, .chunks_total = 10, .what = "resuming"};
  meter.update(progress, ProgressMeter::time_point());
  meter.update(progress, ProgressMeter::time_point() + 1s);
  EXPECT_EQ(meter.line(), "resuming 50% 5.0 MiB of 10.0 MiB");
}

TEST(ProgressMeter, TheBarFitsTheTerminal) {
  ProgressMeter meter;
  meter.update({.bytes = 1, .bytes_total = 2, .chunks = 1, .chunks_total = 2, .what = "receiving"}, {});
  for (const std::size_t columns : {5, 30, 80, 500}) EXPECT_LE(meter.bar(columns).size(), columns);
  EXPECT_NE(meter.bar(80).find("[####"), std::string::npos) << meter.bar(80);
}

TEST(ProgressMeter, BeforeAnythingIsKnownThereIsOnlyWhatItWaitsFor) {
  ProgressMeter meter;
  meter.update({.bytes_total = {}, .what = "waiting for the bridge"}, {});
  EXPECT_EQ(meter.bar(80), "waiting for the bridge");
}

}  // namespace
}  // namespace propeller::device
