#include "base/digest.hpp"

#include <gtest/gtest.h>

namespace propeller::base {
namespace {

constexpr std::string_view kAbc = "sha256:ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";

TEST(Digest, HashesTheVectorOfFips180) { EXPECT_EQ(sha256("abc").to_string(), kAbc); }

TEST(Digest, RoundTripsThroughText) {
  const auto parsed = Digest::parse(kAbc);
  ASSERT_TRUE(parsed);
  EXPECT_EQ(parsed->to_string(), kAbc);
  EXPECT_EQ(parsed->short_hex(), "ba7816bf8f01");
}

TEST(Digest, RefusesWhatTheSpecificationForbids) {
  for (const std::string_view text :
       {"", "sha256:", "sha256:BA7816BF8F01CFEA414140DE5DAE2223B00361A396177A9CB410FF61F20015AD", "sha512:00",
        "ba7816"}) {
    const auto parsed = Digest::parse(text);
    ASSERT_FALSE(parsed) << text;
    EXPECT_EQ(parsed.error().code, Code::bad_reference);
  }
}

TEST(Sha256, PiecesGiveTheDigestOfTheWholeAndFinishStartsAnew) {
  Sha256 hash;
  hash.update("a");
  hash.update("bc");
  EXPECT_EQ(hash.finish().to_string(), kAbc);
  hash.update("abc");
  EXPECT_EQ(hash.finish().to_string(), kAbc);
}

}  // namespace
}  // namespace propeller::base
