#include "forward/cache_matcher.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "config/site_file.hpp"

namespace propeller::forward {
namespace {

const std::string kHex(64, 'a');
const std::string kHex512(128, 'b');

config::Cache registry_cache() {
  config::Cache settings;
  settings.is_enabled = true;
  settings.patterns = config::registry_patterns();
  settings.are_http_rules_on = false;
  return settings;
}

CacheDecision ask(const CacheMatcher& matcher, const std::string& path, const std::vector<http::Field>& fields = {},
                  const std::string& query = "", std::string_view method = "GET") {
  return matcher.check_request(
      {.method = method, .scheme = "https", .authority = "r.example", .path = path, .query = query, .fields = fields});
}

TEST(DigestInPath, IsTheFirstThatHasAllItsDigits) {
  const std::vector<std::pair<std::string, std::optional<std::string>>> cases{
      {"/v2/a/blobs/sha256:" + kHex, "sha256:" + kHex},
      {"/v2/a/blobs/sha256%3A" + std::string(64, 'A'), "sha256:" + kHex},
      {"/v2/a/blobs/sha512:" + kHex512, "sha512:" + kHex512},
      {"/docker/registry/v2/blobs/sha256/aa/" + kHex + "/data", "sha256:" + kHex},
      {"/x/" + kHex, "sha256:" + kHex},
      {"/x/" + std::string(64, 'c') + "/sha256:" + kHex, "sha256:" + std::string(64, 'c')},
      {"/v2/x/" + std::string(64, 'c') + "/m/blobs/sha256:" + kHex, "sha256:" + kHex},
      {"/v2/x/" + std::string(64, 'c') + "/m/manifests/sha256%3A" + kHex + "?ns=r", "sha256:" + kHex},
      {"/v2/x/" + std::string(64, 'c') + "/m/manifests/latest", std::nullopt},
      {"/v2/x/m/blobs/sha256:" + kHex + "x", std::nullopt},
      {"/x/" + kHex + "a/data", std::nullopt},
      {"/x/sha256:" + kHex.substr(1), std::nullopt},
      {"/x/sha256:" + kHex + "a", std::nullopt},
      {"/x/sha384:" + kHex, std::nullopt},
      {"/x/sha512:" + kHex, std::nullopt},
      {"/x/sha256:" + std::string(64, 'g'), std::nullopt},
      {"/", std::nullopt},
      {"", std::nullopt},
  };
  for (const auto& [path, digest] : cases) {
    const auto found = digest_in_path(path);
    EXPECT_EQ(found ? std::optional(found->to_string()) : std::nullopt, digest) << path;
  }
}

TEST(ParseDigest, TakesTheWholeTextOrNothing) {
  EXPECT_EQ(store::BlobDigest::parse("sha256:" + kHex)->to_string(), "sha256:" + kHex);
  EXPECT_EQ(store::BlobDigest::parse("sha512:" + kHex512)->to_string(), "sha512:" + kHex512);
  for (const auto& text : {"sha256:" + kHex + "/", "sha256:" + kHex + " ", std::string("sha256:"), kHex})
    EXPECT_FALSE(store::BlobDigest::parse(text)) << text;
}

TEST(CacheMatcher, KeepsRegistryContentByDigest) {
  const CacheMatcher matcher(registry_cache());
  const auto blob = ask(matcher, "/v2/library/alpine/blobs/sha256:" + kHex);
  EXPECT_TRUE(blob.may_look_up);
  EXPECT_TRUE(blob.may_store);
  EXPECT_EQ(blob.digest->hex(), kHex);
  EXPECT_EQ(blob.key, "https://r.example/v2/library/alpine/blobs/sha256:" + kHex);
  EXPECT_TRUE(ask(matcher, "/v2/a/b/manifests/sha256:" + kHex).may_store);
  EXPECT_TRUE(ask(matcher, "/registry-v2/docker/registry/v2/blobs/sha256/aa/" + kHex + "/data").may_store);
}

TEST(CacheMatcher, KeepsNothingElse) {
  const CacheMatcher matcher(registry_cache());
  const auto path = "/v2/a/blobs/sha256:" + kHex;
  for (const auto* method : {"POST", "PUT", "get", "OPTIONS"})
    EXPECT_FALSE(ask(matcher, path, {}, "", method).may_look_up) << method;
  for (const auto* other : {"/v2/a/manifests/latest", "/v2/a/tags/list", "/", "/x/v2/a/blobs/sha256:0"})
    EXPECT_FALSE(ask(matcher, other).may_look_up) << other;
  auto with_http = registry_cache();
  with_http.are_http_rules_on = true;
  const auto left = ask(CacheMatcher(with_http), "/v2/a/manifests/latest", {}, "a=b");
  EXPECT_TRUE(left.may_look_up) << "by the rules of HTTP";
  EXPECT_EQ(left.rules, CacheRules::http);
  EXPECT_EQ(left.key, "https://r.example/v2/a/manifests/latest?a=b");
  EXPECT_FALSE(ask(CacheMatcher(config::Cache{}), path).may_look_up) << "not enabled";
}

TEST(CacheMatcher, AQueryNeedsADigestInThePath) {
  auto settings = registry_cache();
  settings.patterns.emplace_back("\\.tgz$");
  const CacheMatcher matcher(settings);
  EXPECT_TRUE(ask(matcher, "/a.tgz").may_store);
  EXPECT_FALSE(ask(matcher, "/a.tgz", {}, "v=2").may_look_up);
  EXPECT_TRUE(ask(matcher, "/v2/a/blobs/sha256:" + kHex, {}, "ns=docker.io").may_store);
  EXPECT_FALSE(ask(matcher, "/v2/a/blobs/sha256:" + kHex.substr(1), {}, "ns=docker.io").may_look_up);
}

TEST(CacheMatcher, APatternThatIsNoneMatchesNothingAndLeavesTheOthers) {
  auto settings = registry_cache();
  settings.patterns = {"(", "\\.tgz$"};
  const CacheMatcher matcher(settings);
  EXPECT_TRUE(ask(matcher, "/a.tgz").may_store);
  EXPECT_FALSE(ask(matcher, "/(").may_look_up);
  settings.patterns = {};
  EXPECT_FALSE(ask(CacheMatcher(settings), "/a.tgz").may_look_up);
}

TEST(CacheMatcher, KnowsWhatCredentialsAreCalled) {
  for (const auto* name : {"Authorization", "authorization", "Cookie", "X-Api-Key", "Private-Token", "X-Auth"})
    EXPECT_TRUE(carries_credentials(std::vector<http::Field>{{"Accept", "*/*"}, {name, "Bearer x"}})) << name;
}

// The digest in its path is what they refer to.
TEST(CacheMatcher, ListsOfARegistryAreNoContent) {
  auto settings = registry_cache();
  settings.is_content_aware = true;
  settings.are_http_rules_on = true;
  settings.patterns.emplace_back("list|referrers");
  const CacheMatcher matcher(settings);
  for (const auto& path : {"/v2/a/referrers/sha256:" + kHex, std::string("/v2/a/tags/list")}) {
    const auto decision = ask(matcher, path, {{"Accept", "application/vnd.oci.image.index.v1+json"}});
    EXPECT_EQ(decision.rules, CacheRules::http) << path;
    EXPECT_FALSE(decision.digest) << path;
  }
}

TEST(CacheMatcher, WhatIsForTheProxyItselfDoesNotCount) {
  EXPECT_FALSE(
      carries_credentials(std::vector<http::Field>{{"Proxy-Authorization", "Basic x"}, {"npm-auth-type", "web"}}));
}

TEST(CacheMatcher, OnlyAPlainGetOfTheWholeMayBecomeAnEntry) {
  const CacheMatcher matcher(registry_cache());
  const auto path = "/v2/a/blobs/sha256:" + kHex;
  EXPECT_TRUE(ask(matcher, path, {}, "", "HEAD").may_look_up);
  EXPECT_FALSE(ask(matcher, path, {}, "", "HEAD").may_store);
  for (const http::Field& field : {http::Field{"Range", "bytes=0-"}, http::Field{"If-None-Match", "*"},
                                   http::Field{"If-Modified-Since", "x"}, http::Field{"Cache-Control", "No-Store"}}) {
    EXPECT_TRUE(ask(matcher, path, {field}).may_look_up) << field.name;
    EXPECT_FALSE(ask(matcher, path, {field}).may_store) << field.name;
  }
  EXPECT_FALSE(ask(matcher, path, {{"If-Match", "*"}}).may_look_up);
}

TEST(CacheMatcher, AnAddressTooLongForTheStoreIsNotTaken) {
  const CacheMatcher matcher(registry_cache());
  const auto path = "/v2/a/blobs/sha256:" + kHex;
  EXPECT_TRUE(ask(matcher, path, {}, std::string(7800, 'q')).may_look_up);
  EXPECT_FALSE(ask(matcher, path, {}, std::string(8192, 'q')).may_look_up);
}

// Bytes that came over http must not be served to those who asked for https.
TEST(CacheMatcher, TheSchemeIsPartOfTheKey) {
  const CacheMatcher matcher(registry_cache());
  const auto path = "/v2/a/blobs/sha256:" + kHex;
  const auto plain = matcher.check_request(
      {.method = "GET", .scheme = "http", .authority = "r.example", .path = path, .query = {}, .fields = {}});
  EXPECT_NE(plain.key, ask(matcher, path).key);
}

TEST(CacheMatcher, WithADigestVaryTellsNothingNew) {
  const CacheMatcher matcher(registry_cache());
  const auto decision = ask(matcher, "/v2/a/blobs/sha256:" + kHex);
  EXPECT_TRUE(matcher.is_storable(decision, 200, std::vector<http::Field>{{"Vary", "Accept, Cookie"}}));
  EXPECT_FALSE(matcher.is_storable(decision, 200, std::vector<http::Field>{{"Vary", "Accept, *"}}));
}

TEST(CacheMatcher, ASignatureInTheQueryIsPartOfTheKey) {
  const CacheMatcher matcher(registry_cache());
  const auto path = "/registry-v2/docker/registry/v2/blobs/sha256/aa/" + kHex + "/data";
  const auto plain = ask(matcher, path);
  const auto signed_one = ask(matcher, path, {}, "X-Amz-Expires=1200&X-Amz-Signature=abc");
  const auto signed_two = ask(matcher, path, {}, "X-Amz-Expires=1200&X-Amz-Signature=def");
  EXPECT_TRUE(signed_one.may_store);
  EXPECT_NE(signed_one.key, plain.key);
  EXPECT_NE(signed_one.key, signed_two.key);
  EXPECT_EQ(signed_one.key, ask(matcher, path, {}, "X-Amz-Expires=1200&X-Amz-Signature=abc").key);
  EXPECT_EQ(plain.key, ask(matcher, path, {}, "ns=docker.io").key);
  EXPECT_NE(plain.key, ask(matcher, path, {}, "ns=docker.io&v=1").key) << "who knows what it gives access to";
}

TEST(CacheMatcher, ContentAwareLooksAtAcceptAndContentType) {
  config::Cache settings;
  settings.is_enabled = true;
  settings.is_content_aware = true;
  settings.are_http_rules_on = false;
  const CacheMatcher matcher(settings);
  const auto path = "/any/where/sha256:" + kHex;
  const CacheDecision decision;
  EXPECT_TRUE(ask(matcher, path, {{"accept", "text/html, application/vnd.oci.image.manifest.v1+json"}}).may_store);
  EXPECT_TRUE(ask(matcher, path, {{"Accept", "*/*"}, {"Accept", "application/vnd.docker.x"}}, "a=b").may_store);
  EXPECT_FALSE(ask(matcher, path, {{"Accept", "*/*"}}).may_look_up);
  EXPECT_FALSE(ask(matcher, path).may_look_up);
  EXPECT_TRUE(matcher.is_storable(decision, 200, std::vector<http::Field>{{"docker-content-digest", "sha256:x"}}));
  EXPECT_TRUE(
      matcher.is_storable(decision, 200, std::vector<http::Field>{{"Content-Type", "application/octet-stream; x"}}));
  EXPECT_TRUE(matcher.is_storable(
      decision, 200, std::vector<http::Field>{{"Content-Type", "application/vnd.oci.image.index.v1+json"}}));
  EXPECT_FALSE(matcher.is_storable(decision, 200, std::vector<http::Field>{{"Content-Type", "text/html"}}));
}

// Existing proxies stored ten bytes of a Range request, and served them as the whole.
TEST(CacheMatcher, StoresWholeGoodAnswersThatNobodyForbids) {
  const CacheMatcher matcher(registry_cache());
  struct Case {
    int status;
    std::vector<http::Field> fields;
    bool is_storable;
  };
  const std::vector<Case> cases{
      {200, {}, true},
      {203, {}, true},
      {206, {}, false},
      {199, {}, false},
      {301, {}, false},
      {304, {}, false},
      {401, {}, false},
      {500, {}, false},
      {200, {{"Cache-Control", "max-age=3600, public"}}, true},
      {200, {{"Cache-Control", "No-Store"}}, false},
      {200, {{"Cache-Control", "max-age=1"}, {"cache-control", "no-store"}}, false},
      {200, {{"Cache-Control", "max-age=1, private"}}, false},
      {200, {{"Cache-Control", "private=\"Set-Cookie\""}}, false},
      {200, {{"Cache-Control", "x-private-ish=1"}}, true},
      {200, {{"Vary", "*"}}, false},
      {200, {{"Vary", "Accept-Encoding"}}, true},
      {200, {{"Vary", "Accept"}}, false},
      {200, {{"Vary", "Accept-Encoding"}, {"Vary", "Cookie"}}, false},
      {200, {{"Content-Encoding", "gzip"}}, false},
      {200, {{"Content-Encoding", "identity"}}, true},
  };
  for (const auto& one : cases)
    EXPECT_EQ(matcher.is_storable({}, one.status, one.fields), one.is_storable)
        << one.status << " " << (one.fields.empty() ? "" : one.fields.back().value);
}

}  // namespace
}  // namespace propeller::forward
