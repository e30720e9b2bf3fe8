#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "http/head_parser.hpp"

namespace propeller::http {
namespace {

using Kind = BodyFraming::Kind;

class ResponseHeadTest : public testing::Test {
 protected:
  std::expected<ParsedResponse, Refusal> parse(std::string text, Method asked = Method::get) {
    text_ = std::move(text);
    HeadFinder finder;
    const auto size = finder.find(text_, limits_);
    if (!size) return std::unexpected(Refusal{502, size.error().reason});
    return parse_response(std::string_view(text_).substr(0, *size), asked, limits_, fields_);
  }

  ParseLimits limits_;
  std::string text_;
  std::vector<Field> fields_;
};

TEST_F(ResponseHeadTest, GivesStatusReasonAndFields) {
  const auto parsed = parse("HTTP/1.1 404 Not Here\r\nContent-Length: 3\r\nServer: x\r\n\r\nabc");
  ASSERT_TRUE(parsed);
  EXPECT_EQ(parsed->head.status, 404);
  EXPECT_EQ(parsed->head.reason, "Not Here");
  EXPECT_EQ(parsed->head.fields.find("server"), "x");
  EXPECT_EQ(parsed->framing, (BodyFraming{.kind = Kind::length, .length = 3}));
  EXPECT_TRUE(parsed->is_keep_alive);
}

TEST_F(ResponseHeadTest, TheReasonMayBeEmptyOrMissing) {
  EXPECT_EQ(parse("HTTP/1.1 200 \r\nContent-Length: 0\r\n\r\n")->head.reason, "");
  EXPECT_EQ(parse("HTTP/1.1 200\r\nContent-Length: 0\r\n\r\n")->head.status, 200);
}

TEST_F(ResponseHeadTest, WithoutALengthTheBodyEndsWithTheConnection) {
  const auto parsed = parse("HTTP/1.1 200 OK\r\n\r\n");
  EXPECT_EQ(parsed->framing.kind, Kind::until_close);
  EXPECT_FALSE(parsed->is_keep_alive);
}

TEST_F(ResponseHeadTest, ToHeadThereIsALengthButNoBody) {
  const auto parsed = parse("HTTP/1.1 200 OK\r\nContent-Length: 7\r\n\r\n", Method::head);
  EXPECT_EQ(parsed->framing.kind, Kind::none);
  EXPECT_EQ(parsed->declared_length, 7u);
  EXPECT_TRUE(parsed->is_keep_alive);
}

TEST_F(ResponseHeadTest, NoBodyFollowsWhatHasNone) {
  EXPECT_EQ(parse("HTTP/1.1 204 No Content\r\n\r\n")->framing.kind, Kind::none);
  EXPECT_EQ(parse("HTTP/1.1 304 Not Modified\r\nContent-Length: 9\r\n\r\n")->framing.kind, Kind::none);
  EXPECT_EQ(parse("HTTP/1.1 103 Early Hints\r\n\r\n")->framing.kind, Kind::none);
  EXPECT_EQ(parse("HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n", Method::connect)->framing.kind, Kind::none);
}

// The bytes of such a body would be taken for the next response.
TEST_F(ResponseHeadTest, AConnectionIsNotKeptWhenABodyIsAnnouncedWhereNoneCanBe) {
  EXPECT_FALSE(parse("HTTP/1.1 204 No Content\r\nContent-Length: 9\r\n\r\n")->is_keep_alive);
  EXPECT_FALSE(parse("HTTP/1.1 204 No Content\r\nTransfer-Encoding: chunked\r\n\r\n")->is_keep_alive);
  EXPECT_TRUE(parse("HTTP/1.1 304 Not Modified\r\nContent-Length: 9\r\n\r\n")->is_keep_alive);
}

struct Case {
  const char* what;
  std::string text;
};
void PrintTo(const Case& one, std::ostream* out) { *out << one.what; }

class MalformedResponse : public ResponseHeadTest, public testing::WithParamInterface<Case> {};

TEST_P(MalformedResponse, IsABadGateway) {
  const auto parsed = parse(GetParam().text);
  ASSERT_FALSE(parsed);
  EXPECT_EQ(parsed.error().status, 502);
  EXPECT_FALSE(parsed.error().reason.empty());
}

std::vector<Case> cases() {
  using namespace std::string_literals;
  const auto with = [](const std::string& lines) { return "HTTP/1.1 200 OK\r\n" + lines + "\r\n\r\n"; };
  const auto line = [](const std::string& status) { return status + "\r\nContent-Length: 0\r\n\r\n"; };
  return {
      {"both lengths", with("Content-Length: 5\r\nTransfer-Encoding: chunked")},
      {"differing lengths", with("Content-Length: 5\r\nContent-Length: 6")},
      {"a signed length", with("Content-Length: +5")},
      {"a length with a blank", with("Content-Length: 5 6")},
      {"a length that overflows", with("Content-Length: 99999999999999999999")},
      {"an unknown coding", with("Transfer-Encoding: gzip, chunked")},
      {"chunked not last", with("Transfer-Encoding: chunked, identity")},
      {"chunked in HTTP/1.0", "HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"},
      {"a folded field", with("X: a\r\n b")},
      {"a bare CR", with("X: a\rb")},
      {"a bare LF", "HTTP/1.1 200 OK\nContent-Length: 0\n\n"},
      {"a blank before the colon", with("X : a")},
      {"an empty name", with(": a")},
      {"a NUL", with("X: \0"s)},
      {"a control character", with("X: \x02")},
      {"a status of two digits", line("HTTP/1.1 20 OK")},
      {"a status of four digits", line("HTTP/1.1 2000 OK")},
      {"a status that is no number", line("HTTP/1.1 2x0 OK")},
      {"a status below 100", line("HTTP/1.1 099 OK")},
      {"HTTP/2.0 in words", line("HTTP/2.0 200 OK")},
      {"another protocol", line("ICY 200 OK")},
      {"no status", line("HTTP/1.1 ")},
      {"a control character in the reason", line("HTTP/1.1 200 O\x01K")},
      {"an empty line in front", "\r\nHTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"},
      {"a large head", with("X: " + std::string(64 * 1024, 'a'))},
  };
}

INSTANTIATE_TEST_SUITE_P(Http, MalformedResponse, testing::ValuesIn(cases()));

}  // namespace
}  // namespace propeller::http
