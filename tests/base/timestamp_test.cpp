#include "base/timestamp.hpp"

#include <gtest/gtest.h>

#include <string>

namespace propeller::base {
namespace {

using namespace std::chrono_literals;
using std::chrono::sys_seconds;

std::string text_of(sys_seconds at) {
  const auto text = timestamp(at);
  return {text.begin(), text.end()};
}

TEST(Timestamp, IsThatOfRfc3339) {
  EXPECT_EQ(text_of(sys_seconds{784'111'777s}), "1994-11-06T08:49:37Z");
  EXPECT_EQ(text_of(sys_seconds{951'782'399s}), "2000-02-28T23:59:59Z");
  EXPECT_EQ(text_of(sys_seconds{951'782'400s}), "2000-02-29T00:00:00Z");
  EXPECT_EQ(text_of(sys_seconds{0s}), "1970-01-01T00:00:00Z");
}

}  // namespace
}  // namespace propeller::base
