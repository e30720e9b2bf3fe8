#include "forward/access.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "forward/no_proxy.hpp"

namespace propeller::forward {
namespace {

using boost::asio::ip::make_address;
using testing::HasSubstr;

bool allows(const AllowList& list, std::string_view authority) { return list.check(host_of(authority)).is_allowed; }

TEST(AddressRange, HoldsWhatSharesItsFirstBits) {
  struct Case {
    std::string_view range, address;
    bool contains;
  };
  const std::vector<Case> cases{
      {"10.0.0.0/8", "10.255.0.1", true},
      {"10.0.0.0/8", "11.0.0.1", false},
      {"192.168.1.128/25", "192.168.1.129", true},
      {"192.168.1.128/25", "192.168.1.1", false},
      {"0.0.0.0/0", "1.2.3.4", true},
      {"0.0.0.0/0", "2001:db8::1", false},
      {"1.2.3.4", "1.2.3.4", true},
      {"1.2.3.4", "1.2.3.5", false},
      {"1.2.3.4", "::ffff:1.2.3.4", true},
      {"::ffff:1.2.3.0/120", "1.2.3.9", true},
      {"fd00::/8", "fd12::1", true},
      {"fd00::/8", "fe80::1", false},
      {"::/0", "2001:db8::1", true},
      {"::/0", "1.2.3.4", false},
  };
  for (const auto& one : cases) {
    const auto range = AddressRange::parse(one.range);
    ASSERT_TRUE(range) << one.range;
    EXPECT_EQ(range->contains(make_address(one.address)), one.contains) << one.range << " " << one.address;
  }
  EXPECT_FALSE(AddressRange::parse("10.0.0.0/33"));
  EXPECT_FALSE(AddressRange::parse("x"));
}

// What the C library dials as an address is one, however it is written: a rule for names must not let it through.
TEST(LiteralAddress, IsFoundInEveryNotationThatIsDialledAsOne) {
  for (const auto* text : {"127.0.0.1", "127.1", "0x7f.1", "0x7f000001", "2130706433", "017700000001"})
    EXPECT_EQ(literal_address(text), make_address("127.0.0.1")) << text;
  EXPECT_EQ(literal_address("::1"), make_address("::1"));
  for (const auto* name : {"localhost", "a.b", "1.2.3.4.5", "0x.example", "", "cafe", "1.2.3.4 "})
    EXPECT_FALSE(literal_address(name)) << name;
}

TEST(AllowList, NotEnabledAllowsEverything) {
  const AllowList list(config::AllowList{.is_enabled = false, .domains = {"a"}, .ips = {"10.0.0.1"}});
  EXPECT_TRUE(allows(list, "b"));
  EXPECT_TRUE(allows(list, "1.2.3.4"));
}

TEST(AllowList, EnabledAndEmptyBlocksEverything) {
  const AllowList list(config::AllowList{.is_enabled = true, .domains = {}, .ips = {}});
  EXPECT_FALSE(allows(list, "a"));
  EXPECT_FALSE(allows(list, "10.0.0.1"));
  EXPECT_FALSE(allows(list, ""));
}

TEST(AllowList, NamesMatchOnlyDomainsAndAddressesOnlyAddresses) {
  const AllowList list(
      config::AllowList{.is_enabled = true, .domains = {"*.github.com", "*"}, .ips = {"10.0.0.0/8", "fd00::/8"}});
  EXPECT_TRUE(allows(list, "api.github.com:443"));
  EXPECT_TRUE(allows(list, "10.1.2.3:80"));
  EXPECT_TRUE(allows(list, "[fd00::1]:443"));
  EXPECT_TRUE(allows(list, "::ffff:10.0.0.1"));
  for (const auto* address : {"11.0.0.1", "127.1", "0x7f000001", "[fe80::1]", "[::ffff:11.0.0.1]"})
    EXPECT_FALSE(allows(list, address)) << address << " is no name, so * does not match";
}

TEST(AllowList, SaysWhatIsNotOnIt) {
  const AllowList list(config::AllowList{.is_enabled = true, .domains = {"a"}, .ips = {}});
  EXPECT_THAT(list.check("b").reason, HasSubstr("host"));
  EXPECT_THAT(list.check("1.2.3.4").reason, HasSubstr("address"));
}

TEST(TargetGuard, NeverReachesThisMachineLinkLocalMetadataAndWhatNoNetworkRoutes) {
  const TargetGuard guard(TargetGuardOptions{.allow_targets = {}, .own = {}});
  for (const auto* text : {"127.0.0.1",
                           "127.255.0.1",
                           "::1",
                           "::ffff:127.0.0.1",
                           "::127.0.0.1",
                           "64:ff9b::7f00:1",
                           "2002:7f00:1::",
                           "169.254.169.254",
                           "::ffff:169.254.169.254",
                           "fe80::1",
                           "fd00:ec2::254",
                           "100.100.100.200",
                           "168.63.129.16",
                           "0.0.0.0",
                           "0.1.2.3",
                           "::",
                           "255.255.255.255",
                           "224.0.0.1",
                           "ff02::1",
                           "240.0.0.1"})
    EXPECT_FALSE(guard.check(make_address(text), 80).is_allowed) << text;
  for (const auto* text : {"1.1.1.1", "10.0.0.1", "172.16.0.1", "192.168.1.1", "100.64.0.1", "fd00::1", "2606:4700::1"})
    EXPECT_TRUE(guard.check(make_address(text), 80).is_allowed) << text;
}

TEST(TargetGuard, AllowTargetsOpensWhatItContainsAndNoMore) {
  const TargetGuard guard(TargetGuardOptions{.allow_targets = {"127.0.0.0/8", "169.254.169.254"}, .own = {}});
  EXPECT_TRUE(guard.check(make_address("127.0.0.1"), 80).is_allowed);
  EXPECT_TRUE(guard.check(make_address("::ffff:127.0.0.1"), 80).is_allowed);
  EXPECT_TRUE(guard.check(make_address("169.254.169.254"), 80).is_allowed);
  EXPECT_FALSE(guard.check(make_address("169.254.169.253"), 80).is_allowed);
  EXPECT_FALSE(guard.check(make_address("::1"), 80).is_allowed);
}

TEST(TargetGuard, OurOwnPortsNeedTheirAddressByName) {
  const std::vector<config::Endpoint> own{{"127.0.0.1", 17080}, {"127.0.0.1", 17081}};
  const TargetGuard wide(TargetGuardOptions{.allow_targets = {"127.0.0.0/8"}, .own = own});
  EXPECT_THAT(wide.check(make_address("127.0.0.1"), 17081).reason, HasSubstr("proxy itself"));
  EXPECT_FALSE(wide.check(make_address("::ffff:127.0.0.1"), 17080).is_allowed);
  EXPECT_TRUE(wide.check(make_address("127.0.0.1"), 17082).is_allowed);
  const TargetGuard exact(TargetGuardOptions{.allow_targets = {"127.0.0.1"}, .own = own});
  EXPECT_TRUE(exact.check(make_address("127.0.0.1"), 17081).is_allowed);
}

TEST(TargetGuard, AWildcardListenerIsReachedThroughEveryAddressOfTheMachine) {
  const TargetGuard guard(TargetGuardOptions{
      .allow_targets = {"0.0.0.0/0"}, .own = {{"0.0.0.0", 17080}}, .machine_addresses = {make_address("192.168.1.5")}});
  for (const auto* text : {"192.168.1.5", "127.0.0.1", "127.8.8.8", "0.0.0.0"})
    EXPECT_FALSE(guard.check(make_address(text), 17080).is_allowed) << text;
  EXPECT_TRUE(guard.check(make_address("192.168.1.6"), 17080).is_allowed);
  EXPECT_TRUE(guard.check(make_address("192.168.1.5"), 80).is_allowed);
}

TEST(Access, ChecksLiteralAddressesByListAndGuardBeforeDns) {
  const Access access(AllowList(config::AllowList{.is_enabled = true, .domains = {"*"}, .ips = {"0.0.0.0/0"}}),
                      TargetGuard(TargetGuardOptions{.allow_targets = {}, .own = {}}));
  EXPECT_TRUE(access.check_host("example.com", 443).is_allowed);
  EXPECT_TRUE(access.check_host("10.0.0.1", 443).is_allowed);
  EXPECT_FALSE(access.check_host("127.1", 80).is_allowed);
  EXPECT_FALSE(access.check_host("169.254.169.254", 80).is_allowed);
  // A name that is listed may still lead to this machine.
  EXPECT_FALSE(access.check_address(make_address("127.0.0.1"), 80).is_allowed);
}

TEST(NoProxy, MatchesAsCurlGoAndPythonDo) {
  struct Case {
    std::string entry, host;
    std::uint16_t port;
    bool matches;
  };
  const std::vector<Case> cases{
      {"*", "anything", 1, true},
      {"example.com", "example.com", 80, true},
      {"example.com", "www.example.com", 80, true},
      {"example.com", "notexample.com", 80, false},
      {".example.com", "example.com", 80, true},
      {".example.com", "a.example.com", 80, true},
      {"*.example.com", "a.example.com", 80, true},
      {"*.example.com", "example.com", 80, false},
      {"Example.com:8080", "example.com", 8080, true},
      {"example.com:8080", "example.com", 80, false},
      {"localhost", "localhost", 80, true},
      {"127.0.0.1", "127.0.0.1", 80, true},
      {"127.0.0.1", "127.1", 80, true},
      {"127.0.0.1:81", "127.0.0.1", 80, false},
      {"::1", "::1", 80, true},
      {"[::1]:80", "::1", 80, true},
      {"[::1]:80", "::1", 81, false},
      {"10.0.0.0/8", "10.9.9.9", 80, true},
      {"10.0.0.0/8", "11.0.0.1", 80, false},
      {"10.0.0.0/8", "ten.example", 80, false},
  };
  for (const auto& one : cases)
    EXPECT_EQ(NoProxy({one.entry}).matches(one.host, one.port), one.matches) << one.entry << " " << one.host;
  EXPECT_FALSE(NoProxy().matches("a", 80));
}

}  // namespace
}  // namespace propeller::forward
