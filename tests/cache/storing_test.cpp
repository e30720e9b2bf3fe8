#include "cache/storing.hpp"

#include <gtest/gtest.h>

#include "cache/compressible.hpp"
#include "cache/entry_note.hpp"
#include "cache/update.hpp"

namespace propeller::cache {
namespace {

using namespace std::chrono_literals;

constexpr std::string_view kLongAgo = "Sun, 06 Nov 1994 08:49:37 GMT";

struct Case {
  int status = 200;
  std::string_view control = "max-age=60";
  Credentials credentials = Credentials::none;
  std::vector<http::Field> more = {};
};

bool is_stored(const Case& given, http::Method method = http::Method::get, bool is_request_no_store = false) {
  http::Fields fields;
  if (!given.control.empty()) fields.add("Cache-Control", given.control);
  for (const auto& field : given.more) fields.add(field.name, field.value);
  return may_store({.method = method,
                    .credentials = given.credentials,
                    .is_request_no_store = is_request_no_store,
                    .status = given.status,
                    .fields = fields,
                    .received = sys_seconds(1'800'000'000s)});
}

TEST(Storing, WhatIsFreshForAWhile) {
  EXPECT_TRUE(is_stored({}));
  EXPECT_TRUE(is_stored({.status = 404}));
  EXPECT_TRUE(is_stored({.status = 302}));
  EXPECT_FALSE(is_stored({.control = ""}));
  EXPECT_FALSE(is_stored({.control = "max-age=0"}));
}

TEST(Storing, WhatCanBeCheckedLater) {
  EXPECT_TRUE(is_stored({.control = "no-cache", .more = {{"ETag", "\"1\""}}}));
  EXPECT_TRUE(is_stored({.control = "", .more = {{"Last-Modified", kLongAgo}}}));
  EXPECT_FALSE(is_stored({.status = 500, .control = "no-cache", .more = {{"ETag", "\"1\""}}}));
}

TEST(Storing, NotWhatIsAPartOrNoAnswerOfItsOwn) {
  EXPECT_FALSE(is_stored({.status = 206}));
  EXPECT_FALSE(is_stored({.status = 304}));
  EXPECT_FALSE(is_stored({}, http::Method::head));
  EXPECT_FALSE(is_stored({}, http::Method::post));
}

TEST(Storing, NotWhatSomebodyForbids) {
  EXPECT_FALSE(is_stored({.control = "max-age=60, no-store"}));
  EXPECT_FALSE(is_stored({.control = "max-age=60, private"}));
  EXPECT_FALSE(is_stored({}, http::Method::get, true));
  EXPECT_FALSE(is_stored({.more = {{"Vary", "*"}}}));
  EXPECT_FALSE(is_stored({.more = {{"Vary", "Foo, *"}}}));
}

TEST(Storing, MustUnderstandIsAboutTheStatus) {
  EXPECT_TRUE(is_stored({.control = "max-age=60, no-store, must-understand"}));
  EXPECT_FALSE(is_stored({.status = 599, .control = "max-age=60, must-understand"}));
}

TEST(Storing, WithAuthorizationOnlyWhatIsForAll) {
  const auto with = [](std::string_view control) {
    return is_stored({.control = control, .credentials = Credentials::authorization});
  };
  EXPECT_FALSE(with("max-age=60"));
  EXPECT_TRUE(with("max-age=60, public"));
  EXPECT_TRUE(with("max-age=60, must-revalidate"));
  EXPECT_TRUE(with("s-maxage=60"));
}

TEST(Storing, CookiesNeedAnOriginThatSaysHowLong) {
  EXPECT_TRUE(is_stored({.credentials = Credentials::cookie}));
  EXPECT_FALSE(is_stored({.control = "", .credentials = Credentials::cookie, .more = {{"Last-Modified", kLongAgo}}}));
  EXPECT_TRUE(is_stored({.more = {{"Set-Cookie", "a=b"}}}));
  EXPECT_FALSE(is_stored({.control = "", .more = {{"Last-Modified", kLongAgo}, {"Set-Cookie", "a=b"}}}));
}

TEST(Update, WhatDescribesTheBytesStays) {
  http::Fields stored, news;
  stored.add("ETag", "\"1\"");
  stored.add("X", "old");
  stored.add("Content-Encoding", "gzip");
  stored.add("Y", "kept");
  news.add("etag", "\"2\"");
  news.add("x", "new");
  news.add("Content-Encoding", "br");
  const auto fields = freshened(stored, news);
  EXPECT_EQ(fields.find("ETag"), "\"1\"");
  EXPECT_EQ(fields.find("X"), "new");
  EXPECT_EQ(fields.count("X"), 1U);
  EXPECT_EQ(fields.find("Content-Encoding"), "gzip");
  EXPECT_EQ(fields.find("Y"), "kept");
}

TEST(Update, AQuestionHasTheStoredValidatorsAndNoOthers) {
  http::Fields request, stored;
  request.add("If-None-Match", "\"mine\"");
  request.add("Range", "bytes=0-1");
  stored.add("ETag", "\"1\"");
  EXPECT_TRUE(add_validators(request, stored));
  EXPECT_EQ(request.find("If-None-Match"), "\"1\"");
  EXPECT_FALSE(request.contains("Range"));
  EXPECT_FALSE(add_validators(request, {}));
  EXPECT_TRUE(request.empty());
}

TEST(EntryNote, ComesBackAsItWas) {
  for (const auto& [is_by_pack, is_zstd] : {std::pair(false, false), {false, true}, {true, false}, {true, true}}) {
    const ResponseNote note{.initial_age = 12s, .variant = "ab12", .is_by_pack = is_by_pack, .is_zstd = is_zstd};
    EXPECT_EQ(parse_response_note(to_text(note)), note);
  }
  EXPECT_EQ(parse_vary_note(vary_note("accept,foo")), "accept,foo");
  for (const auto* other : {"", "response age=x variant=", "response age=1", "vary"}) {
    EXPECT_FALSE(parse_response_note(other)) << other;
    EXPECT_FALSE(parse_vary_note(other)) << other;
  }
}

TEST(Compressible, IsTextThatWasNotCompressed) {
  const auto is_text = [](std::string_view type, std::string_view coding = "") {
    http::Fields fields;
    if (!type.empty()) fields.add("Content-Type", type);
    if (!coding.empty()) fields.add("Content-Encoding", coding);
    return is_compressible(fields);
  };
  for (const auto* type : {"text/html", "TEXT/css; charset=utf-8", "application/json", "Application/JavaScript ;a=b",
                           "application/vnd.npm.install-v1+json", "image/svg+xml", "application/xml"})
    EXPECT_TRUE(is_text(type)) << type;
  for (const auto* type :
       {"", "text", "application/octet-stream", "application/wasm", "image/png", "+json", "jsontext/"})
    EXPECT_FALSE(is_text(type)) << type;
  for (const auto* coding : {"gzip", "br", "identity"}) EXPECT_FALSE(is_text("text/html", coding)) << coding;
}

}  // namespace
}  // namespace propeller::cache
