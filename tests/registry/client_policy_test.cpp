// The host policy, through the client: what may be dialled.
#include <gmock/gmock.h>

#include "registry/client_fixture.hpp"

namespace propeller::registry {
namespace {

using support::FakeAuth;
using support::FakeRegistry;
using support::FaultKind;
using testing::HasSubstr;

TEST(ClientPolicy, ARequestMayNotNameThisMachine) {
  FakeRegistry internal;
  internal.push_module("acme/add", "v1", kSmallModule);
  Site site("https://registry.example.org");
  for (const std::string& host : {internal.host(), "localhost:" + std::to_string(internal.port())}) {
    const auto fetched = site.fetch("http://" + host + "/acme/add:v1");
    ASSERT_FALSE(fetched);
    EXPECT_EQ(fetched.error().code, Code::not_allowed);
  }
  EXPECT_EQ(internal.connections(), 0);
}

TEST(ClientPolicy, AListedHostMayBeThisMachine) {
  FakeRegistry internal;
  internal.push_module("acme/add", "v1", kSmallModule);
  for (const std::string& entry : {std::string("127.0.0.1"), internal.host(), std::string("127.0.0.0/8")}) {
    Site site("https://registry.example.org");
    site.settings.allow = {entry};
    const auto fetched = site.fetch("http://" + internal.host() + "/acme/add:v1");
    EXPECT_TRUE(fetched) << entry << ": " << describe(fetched.error());
  }
}

// The name passes, since a block is listed; what it resolves to is not in that block.
TEST(ClientPolicy, ANameIsJudgedByTheAddressItResolvesTo) {
  FakeRegistry internal;
  Site site("https://registry.example.org");
  site.settings.allow = {"10.0.0.0/8"};
  site.settings.attempts_max = 1;
  const auto fetched = site.fetch("http://localhost:" + std::to_string(internal.port()) + "/acme/add:v1");
  ASSERT_FALSE(fetched);
  EXPECT_EQ(fetched.error().code, Code::not_allowed) << fetched.error().detail;
  EXPECT_EQ(internal.connections(), 0);
}

TEST(ClientPolicy, TheConfiguredRegistrysRedirectsAndRealmMayBePrivate) {
  FakeRegistry storage;
  const auto digest = storage.push_blob("acme/add", kSmallModule);
  FakeRegistry tokens;
  FakeRegistry registry({.auth = FakeAuth::bearer, .token_server = &tokens});
  registry.push_module("acme/add", "v1", kSmallModule);
  registry.inject("/blobs/", {.kind = FaultKind::redirect, .value = storage.url() + "/v2/acme/add/blobs/" + digest});
  Site site(registry);
  const auto fetched = site.fetch("acme/add:v1");
  ASSERT_TRUE(fetched) << describe(fetched.error());
  EXPECT_EQ(storage.connections(), 1);
}

TEST(ClientPolicy, AnotherRegistrysRedirectsAndRealmMayNotBePrivate) {
  FakeRegistry internal;
  FakeRegistry redirecting;
  redirecting.inject("/v2/", {.kind = FaultKind::redirect, .value = internal.url() + "/secret"});
  FakeRegistry challenging({.auth = FakeAuth::bearer, .token_server = &internal});
  Site site("https://registry.example.org");
  site.settings.allow = {redirecting.host(), challenging.host()};
  for (const auto* registry : {&redirecting, &challenging}) {
    const auto fetched = site.fetch("http://" + registry->host() + "/acme/add:v1");
    ASSERT_FALSE(fetched);
    EXPECT_EQ(fetched.error().code, Code::not_allowed) << fetched.error().detail;
  }
  EXPECT_EQ(internal.connections(), 0);
}

// A connection that the trusted registry's redirect opened is still in the cache when somebody else points there.
TEST(ClientPolicy, AConnectionThatATrustedRegistryOpenedIsNotUsedForAnother) {
  FakeRegistry storage;
  const auto digest = storage.push_blob("acme/add", kSmallModule);
  const std::string by_name = "http://localhost:" + std::to_string(storage.port()) + "/v2/acme/add/blobs/" + digest;
  FakeRegistry registry;
  registry.push_module("acme/add", "v1", kSmallModule);
  registry.inject("/blobs/", {.kind = FaultKind::redirect, .value = by_name});
  FakeRegistry other;
  other.inject("/v2/", {.kind = FaultKind::redirect, .value = by_name});
  Site site(registry);
  site.settings.allow = {other.host(), "10.0.0.0/8"};
  ASSERT_TRUE(site.fetch("acme/add:v1"));
  ASSERT_EQ(storage.requests().size(), 1u);
  const auto fetched = site.fetch("http://" + other.host() + "/acme/add:v1");
  ASSERT_FALSE(fetched);
  EXPECT_EQ(fetched.error().code, Code::not_allowed) << fetched.error().detail;
  EXPECT_EQ(storage.requests().size(), 1u);
}

TEST(ClientPolicy, ARedirectToAMetadataServiceIsRefusedEvenFromTheConfiguredRegistry) {
  FakeRegistry registry;
  registry.inject("/v2/", {.kind = FaultKind::redirect, .value = "http://169.254.169.254/latest/meta-data/"});
  Site site(registry);
  const auto fetched = site.fetch("acme/add:v1");
  ASSERT_FALSE(fetched);
  EXPECT_EQ(fetched.error().code, Code::not_allowed);
}

}  // namespace
}  // namespace propeller::registry
