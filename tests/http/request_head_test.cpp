#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "http/head_parser.hpp"

namespace propeller::http {
namespace {

using Kind = BodyFraming::Kind;

/// As a session does it: find the end, then parse.
class RequestHeadTest : public testing::Test {
 protected:
  std::expected<ParsedRequest, Refusal> parse(std::string text) {
    text_ = std::move(text);
    HeadFinder finder;
    const auto size = finder.find(text_, limits_);
    if (!size) return std::unexpected(size.error());
    if (*size == 0) return std::unexpected(Refusal{0, "more is needed"});
    return parse_request(std::string_view(text_).substr(0, *size), limits_, fields_);
  }
  int status_of(std::string text) {
    const auto parsed = parse(std::move(text));
    return parsed ? 200 : parsed.error().status;
  }

  ParseLimits limits_;
  std::string text_;
  std::vector<Field> fields_;
};

TEST_F(RequestHeadTest, GivesThePartsOfAnOriginFormRequest) {
  const auto parsed =
      parse("GET /a/b?c=d HTTP/1.1\r\nHost: example.org:8080\r\nAccept:  */* \t\r\nX-Empty:\r\n\r\nrest");
  ASSERT_TRUE(parsed) << parsed.error().reason;
  const RequestHead& head = parsed->head;
  EXPECT_EQ(head.method, Method::get);
  EXPECT_EQ(head.form, TargetForm::origin);
  EXPECT_EQ(head.path, "/a/b?c=d");
  EXPECT_EQ(head.authority, "example.org:8080");
  EXPECT_EQ(head.fields.size(), 3u);
  EXPECT_EQ(head.fields.find("accept"), "*/*");
  EXPECT_EQ(head.fields.find("x-empty"), "");
  EXPECT_EQ(parsed->framing.kind, Kind::none);
  EXPECT_TRUE(parsed->is_keep_alive);
}

TEST_F(RequestHeadTest, TheAuthorityOfAnAbsoluteTargetWinsOverHost) {
  const auto parsed = parse("GET http://right.example/x HTTP/1.1\r\nHost: wrong.example\r\n\r\n");
  ASSERT_TRUE(parsed);
  EXPECT_EQ(parsed->head.form, TargetForm::absolute);
  EXPECT_EQ(parsed->head.scheme, "http");
  EXPECT_EQ(parsed->head.authority, "right.example");
  EXPECT_EQ(parsed->head.path, "/x");
}

TEST_F(RequestHeadTest, AnAbsoluteTargetWithoutPathMeansTheRoot) {
  const auto parsed = parse("GET http://h.example HTTP/1.1\r\nHost: h.example\r\n\r\n");
  ASSERT_TRUE(parsed);
  EXPECT_EQ(parsed->head.path, "/");
}

TEST_F(RequestHeadTest, ConnectHasTheAuthorityAlone) {
  const auto parsed = parse("CONNECT [::1]:443 HTTP/1.1\r\nHost: whatever\r\n\r\n");
  ASSERT_TRUE(parsed);
  EXPECT_EQ(parsed->head.form, TargetForm::authority);
  EXPECT_EQ(parsed->head.authority, "[::1]:443");
  EXPECT_EQ(parsed->head.path, "");
}

TEST_F(RequestHeadTest, FramesTheBody) {
  const std::string head = "POST / HTTP/1.1\r\nHost: h\r\n";
  EXPECT_EQ(parse(head + "Content-Length: 12\r\n\r\n")->framing, (BodyFraming{.kind = Kind::length, .length = 12}));
  EXPECT_EQ(parse(head + "Content-Length: 7\r\nContent-Length: 7\r\n\r\n")->framing.length, 7u);
  EXPECT_EQ(parse(head + "Content-Length: 0\r\n\r\n")->framing.kind, Kind::none);
  EXPECT_EQ(parse(head + "Transfer-Encoding: Chunked\r\n\r\n")->framing.kind, Kind::chunked);
}

TEST_F(RequestHeadTest, KeepsTheConnectionAsTheVersionAndConnectionSay) {
  EXPECT_TRUE(parse("GET / HTTP/1.1\r\nHost: h\r\n\r\n")->is_keep_alive);
  EXPECT_FALSE(parse("GET / HTTP/1.1\r\nHost: h\r\nConnection: x, Close\r\n\r\n")->is_keep_alive);
  EXPECT_FALSE(parse("GET / HTTP/1.0\r\n\r\n")->is_keep_alive);
  EXPECT_TRUE(parse("GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n")->is_keep_alive);
}

TEST_F(RequestHeadTest, SeesAnExpectationOnlyWithABody) {
  EXPECT_TRUE(
      parse("PUT / HTTP/1.1\r\nHost: h\r\nContent-Length: 1\r\nExpect: 100-Continue\r\n\r\n")->expects_continue);
  EXPECT_FALSE(parse("PUT / HTTP/1.1\r\nHost: h\r\nExpect: 100-continue\r\n\r\n")->expects_continue);
  EXPECT_EQ(status_of("PUT / HTTP/1.1\r\nHost: h\r\nExpect: miracles\r\n\r\n"), 417);
}

TEST_F(RequestHeadTest, TakesOneEmptyLineInFront) {
  EXPECT_EQ(status_of("\r\nGET / HTTP/1.1\r\nHost: h\r\n\r\n"), 200);
  EXPECT_EQ(status_of("\r\n\r\nGET / HTTP/1.1\r\nHost: h\r\n\r\n"), 400);
}

TEST_F(RequestHeadTest, LetsThroughWhatBrowsersSendBeyondTheGrammar) {
  EXPECT_EQ(status_of("GET /a|b{c}^`\"<>\xc3\xa9?x=[1] HTTP/1.1\r\nHost: h\r\n\r\n"), 200);
  EXPECT_EQ(status_of("GET / HTTP/1.1\r\nHost: h\r\nX: caf\xc3\xa9\tau lait\r\n\r\n"), 200);
}

struct Case {
  const char* what;
  std::string text;
  int status = 400;
};
void PrintTo(const Case& one, std::ostream* out) { *out << one.what; }

class RefusedRequest : public RequestHeadTest, public testing::WithParamInterface<Case> {};

TEST_P(RefusedRequest, IsAnsweredWithItsStatus) { EXPECT_EQ(status_of(GetParam().text), GetParam().status); }

std::string with(const std::string& lines) { return "POST / HTTP/1.1\r\nHost: h\r\n" + lines + "\r\n\r\n"; }
std::string line(const std::string& request_line) { return request_line + "\r\nHost: h\r\n\r\n"; }
std::string host(const std::string& value) { return "GET / HTTP/1.1\r\nHost: " + value + "\r\n\r\n"; }

std::vector<Case> cases() {
  using namespace std::string_literals;
  return {
      {"both lengths", with("Content-Length: 5\r\nTransfer-Encoding: chunked")},
      {"both lengths turned round", with("Transfer-Encoding: chunked\r\nContent-Length: 5")},
      {"differing lengths", with("Content-Length: 5\r\nContent-Length: 6")},
      {"a list of lengths", with("Content-Length: 5, 5")},
      {"a signed length", with("Content-Length: +5")},
      {"a negative length", with("Content-Length: -5")},
      {"a length with a blank", with("Content-Length: 5 5")},
      {"an empty length", with("Content-Length:")},
      {"a length in hexadecimal", with("Content-Length: 0x5")},
      {"a length of 64 bits", with("Content-Length: 18446744073709551616")},
      {"a length of 63 bits and one", with("Content-Length: 9223372036854775808")},
      {"a coding behind chunked", with("Transfer-Encoding: chunked, gzip")},
      {"a coding before chunked", with("Transfer-Encoding: gzip, chunked")},
      {"identity", with("Transfer-Encoding: identity")},
      {"chunked twice", with("Transfer-Encoding: chunked, chunked")},
      {"chunked in two fields", with("Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked")},
      {"an unknown coding", with("Transfer-Encoding: xchunked")},
      {"an empty coding", with("Transfer-Encoding:")},
      {"a coding with a vertical tab", with("Transfer-Encoding: \vchunked")},
      {"a coding in HTTP/1.0", "POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n"},
      {"a body of CONNECT", "CONNECT h:1 HTTP/1.1\r\nHost: h:1\r\nContent-Length: 3\r\n\r\n"},
      {"a body of TRACE", "TRACE / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n"},
      {"a folded field", with("X: a\r\n b")},
      {"a folded first field", "GET / HTTP/1.1\r\n Host: h\r\n\r\n"},
      {"a bare CR in a value", with("X: a\rb")},
      {"a bare CR in a name", with("X\rY: a")},
      {"a bare CR in the target", line("GET /\r HTTP/1.1")},
      {"a bare LF", "GET / HTTP/1.1\nHost: h\r\n\r\n"},
      {"a bare LF behind a field", "GET / HTTP/1.1\r\nHost: h\n\r\n"},
      {"a bare LF at the end", "GET / HTTP/1.1\r\nHost: h\r\n\n"},
      {"a blank before the colon", with("X : a")},
      {"a tab before the colon", with("X\t: a")},
      {"an empty name", with(": a")},
      {"a name with a parenthesis", with("X(: a")},
      {"a name with a byte of 8 bits", with("X\xe9: a")},
      {"no colon", with("X")},
      {"a NUL in a value", with("X: a\0b"s)},
      {"a NUL in a name", with("X\0: b"s)},
      {"a NUL in the target", line("GET /\0 HTTP/1.1"s)},
      {"a control character", with("X: a\x01")},
      {"a DEL", with("X: a\x7f")},
      {"no Host", "GET / HTTP/1.1\r\n\r\n"},
      {"two Hosts", "GET / HTTP/1.1\r\nHost: h\r\nHost: h\r\n\r\n"},
      {"two Hosts in HTTP/1.0", "GET / HTTP/1.0\r\nHost: h\r\nHost: i\r\n\r\n"},
      {"an empty Host", host("")},
      {"a Host with a slash", host("h/x")},
      {"a Host with user information", host("u@h")},
      {"a Host with a blank", host("h x")},
      {"a list of Hosts", host("a,b")},
      {"a Host with a percent sign", host("a%2eb")},
      {"a Host with a port that is none", host("h:8o")},
      {"a Host with too large a port", host("h:65536")},
      {"a Host with half an address", host("[::1")},
      {"a Host with an address that is none", host("[::1::]")},
      {"a Host with a zone", host("[fe80::1%25eth0]")},
      {"a bad Host beside an absolute target", "GET http://h/ HTTP/1.1\r\nHost: a b\r\n\r\n"},
      {"a target without a slash", line("GET x HTTP/1.1")},
      {"an empty target", line("GET  HTTP/1.1")},
      {"a target with a blank", line("GET /a b HTTP/1.1")},
      {"a target with a fragment", line("GET /a#b HTTP/1.1")},
      {"an absolute target with user information", line("GET http://u:p@h/ HTTP/1.1")},
      {"an absolute target without host", line("GET http:///x HTTP/1.1")},
      {"an absolute target with a query alone", line("GET http://h?x HTTP/1.1")},
      {"a scheme that is none", line("GET 1http://h/ HTTP/1.1")},
      {"CONNECT without port", line("CONNECT h HTTP/1.1")},
      {"CONNECT to an address with a NUL", line("CONNECT [::1\0x]:443 HTTP/1.1"s)},
      {"CONNECT to a path", line("CONNECT / HTTP/1.1")},
      {"CONNECT to a URI", line("CONNECT http://h:1/ HTTP/1.1")},
      {"an asterisk without OPTIONS", line("GET * HTTP/1.1")},
      {"a method with a colon", line("GE:T / HTTP/1.1")},
      {"no method", line(" / HTTP/1.1")},
      {"an endless method", line(std::string(33, 'A') + " / HTTP/1.1")},
      {"a tab for a blank", line("GET\t/\tHTTP/1.1")},
      {"no version", line("GET /")},
      {"two blanks", line("GET /  HTTP/1.1")},
      {"a blank behind the version", line("GET / HTTP/1.1 ")},
      {"a version in lower case", line("GET / http/1.1")},
      {"a version of three digits", line("GET / HTTP/1.10")},
      {"HTTP/2.0 in words", line("GET / HTTP/2.0"), 505},
      {"HTTP/1.2", line("GET / HTTP/1.2"), 505},
      {"HTTP/0.9 in words", line("GET / HTTP/0.9"), 505},
      {"a long target", line("GET /" + std::string(16 * 1024, 'a') + " HTTP/1.1"), 414},
      {"an endless target", "GET /" + std::string(20 * 1024, 'a'), 414},
      {"a large field", with("X: " + std::string(64 * 1024, 'a')), 431},
      {"an endless field", "GET / HTTP/1.1\r\nX: " + std::string(64 * 1024, 'a'), 431},
  };
}

INSTANTIATE_TEST_SUITE_P(Http, RefusedRequest, testing::ValuesIn(cases()));

TEST_F(RequestHeadTest, TheFieldBeyondTheLimitIsRefused) {
  std::string fields;
  for (std::size_t i = 1; i < limits_.fields_max; ++i) fields += "X: y\r\n";
  EXPECT_EQ(status_of("GET / HTTP/1.1\r\nHost: h\r\n" + fields + "\r\n"), 200);
  EXPECT_EQ(status_of("GET / HTTP/1.1\r\nHost: h\r\nX: y\r\n" + fields + "\r\n"), 431);
}

TEST_F(RequestHeadTest, IsFoundAlsoWhenItComesByteByByte) {
  const std::string text = "\r\nGET / HTTP/1.1\r\nHost: h\r\n\r\n";
  HeadFinder finder;
  for (std::size_t size = 0; size < text.size(); ++size) {
    const auto found = finder.find(std::string_view(text).substr(0, size), limits_);
    ASSERT_TRUE(found) << size;
    ASSERT_EQ(*found, 0u) << size;
  }
  EXPECT_EQ(finder.find(text, limits_), text.size());
}

}  // namespace
}  // namespace propeller::http
