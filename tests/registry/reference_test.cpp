#include "registry/reference.hpp"

#include <gtest/gtest.h>

namespace propeller::registry {
namespace {

constexpr std::string_view kDigest = "sha256:ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";

std::string parsed(std::string_view name, std::string_view registry = "") {
  const auto reference = parse_reference(name, registry);
  return reference ? reference->to_string() : describe(reference.error());
}

TEST(ParseReference, PutsTheDefaultRegistryBeforeNamesWithoutAHost) {
  EXPECT_EQ(parsed("acme/add", "ghcr.io"), "ghcr.io/acme/add:latest");
  EXPECT_EQ(parsed("add.wasm", "ghcr.io"), "ghcr.io/add.wasm:latest");
  EXPECT_EQ(parsed("add:v1", "localhost:5000"), "localhost:5000/add:v1");
}

TEST(ParseReference, DefaultRegistryMayHaveASchemeAndAPrefix) {
  EXPECT_EQ(parsed("add", "http://localhost:5000"), "http://localhost:5000/add:latest");
  EXPECT_EQ(parsed("add", "https://ghcr.io/"), "ghcr.io/add:latest");
  EXPECT_EQ(parsed("add:v2", "https://registry.example.org/team/modules"), "registry.example.org/team/modules/add:v2");
  EXPECT_EQ(parsed("add", "oci://ghcr.io/acme"), "ghcr.io/acme/add:latest");
}

TEST(ParseReference, FirstComponentIsAHostWithADotAColonOrLocalhost) {
  EXPECT_EQ(parsed("ghcr.io/acme/add", "example.org"), "ghcr.io/acme/add:latest");
  EXPECT_EQ(parsed("registry:5000/add", "example.org"), "registry:5000/add:latest");
  EXPECT_EQ(parsed("localhost/add", "example.org"), "localhost/add:latest");
  EXPECT_EQ(parsed("[::1]:5000/add", "example.org"), "[::1]:5000/add:latest");
  EXPECT_EQ(parsed("acme/add", "example.org"), "example.org/acme/add:latest");
}

TEST(ParseReference, HostOfOneLabelIsWrittenWithItsScheme) {
  EXPECT_EQ(parsed("https://Registry/add"), "https://registry/add:latest");
  EXPECT_EQ(parsed("https://registry/add:v1#a.wasm", "ghcr.io"), "https://registry/add:v1#a.wasm");
  EXPECT_EQ(parsed("http://registry/add"), "http://registry/add:latest");
  EXPECT_EQ(parsed("add", "registry"), "https://registry/add:latest");  // as the operator's setting
}

TEST(ParseReference, HostIsLowerCase) { EXPECT_EQ(parsed("GHCR.io/acme/add"), "ghcr.io/acme/add:latest"); }

TEST(ParseReference, DockerHubHasAnotherHostAndALibrary) {
  EXPECT_EQ(parsed("add"), "registry-1.docker.io/library/add:latest");
  EXPECT_EQ(parsed("docker.io/add"), "registry-1.docker.io/library/add:latest");
  EXPECT_EQ(parsed("docker.io/acme/add.wasm"), "registry-1.docker.io/acme/add.wasm:latest");
  EXPECT_EQ(parsed("index.docker.io/acme/add"), "registry-1.docker.io/acme/add:latest");
  EXPECT_EQ(parsed("add", "docker.io"), "registry-1.docker.io/library/add:latest");
}

TEST(ParseReference, TagDigestAndPathAreTakenApart) {
  const auto reference = parse_reference("ghcr.io/acme/add:v1@" + std::string(kDigest) + "#bin/add.wasm", "");
  ASSERT_TRUE(reference);
  EXPECT_EQ(reference->host, "ghcr.io");
  EXPECT_EQ(reference->repository, "acme/add");
  EXPECT_EQ(reference->tag, "v1");
  ASSERT_TRUE(reference->digest);
  EXPECT_EQ(reference->digest->to_string(), kDigest);
  EXPECT_EQ(reference->path, "bin/add.wasm");
  EXPECT_EQ(reference->manifest_name(), kDigest);
}

TEST(ParseReference, DigestAloneNeedsNoTag) {
  const auto reference = parse_reference("ghcr.io/acme/add@" + std::string(kDigest), "");
  ASSERT_TRUE(reference);
  EXPECT_EQ(reference->tag, "");
  EXPECT_EQ(reference->manifest_name(), kDigest);
}

TEST(ParseReference, SchemeDecidesAndTheDefaultRegistrysSchemeHoldsForItsHost) {
  EXPECT_EQ(parsed("http://example.org/add"), "http://example.org/add:latest");
  EXPECT_EQ(parsed("https://localhost:5000/add", "http://localhost:5000"), "localhost:5000/add:latest");
  EXPECT_EQ(parsed("localhost:5000/add", "http://localhost:5000"), "http://localhost:5000/add:latest");
  EXPECT_EQ(parsed("localhost:5001/add", "http://localhost:5000"), "localhost:5001/add:latest");
}

TEST(ParseReference, WhatItWritesItReadsAgain) {
  for (const char* text : {"http://example.org:81/a/b:v1", "ghcr.io/acme/add:latest#x y",
                           "registry-1.docker.io/library/add:1", "https://registry/acme/add:v1"}) {
    EXPECT_EQ(parsed(text), text);
  }
}

TEST(ParseReference, PinnedNamesTheManifest) {
  const auto reference = parse_reference("ghcr.io/acme/add:v1", "");
  ASSERT_TRUE(reference);
  EXPECT_EQ(reference->pinned(Digest::parse(kDigest).value()).to_string(),
            "ghcr.io/acme/add:v1@" + std::string(kDigest));
}

TEST(ParseReference, RefusesWhatTheGrammarForbids) {
  for (const std::string_view name : {"",
                                      "/",
                                      "add:",
                                      ":v1",
                                      "Add",
                                      "acme//add",
                                      "/add",
                                      "acme/add/",
                                      "acme/a__ _b",
                                      "acme/a..b",
                                      "acme/a___b",
                                      "acme/-a",
                                      "add:-v1",
                                      "add:.v",
                                      "add@sha256:00",
                                      "add@",
                                      "add@sha512:00",
                                      "ghcr.io/",
                                      "ghcr.io:0/add",
                                      "ghcr.io:65536/add",
                                      "ghcr.io:x/add",
                                      "-x.io/add",
                                      "a..b/add",
                                      "ftp://ghcr.io/add",
                                      "http://",
                                      "http:///add",
                                      "http://user@ghcr.io/add",
                                      "ghcr.io/add#",
                                      "add\n",
                                      "acme/../add",
                                      "acme/%2e%2e/add",
                                      "[::1/add",
                                      "[]:5000/add",
                                      "ghcr.io/a?b=c",
                                      "gh cr.io/add",
                                      "http://ghcr.io"}) {
    const auto reference = parse_reference(name, "");
    ASSERT_FALSE(reference) << name << " became " << reference->to_string();
    EXPECT_EQ(reference.error().code, Code::bad_reference) << name;
    EXPECT_EQ(reference.error().origin, Origin::client) << name;
  }
}

TEST(ParseReference, EveryPartHasALimit) {
  EXPECT_TRUE(parse_reference("ghcr.io/" + std::string(kRepositoryBytesMax, 'a'), ""));
  EXPECT_FALSE(parse_reference("ghcr.io/" + std::string(kRepositoryBytesMax + 1, 'a'), ""));
  EXPECT_TRUE(parse_reference("add:" + std::string(kTagBytesMax, 'a'), ""));
  EXPECT_FALSE(parse_reference("add:" + std::string(kTagBytesMax + 1, 'a'), ""));
  EXPECT_TRUE(parse_reference("add#" + std::string(kPathBytesMax, 'a'), ""));
  EXPECT_FALSE(parse_reference("add#" + std::string(kPathBytesMax + 1, 'a'), ""));
  std::string host;
  while (host.size() + 4 <= kHostBytesMax) host += "abc.";
  EXPECT_TRUE(parse_reference(host + "io/add", "")) << host.size();
  EXPECT_FALSE(parse_reference(host + "abc.io/add", ""));
  EXPECT_FALSE(parse_reference(std::string(10'000'000, 'a'), ""));
}

TEST(ParseReference, MessagesShowNoControlCharactersAndAreShort) {
  const auto reference = parse_reference("ghcr.io/\x1b[31m" + std::string(900, 'x'), "");
  ASSERT_FALSE(reference);
  EXPECT_EQ(reference.error().detail.find('\x1b'), std::string::npos);
  EXPECT_LT(reference.error().detail.size(), 250u);
}

TEST(ParseRegistryUrl, RefusesWhatIsNoUrl) {
  for (const std::string_view url : {"ftp://x", "http://", "a b", "host:99999", "host/UPPER"}) {
    EXPECT_FALSE(parse_registry_url(url)) << url;
  }
}

}  // namespace
}  // namespace propeller::registry
