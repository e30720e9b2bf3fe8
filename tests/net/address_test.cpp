#include "net/address.hpp"

#include <gtest/gtest.h>

#include <algorithm>

namespace propeller::net {
namespace {

namespace ip = boost::asio::ip;

TEST(Classify, KnowsEverySpecialRange) {
  const auto is = [](AddressKind kind, std::initializer_list<const char*> addresses) {
    for (const char* address : addresses) EXPECT_EQ(classify(ip::make_address(address)), kind) << address;
  };
  is(AddressKind::is_public,
     {"8.8.8.8", "140.82.112.3", "172.15.255.255", "172.32.0.0", "100.63.0.1", "2606:4700::1", "64:ff9b::8.8.8.8"});
  is(AddressKind::is_loopback,
     {"127.0.0.1", "127.255.0.1", "::1", "::ffff:127.0.0.1", "64:ff9b::127.0.0.1", "2002:7f00:1::"});
  is(AddressKind::is_private, {"10.1.2.3", "172.16.0.1", "172.31.255.255", "192.168.1.1", "100.64.0.1", "fd12::1",
                               "::ffff:10.0.0.1", "fec0::1"});
  is(AddressKind::is_link_local,
     {"169.254.169.254", "fe80::1", "::ffff:169.254.169.254", "fd00:ec2::254", "168.63.129.16", "100.100.100.200"});
  is(AddressKind::is_reserved,
     {"0.0.0.0", "::", "224.0.0.1", "255.255.255.255", "192.0.2.1", "ff02::1", "2001:db8::1", "198.18.0.1"});
}

TEST(MachineAddresses, HasLoopback) {
  const auto all = machine_addresses();
  EXPECT_NE(std::ranges::find(all, ip::make_address("127.0.0.1")), all.end());
}

}  // namespace
}  // namespace propeller::net
