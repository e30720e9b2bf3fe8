#include "observe/metrics.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace propeller::observe {
namespace {

TEST(Metrics, RendersHelpAndTypeOncePerFamilyAndASampleForEachLabelSet) {
  Metrics metrics;
  metrics.counter("transfers_total", "Transfers that ended.", label("code", "ok")).add(3);
  metrics.counter("transfers_total", "Transfers that ended.", label("code", "timeout")).add();
  EXPECT_EQ(metrics.render(),
            "# HELP transfers_total Transfers that ended.\n"
            "# TYPE transfers_total counter\n"
            "transfers_total{code=\"ok\"} 3\n"
            "transfers_total{code=\"timeout\"} 1\n");
}

TEST(Metrics, GivesTheSameMetricForTheSameNameAndLabels) {
  Metrics metrics;
  auto& first = metrics.gauge("active", "Active.");
  auto& again = metrics.gauge("active", "Active.");
  EXPECT_EQ(&first, &again);
  EXPECT_NE(&first, &metrics.gauge("active", "Active.", label("lane", "1")));
}

TEST(Metrics, RendersHistogramBucketsCumulatively) {
  Metrics metrics;
  const double bounds[] = {0.1, 1};
  auto& seconds = metrics.histogram("seconds", "Duration.", bounds, label("kind", "raw"));
  seconds.observe(0.1);
  seconds.observe(0.5);
  seconds.observe(30);
  EXPECT_THAT(metrics.render(), testing::HasSubstr("seconds_bucket{kind=\"raw\",le=\"0.1\"} 1\n"
                                                   "seconds_bucket{kind=\"raw\",le=\"1\"} 2\n"
                                                   "seconds_bucket{kind=\"raw\",le=\"+Inf\"} 3\n"
                                                   "seconds_sum{kind=\"raw\"} 30.6\n"
                                                   "seconds_count{kind=\"raw\"} 3\n"));
}

TEST(Metrics, AsksFunctionsWhenRendered) {
  Metrics metrics;
  double value = 1;
  metrics.gauge_function("connected", "Connected.", [&] { return value; });
  metrics.counter_function("retries_total", "Retries.", [] { return 7.0; });
  value = 0;
  EXPECT_THAT(metrics.render(), testing::HasSubstr("# TYPE connected gauge\nconnected 0\n"));
  EXPECT_THAT(metrics.render(), testing::HasSubstr("# TYPE retries_total counter\nretries_total 7\n"));
}

TEST(Metrics, EscapesLabelValuesAndHelp) {
  EXPECT_EQ(label("name", "a\"b\\c\nd"), "name=\"a\\\"b\\\\c\\nd\"");
  Metrics metrics;
  metrics.counter("x_total", "two\nlines");
  EXPECT_THAT(metrics.render(), testing::StartsWith("# HELP x_total two\\nlines\n"));
}

}  // namespace
}  // namespace propeller::observe
