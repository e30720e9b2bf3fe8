#include "base/error.hpp"

#include <gtest/gtest.h>

namespace propeller::base {
namespace {

TEST(WireCode, CodesOfTheClosedListStayWhatTheyAre) {
  EXPECT_EQ(wire_code({Code::not_found, Origin::client, ""}), Code::not_found);
  EXPECT_EQ(wire_code({Code::timeout, Origin::upstream, ""}), Code::timeout);
}

// "shutting_down" tells devices to ask again in a minute, for ever.
TEST(WireCode, ABadConfigurationIsFinalForADevice) {
  EXPECT_EQ(wire_code({Code::bad_config, Origin::client, ""}), Code::not_allowed);
}

TEST(WireCode, TheDiskIsOursAndTheSocketTheRegistrys) {
  EXPECT_EQ(wire_code({Code::io, Origin::internal, ""}), Code::overloaded);
  EXPECT_EQ(wire_code({Code::io, Origin::upstream, ""}), Code::registry_unavailable);
}

}  // namespace
}  // namespace propeller::base
