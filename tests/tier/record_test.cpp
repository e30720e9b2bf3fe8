#include "tier/record.hpp"

#include <gtest/gtest.h>

#include "base/digest.hpp"
#include "tier/pace.hpp"

namespace propeller::tier {
namespace {

using namespace std::chrono_literals;

Record some_record() {
  return {.key = "https://r.test/v2/a/blobs/x",
          .digest = base::sha256("bytes"),
          .size = 5,
          .content_type = "application/vnd.oci.image.manifest.v1+json"};
}

TEST(TierRecord, IsReadAsItWasWritten) {
  auto record = some_record();
  EXPECT_EQ(parse_record(format_record(record).value()), record);
  record.content_type.clear();
  EXPECT_EQ(parse_record(format_record(record).value()), record);
}

TEST(TierRecord, WhatCannotBeWrittenIsNot) {
  auto record = some_record();
  record.key = "https://r.test/a\nsize 1";
  EXPECT_EQ(format_record(record), std::nullopt);
  record.key = std::string(Record::kKeyBytesMax + 1, 'k');
  EXPECT_EQ(format_record(record), std::nullopt);
  record.key.pop_back();
  EXPECT_TRUE(parse_record(format_record(record).value()));
  record.content_type = "a/b\r\nSet-Cookie: c";
  EXPECT_EQ(parse_record(format_record(record).value())->content_type, "") << "a field of its own for the client";
}

TEST(TierRecord, NothingElseIsARecord) {
  const auto text = format_record(some_record()).value();
  for (const std::string_view broken : {"", "x", "propeller-proxy record 1", "propeller-proxy record 1\n"})
    EXPECT_EQ(parse_record(broken), std::nullopt) << broken;
  EXPECT_EQ(parse_record(text.substr(0, text.size() - 1)), std::nullopt) << "cut short";
  EXPECT_EQ(parse_record(text + "more\n"), std::nullopt);
  const auto changed = [&](std::string_view from, std::string_view to) {
    auto other = text;
    return other.replace(other.find(from), from.size(), to);
  };
  EXPECT_EQ(parse_record(changed("record 1", "record 2")), std::nullopt);
  EXPECT_EQ(parse_record(changed("size 5", "size 05")), std::nullopt);
  EXPECT_EQ(parse_record(changed("size 5", "size -5")), std::nullopt);
  EXPECT_EQ(parse_record(changed("sha256:", "sha512:")), std::nullopt);
  EXPECT_EQ(parse_record(changed("application/", "a\r\b")), std::nullopt);
}

TEST(TierNames, AreThoseOfDigestsBelowThePrefix) {
  const store::BlobDigest digest = base::sha256("bytes");
  const auto hex = digest.hex();
  EXPECT_EQ(ObjectNames("").blob(digest), "sha256/" + hex.substr(0, 2) + "/" + hex);
  EXPECT_EQ(ObjectNames("edge/1").blob(digest), "edge/1/sha256/" + hex.substr(0, 2) + "/" + hex);
  EXPECT_EQ(ObjectNames("edge").record("bytes"), "edge/records/" + hex.substr(0, 2) + "/" + hex);
  EXPECT_EQ(ObjectNames("edge").probe(), "edge/probe");
}

TEST(TierErrors, AreToldByTheirCode) {
  EXPECT_EQ(error_code("<?xml?>\n<Error><Code>NoSuchBucket</Code><Message>m</Message></Error>"), "NoSuchBucket");
  EXPECT_EQ(error_code("<Error><Message>m</Message></Error>"), "");
  EXPECT_EQ(error_code("<Code>not\na code</Code>"), "") << "it is written to the log";
  EXPECT_EQ(error_code("<Code>" + std::string(65, 'x')), "");
}

// Nobody sees a byte before all of them are there.
TEST(TierPace, IsThatOfWhoCanWait) {
  constexpr auto kMiB = base::kMiB;
  EXPECT_EQ(pace_of(0, 10 * kMiB, 999ms), Pace::good) << "too early to say";
  EXPECT_EQ(pace_of(kMiB - 1, 10 * kMiB, 1000ms), Pace::too_slow);
  EXPECT_EQ(pace_of(kMiB, 10 * kMiB, 1000ms), Pace::good) << "10 s";
  EXPECT_EQ(pace_of(kMiB, 10 * kMiB + 1, 1000ms), Pace::too_long);
  EXPECT_EQ(pace_of(100 * kMiB, 1000 * kMiB, 1000ms), Pace::good);
  EXPECT_EQ(pace_of(20 * kMiB, 21 * kMiB, 9000ms), Pace::good);
  EXPECT_EQ(pace_of(5, 5, 60'000ms), Pace::good) << "it is there";
}

}  // namespace
}  // namespace propeller::tier
