#include "forward/cache_answer.hpp"

#include <gtest/gtest.h>

#include <vector>

namespace propeller::forward {
namespace {

using Fields = std::vector<http::Field>;

CachedHead head(int status = 200) {
  return {.status = status,
          .fields = fields_of("ETag: \"one\"\r\nLast-Modified: Sun, 06 Nov 1994 08:49:37 GMT\r\n"),
          .size = 100};
}

TEST(FieldsOf, LeavesOutWhatIsNoField) {
  const auto fields = fields_of("A: b\r\nno field\r\nbad name: c\r\nC: d\re\r\nD:f");
  ASSERT_EQ(fields.size(), 2U);
  EXPECT_EQ(fields.find("A"), "b");
  EXPECT_EQ(fields.find("D"), "f");
}

TEST(StrongEtag, IsNeitherWeakNorUnquoted) {
  EXPECT_EQ(strong_etag(Fields{{"ETag", "\"a\""}}), "\"a\"");
  for (const auto* value : {"W/\"a\"", "a", ""}) EXPECT_EQ(strong_etag(Fields{{"ETag", value}}), "") << value;
}

TEST(AnswerWith, ConditionsGiveA304WithoutABody) {
  const auto status = [](const Fields& request) { return answer_with(head(), http::Method::get, request).status; };
  EXPECT_EQ(status({{"If-None-Match", "*"}}), 304);
  EXPECT_EQ(status({{"If-Modified-Since", "Sun, 06 Nov 1994 08:49:37 GMT"}}), 304);
  EXPECT_EQ(status({{"If-Modified-Since", "Sunday, 06-Nov-94 08:49:38 GMT"}}), 304);
  EXPECT_EQ(status({{"If-Modified-Since", "Sun, 06 Nov 1994 08:49:36 GMT"}}), 200);
  EXPECT_EQ(status({{"If-Modified-Since", "yesterday"}}), 200);
  EXPECT_EQ(status({{"If-None-Match", "\"x\""}, {"If-Modified-Since", "Sun, 06 Nov 1994 08:49:37 GMT"}}), 200);
  EXPECT_FALSE(answer_with(head(), http::Method::get, Fields{{"If-None-Match", "*"}}).has_body);
}

TEST(AnswerWith, OnlyA200HasParts) {
  const Fields request{{"Range", "bytes=0-9"}};
  EXPECT_EQ(answer_with(head(), http::Method::get, request).status, 206);
  EXPECT_EQ(answer_with(head(203), http::Method::get, request).status, 203);
  EXPECT_EQ(answer_with(head(), http::Method::head, request).status, 200);
  auto unknown = head();
  unknown.size.reset();
  EXPECT_EQ(answer_with(std::move(unknown), http::Method::get, request).status, 200);
}

TEST(MarkAsHit, AddsTheTimeHereToTheAgeItCameWith) {
  auto fields = fields_of("Age: 100\r\n");
  mark_as_hit(fields, 784111777, std::chrono::sys_seconds(std::chrono::seconds(784111787)));
  EXPECT_EQ(fields.find("Age"), "110");
  EXPECT_EQ(fields.find("X-Cache-Date"), "1994-11-06T08:49:37Z");
  // A clock that was set back.
  mark_as_hit(fields, 784111777, std::chrono::sys_seconds(std::chrono::seconds(0)));
  EXPECT_EQ(fields.find("Age"), "110");
}

}  // namespace
}  // namespace propeller::forward
