#include "registry/url.hpp"

#include <gtest/gtest.h>

namespace propeller::registry {
namespace {

TEST(ParseUrl, SaysWhatWillBeDialled) {
  const auto url = parse_url("https://Example.ORG/v2/?a=b#c");
  ASSERT_TRUE(url);
  EXPECT_EQ(url->host, "example.org");
  EXPECT_EQ(url->port, 443);
  EXPECT_TRUE(url->is_https());
  EXPECT_EQ(url->text.find('#'), std::string::npos);
  EXPECT_EQ(parse_url("http://0x7f.1/")->host, "127.0.0.1");
  EXPECT_EQ(parse_url("http://[::1]:5000/")->host, "::1");
  EXPECT_EQ(parse_url("http://[::1]:5000/")->authority(), "[::1]:5000");
}

TEST(ParseUrl, RefusesOtherSchemesUserNamesAndControlCharacters) {
  for (const std::string_view text : {"ftp://x/", "file:///etc/passwd", "http://user:password@x/",
                                      "http://x/\r\nHost: y", "//x", "x", "", "http://"}) {
    EXPECT_FALSE(parse_url(text)) << text;
  }
  EXPECT_FALSE(parse_url("http://x/" + std::string(kUrlBytesMax, 'a')));
}

TEST(ResolveUrl, FollowsRelativeAndAbsoluteLocations) {
  const Url base = parse_url("https://example.org/v2/a/blobs/x").value();
  EXPECT_EQ(resolve_url(base, "/other?q=1")->text, "https://example.org/other?q=1");
  EXPECT_EQ(resolve_url(base, "y")->text, "https://example.org/v2/a/blobs/y");
  EXPECT_EQ(resolve_url(base, "//cdn.example/z")->host, "cdn.example");
  EXPECT_EQ(resolve_url(base, "http://cdn.example:81/z")->port, 81);
  for (const std::string_view location : {"", "file:///etc/passwd", "ftp://x/", "https://a:b@x/", "/a\nb"}) {
    EXPECT_FALSE(resolve_url(base, location)) << location;
  }
}

TEST(Url, SameOriginIsSchemeHostAndPort) {
  const Url base = parse_url("https://example.org/a").value();
  EXPECT_TRUE(base.has_same_origin(*parse_url("https://example.org:443/b")));
  EXPECT_FALSE(base.has_same_origin(*parse_url("http://example.org/a")));
  EXPECT_FALSE(base.has_same_origin(*parse_url("https://example.org:444/a")));
  EXPECT_FALSE(base.has_same_origin(*parse_url("https://example.com/a")));
}

TEST(PercentEncode, KeepsUnreservedCharactersOnly) {
  EXPECT_EQ(percent_encode("repository:a/b:pull ~"), "repository%3Aa%2Fb%3Apull%20~");
}

}  // namespace
}  // namespace propeller::registry
