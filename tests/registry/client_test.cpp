#include "registry/client.hpp"

#include <gmock/gmock.h>

#include "registry/client_fixture.hpp"

namespace propeller::registry {
namespace {

using support::FakeAuth;
using support::FakeRegistry;
using support::FaultKind;
using testing::HasSubstr;
using testing::Not;

std::string index_of(const std::string& children) { return R"({"schemaVersion":2,"manifests":[)" + children + "]}"; }

std::string child_of(const std::string& digest, const std::string& os, const std::string& architecture) {
  return R"({"mediaType":"application/vnd.oci.image.manifest.v1+json","size":1,"digest":")" + digest +
         R"(","platform":{"os":")" + os + R"(","architecture":")" + architecture + R"("}})";
}

constexpr const char* kIndexType = "application/vnd.oci.image.index.v1+json";

TEST(Client, AColdImageTakesTwoRequestsOverOneConnection) {
  FakeRegistry registry;
  registry.push_module("acme/add", "v1", kSmallModule);
  Site site(registry);
  const auto module = site.fetch("acme/add:v1");
  ASSERT_TRUE(module) << describe(module.error());
  EXPECT_EQ(*module, kSmallModule);
  EXPECT_EQ(registry.requests().size(), 2u);
  EXPECT_EQ(registry.connections(), 1);
}

TEST(Client, CarriesALargeBlobUnchangedAndKeepsTheConnection) {
  FakeRegistry registry;
  const std::string module = large_module(20'000'000);
  registry.push_module("acme/large", "latest", module);
  Site site(registry);
  const auto fetched = site.fetch("acme/large");
  ASSERT_TRUE(fetched) << describe(fetched.error());
  EXPECT_TRUE(*fetched == module);
  EXPECT_TRUE(site.fetch("acme/large"));
  EXPECT_EQ(registry.connections(), 1);
}

TEST(Client, CarriesAnEmptyBlob) {
  FakeRegistry registry;
  registry.push_module("acme/empty", "latest", "");
  Site site(registry);
  const auto fetched = site.fetch("acme/empty");
  ASSERT_TRUE(fetched) << describe(fetched.error());
  EXPECT_TRUE(fetched->empty());
}

TEST(Client, ReadsNoMoreThanAskedFor) {
  FakeRegistry registry;
  const auto digest = Digest::parse(registry.push_blob("acme/add", large_module(100'000))).value();
  Site site(registry);
  const auto blob = run(site.context, site.client().open_blob(site.reference("acme/add"), digest, 100'000));
  ASSERT_TRUE(blob);
  const auto bytes = run(site.context, (*blob)->read(1000));
  ASSERT_TRUE(bytes);
  EXPECT_LE(bytes->size(), 1000u);
}

TEST(Client, AsksForTheTagOrTheDigestOfTheReference) {
  FakeRegistry registry;
  registry.push_module("acme/add", "v1", kSmallModule);
  const std::string digest = registry.push_module("acme/add", "v2", kSmallModule + "2");
  Site site(registry);
  EXPECT_EQ(site.fetch("acme/add:v1"), kSmallModule);
  EXPECT_EQ(site.fetch("acme/add@" + digest), kSmallModule + "2");
  EXPECT_EQ(site.fetch("acme/add:v1@" + digest), kSmallModule + "2");
  EXPECT_EQ(registry.requests_with("/manifests/v1"), 1);
  EXPECT_EQ(site.resolve("acme/add:v2")->manifest.to_string(), digest);
}

TEST(Client, SaysWhatTypesItUnderstands) {
  FakeRegistry registry;
  registry.push_module("acme/add", "v1", kSmallModule);
  Site site(registry);
  ASSERT_TRUE(site.resolve("acme/add:v1"));
  const std::string accept = registry.requests().at(0).field("accept");
  for (const char* type : {"application/vnd.oci.image.manifest.v1+json", "application/vnd.oci.image.index.v1+json",
                           "application/vnd.docker.distribution.manifest.v2+json",
                           "application/vnd.docker.distribution.manifest.list.v2+json"}) {
    EXPECT_THAT(accept, HasSubstr(type));
  }
}

TEST(Client, GoesThroughAnIndexToTheWasmChild) {
  FakeRegistry registry;
  const auto linux = registry.push_module("acme/add", "", "not this");
  const auto wasm = registry.push_module("acme/add", "", kSmallModule);
  registry.push_manifest("acme/add", "v1",
                         index_of(child_of(linux, "linux", "amd64") + "," + child_of(wasm, "wasip1", "wasm")),
                         kIndexType);
  Site site(registry);
  EXPECT_EQ(site.fetch("acme/add:v1"), kSmallModule);
  EXPECT_EQ(site.resolve("acme/add:v1")->manifest.to_string(), wasm);
}

TEST(Client, IndexesOfIndexesHaveALimit) {
  FakeRegistry registry;
  std::string digest = registry.push_module("acme/add", "depth0", kSmallModule);
  for (int depth = 1; depth <= Client::kIndexDepthMax + 1; ++depth) {
    digest = registry.push_manifest("acme/add", "depth" + std::to_string(depth),
                                    index_of(child_of(digest, "wasi", "wasm")), kIndexType);
  }
  Site site(registry);
  EXPECT_EQ(site.fetch("acme/add:depth" + std::to_string(Client::kIndexDepthMax)), kSmallModule);
  const auto too_deep = site.resolve("acme/add:depth" + std::to_string(Client::kIndexDepthMax + 1));
  ASSERT_FALSE(too_deep);
  EXPECT_EQ(too_deep.error().code, Code::no_module);
}

TEST(Client, AMissingTagIsNotFoundUnlessLatestMayStandIn) {
  FakeRegistry registry;
  registry.push_module("acme/add", "latest", kSmallModule);
  Site strict(registry);
  const auto missing = strict.resolve("acme/add:v9");
  ASSERT_FALSE(missing);
  EXPECT_EQ(missing.error().code, Code::not_found);
  EXPECT_EQ(registry.requests_with("/manifests/latest"), 0);

  Site lenient(registry);
  lenient.settings.falls_back_to_latest = true;
  const auto fallback = lenient.resolve("acme/add:v9");
  ASSERT_TRUE(fallback) << describe(fallback.error());
  EXPECT_TRUE(fallback->is_fallback);
  EXPECT_FALSE(lenient.resolve("acme/add")->is_fallback);
  EXPECT_FALSE(lenient.resolve("acme/add@sha256:" + std::string(64, '0')));
}

TEST(Client, ManifestWithOtherBytesThanItsDigestIsRefused) {
  FakeRegistry registry;
  const std::string digest = registry.push_module("acme/add", "v1", kSmallModule);
  Site site(registry);
  registry.inject("/manifests/", {.kind = FaultKind::wrong_bytes, .times = 1});
  const auto by_digest = site.resolve("acme/add@" + digest);
  ASSERT_FALSE(by_digest);
  EXPECT_EQ(by_digest.error().code, Code::digest_mismatch);
  registry.inject("/manifests/", {.kind = FaultKind::wrong_digest_field, .times = 1});
  const auto by_tag = site.resolve("acme/add:v1");
  ASSERT_FALSE(by_tag);
  EXPECT_EQ(by_tag.error().code, Code::digest_mismatch);
}

TEST(Client, AManifestLargerThanTheLimitIsRefused) {
  FakeRegistry registry;
  registry.push_manifest("acme/add", "v1", R"({"layers":[],"x":")" + std::string(5 * 1024 * 1024, 'x') + "\"}");
  Site site(registry);
  const auto announced = site.resolve("acme/add:v1");
  ASSERT_FALSE(announced);
  EXPECT_EQ(announced.error().code, Code::too_large);
  registry.inject("/manifests/", {.kind = FaultKind::no_length});
  const auto unannounced = site.resolve("acme/add:v1");
  ASSERT_FALSE(unannounced);
  EXPECT_EQ(unannounced.error().code, Code::too_large);
}

TEST(Client, SpeaksTlsToARegistryWhoseAuthorityItKnowsOnly) {
  const support::TlsFiles files;
  FakeRegistry registry({.tls = &files});
  registry.push_module("acme/add", "v1", kSmallModule);
  Site trusting(registry);
  trusting.settings.ca_cert = files.ca();
  const auto module = trusting.fetch("acme/add:v1");
  ASSERT_TRUE(module) << describe(module.error());
  EXPECT_EQ(*module, kSmallModule);

  Site distrusting(registry);
  const auto refused = distrusting.fetch("acme/add:v1");
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, Code::registry_unavailable);
  EXPECT_THAT(refused.error().detail, HasSubstr("PROXY_REGISTRY_CA_CERT"));
  EXPECT_EQ(distrusting.client().retries(), 0u);
}

TEST(Client, TakesNoProxyFromTheEnvironment) {
  FakeRegistry registry;
  registry.push_module("acme/add", "v1", kSmallModule);
  ::setenv("http_proxy", "http://127.0.0.1:1", 1);
  ::setenv("all_proxy", "http://127.0.0.1:1", 1);
  Site site(registry);
  const auto module = site.fetch("acme/add:v1");
  ::unsetenv("http_proxy");
  ::unsetenv("all_proxy");
  ASSERT_TRUE(module) << describe(module.error());
}

TEST(Client, UsesTheConfiguredProxyWhateverTheEnvironmentExempts) {
  FakeRegistry proxy;  // answers requests in absolute form by their path too
  Site site("http://registry.invalid");
  site.settings.proxy = proxy.url();
  ::setenv("no_proxy", "*", 1);
  const auto resolved = site.resolve("acme/add:v1");
  ::unsetenv("no_proxy");
  ASSERT_FALSE(resolved);
  EXPECT_EQ(resolved.error().code, Code::not_found);
  ASSERT_EQ(proxy.requests().size(), 1u);
  EXPECT_EQ(proxy.requests()[0].target, "http://registry.invalid/v2/acme/add/manifests/v1");
}

TEST(Client, LivenessFollowsTheConfiguredRegistryOnly) {
  FakeRegistry registry;
  FakeRegistry other;
  registry.push_module("acme/add", "v1", kSmallModule);
  Site site(registry);
  site.settings.attempts_max = 1;
  site.settings.allow = {"127.0.0.1"};
  EXPECT_FALSE(site.client().liveness().asked_at);
  other.inject("/v2/", {.kind = FaultKind::close});
  EXPECT_FALSE(site.resolve("http://" + other.host() + "/acme/add:v1"));
  EXPECT_FALSE(site.client().liveness().asked_at);
  EXPECT_FALSE(site.resolve("acme/missing"));
  EXPECT_TRUE(site.client().liveness().asked_at);
  EXPECT_TRUE(site.client().liveness().has_answered);
  registry.inject("/v2/", {.kind = FaultKind::close});
  EXPECT_FALSE(site.resolve("acme/add:v1"));
  EXPECT_FALSE(site.client().liveness().has_answered);
  registry.clear_faults();
  EXPECT_TRUE(site.resolve("acme/add:v1"));
  EXPECT_TRUE(site.client().liveness().has_answered);
}

TEST(Client, SettingsThatMakeNoSenseFailEveryCall) {
  for (const auto& [url, allow] :
       std::vector<std::pair<std::string, std::vector<std::string>>>{{"ftp://x", {}}, {"ghcr.io", {"a b"}}}) {
    Site site(url);
    site.settings.allow = allow;
    const auto resolved = run(site.context, site.client().resolve(parse_reference("ghcr.io/acme/add", "").value()));
    ASSERT_FALSE(resolved);
    EXPECT_EQ(resolved.error().code, Code::bad_config);
  }
}

TEST(Client, HoldsNoWorkOnTheLoopBetweenCalls) {
  FakeRegistry registry;
  registry.push_module("acme/add", "v1", kSmallModule);
  Site site(registry);
  ASSERT_TRUE(site.fetch("acme/add:v1"));
  site.context.restart();
  site.context.run();  // returns when nothing is left; hangs into the test's time-out otherwise
}

}  // namespace
}  // namespace propeller::registry
