#include "registry/host_policy.hpp"

#include <gtest/gtest.h>

#include "config/settings.hpp"

namespace propeller::registry {
namespace {

namespace ip = boost::asio::ip;

Url url(const std::string& text) { return parse_url(text).value(); }

HostPolicy policy(const std::vector<std::string>& allow = {},
                  const std::string& configured = "https://registry.example.org") {
  return HostPolicy::make(url(configured), allow).value();
}

bool allows(const HostPolicy& policy, const std::string& host, const std::string& address,
            Pointer pointer = Pointer::request) {
  const Url target = url(std::string("https://") + host);
  return policy.check_name(target, pointer) && policy.allows_address(ip::make_address(address), target, pointer);
}

TEST(HostPolicy, WithoutAListAnyPublicHostMayBeNamed) {
  const auto open = policy();
  EXPECT_TRUE(allows(open, "ghcr.io", "140.82.112.3"));
  EXPECT_FALSE(allows(open, "ghcr.io", "10.0.0.1"));
  EXPECT_FALSE(allows(open, "ghcr.io", "::ffff:127.0.0.1"));
  EXPECT_FALSE(allows(open, "ghcr.io", "169.254.169.254"));
  EXPECT_FALSE(allows(open, "ghcr.io", "100.64.0.1"));
}

TEST(HostPolicy, LiteralAddressesAndLocalhostAreRefusedBeforeDns) {
  const auto open = policy();
  for (const char* host : {"127.0.0.1:5000", "[::1]", "10.0.0.1", "localhost", "registry.localhost", "169.254.169.254",
                           "0x7f.1", "2130706433", "[::ffff:7f00:1]"}) {
    const auto checked = open.check_name(url(std::string("https://") + host), Pointer::request);
    ASSERT_FALSE(checked) << host;
    EXPECT_EQ(checked.error().code, Code::not_allowed);
  }
  EXPECT_TRUE(open.check_name(url("https://8.8.8.8"), Pointer::request));
}

TEST(HostPolicy, TheConfiguredRegistryMayBeAnywhereButOnlyOnItsPort) {
  const auto configured = policy({}, "http://localhost:5000");
  EXPECT_TRUE(allows(configured, "localhost:5000", "127.0.0.1"));
  EXPECT_FALSE(allows(configured, "localhost:22", "127.0.0.1"));
}

TEST(HostPolicy, ListedHostsWildcardsAndBlocksMayBePrivate) {
  const auto listed =
      policy({"registry.lan", "cache.lan:5000", "*.corp.example", "192.168.7.0/24", "fd12::/16", "10.9.8.7"});
  EXPECT_TRUE(allows(listed, "registry.lan", "10.0.0.1"));
  EXPECT_TRUE(allows(listed, "registry.lan:8443", "10.0.0.1"));
  EXPECT_TRUE(allows(listed, "cache.lan:5000", "10.0.0.1"));
  EXPECT_FALSE(allows(listed, "cache.lan:5001", "10.0.0.1"));
  EXPECT_TRUE(allows(listed, "a.b.corp.example", "10.0.0.1"));
  EXPECT_FALSE(allows(listed, "corp.example", "10.0.0.1"));
  EXPECT_FALSE(allows(listed, "evilcorp.example", "10.0.0.1"));
  EXPECT_TRUE(allows(listed, "anything.example", "192.168.7.9"));
  EXPECT_TRUE(allows(listed, "anything.example", "::ffff:192.168.7.9"));
  EXPECT_FALSE(allows(listed, "anything.example", "192.168.8.9"));
  EXPECT_TRUE(allows(listed, "192.168.7.9", "192.168.7.9"));
  EXPECT_TRUE(allows(listed, "[fd12::5]:5000", "fd12::5"));
  EXPECT_TRUE(allows(listed, "10.9.8.7", "10.9.8.7"));
}

TEST(HostPolicy, AListKeepsOtherPublicHostsOutUnlessAStarIsOnIt) {
  const auto closed = policy({"ghcr.io"});
  EXPECT_TRUE(allows(closed, "ghcr.io", "140.82.112.3"));
  EXPECT_FALSE(allows(closed, "quay.io", "140.82.112.3"));
  EXPECT_TRUE(allows(closed, "registry.example.org", "140.82.112.3"));
  const auto open = policy({"registry.lan", "*"});
  EXPECT_TRUE(allows(open, "quay.io", "140.82.112.3"));
  EXPECT_FALSE(allows(open, "quay.io", "10.0.0.1"));
}

TEST(HostPolicy, RedirectsOfTheConfiguredRegistryMayBePrivateButNotLinkLocal) {
  const auto open = policy();
  EXPECT_TRUE(allows(open, "minio.lan", "10.0.0.1", Pointer::configured_registry));
  EXPECT_TRUE(allows(open, "127.0.0.1:9000", "127.0.0.1", Pointer::configured_registry));
  EXPECT_FALSE(allows(open, "169.254.169.254", "169.254.169.254", Pointer::configured_registry));
  EXPECT_FALSE(allows(open, "minio.lan", "169.254.169.254", Pointer::configured_registry));
}

TEST(HostPolicy, RedirectsOfOtherRegistriesMayOnlyBePublicEvenWhereAListIsShort) {
  const auto closed = policy({"ghcr.io"});
  EXPECT_TRUE(allows(closed, "pkg-containers.example", "140.82.112.3", Pointer::other_registry));
  EXPECT_FALSE(allows(closed, "pkg-containers.example", "10.0.0.1", Pointer::other_registry));
  EXPECT_FALSE(allows(closed, "127.0.0.1", "127.0.0.1", Pointer::other_registry));
}

TEST(HostPolicy, RefusesEntriesThatMakeNoSense) {
  for (const char* entry :
       {"", "a b", "10.0.0.0/33", "x/8", "fd00::/129", "*.", "ex*ample.org", "host:99999", "10.0.0.0/"}) {
    const auto made = HostPolicy::make(url("https://x.org"), {entry});
    ASSERT_FALSE(made) << entry;
    EXPECT_EQ(made.error().code, Code::bad_config);
  }
  EXPECT_FALSE(HostPolicy::make(url("https://x.org"), std::vector<std::string>(config::kAllowedHostsMax + 1, "a.org")));
}

// Behind a proxy no address is seen: a device could name whatever the proxy resolves, the site's own hosts too.
TEST(HostPolicy, ThroughAProxyOnlyNamesThatLookPublicOrAreListedMayBeAsked) {
  const auto through = HostPolicy::make(url("https://registry.corp.example"), {}, true).value();
  for (const char* host : {"ghcr.io", "registry.example.org", "a.b.c.dev", "registry.corp.example"})
    EXPECT_TRUE(through.check_name(url(std::string("https://") + host), Pointer::request)) << host;
  for (const char* host : {"registry", "vault.internal", "nas.local", "db.lan", "x.home.arpa", "127.1", "10.0.0.1",
                           "localhost", "metadata.localdomain", "a.corp."}) {
    const auto checked = through.check_name(url(std::string("https://") + host), Pointer::request);
    ASSERT_FALSE(checked) << host;
    EXPECT_EQ(checked.error().code, Code::not_allowed);
  }
  EXPECT_FALSE(through.check_name(url("https://registry"), Pointer::other_registry)) << "a redirect";
  EXPECT_TRUE(through.check_name(url("https://blobs"), Pointer::configured_registry));
  EXPECT_TRUE(policy().check_name(url("https://registry"), Pointer::request)) << "its address is judged";
  EXPECT_TRUE(HostPolicy::make(url("https://r.example"), {"registry"}, true)
                  .value()
                  .check_name(url("https://registry"), Pointer::request));
}

TEST(HostPolicy, MoreEntriesThanTheLimitAreABadConfiguration) {
  const std::vector<std::string> most(config::kAllowedHostsMax, "ghcr.io");
  EXPECT_TRUE(HostPolicy::make(url("https://r.example"), most));
  auto more = most;
  more.push_back("ghcr.io");
  EXPECT_EQ(HostPolicy::make(url("https://r.example"), more).error().code, Code::bad_config);
}

}  // namespace
}  // namespace propeller::registry
