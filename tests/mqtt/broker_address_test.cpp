#include "mqtt/broker_address.hpp"

#include <gtest/gtest.h>

namespace propeller::mqtt {
namespace {

TEST(BrokerAddress, EveryTransportHasItsPort) {
  const std::pair<std::string_view, std::uint16_t> ports[] = {{"tcp", 1883},   {"mqtt", 1883}, {"ssl", 8883},
                                                              {"mqtts", 8883}, {"ws", 80},     {"wss", 443}};
  for (const auto& [scheme, port] : ports) {
    const auto address = BrokerAddress::parse(std::string(scheme) + "://broker.example");
    ASSERT_TRUE(address) << scheme;
    EXPECT_EQ(address->host, "broker.example");
    EXPECT_EQ(address->port, port);
    EXPECT_EQ(address->is_tls, scheme == "ssl" || scheme == "mqtts" || scheme == "wss");
  }
}

TEST(BrokerAddress, APortAPathAndIpv6AreTakenApart) {
  EXPECT_EQ(BrokerAddress::parse("ws://h:9001/mqtt")->port, 9001);
  EXPECT_EQ(BrokerAddress::parse("wss://h/mqtt")->host, "h");
  EXPECT_EQ(BrokerAddress::parse("tcp://[::1]:1884")->host, "::1");
  EXPECT_EQ(BrokerAddress::parse("tcp://[::1]")->port, 1883);
}

TEST(BrokerAddress, RefusesWhatIsNotOne) {
  for (const std::string_view text : {"", "broker", "http://h", "tcp://", "tcp://:1883", "tcp://h:", "tcp://h:0",
                                      "tcp://h:65536", "tcp://h:1x", "tcp://[::1", "tcp://[::1]x"}) {
    const auto address = BrokerAddress::parse(text);
    ASSERT_FALSE(address) << text;
    EXPECT_EQ(address.error().code, Code::bad_config);
  }
}

}  // namespace
}  // namespace propeller::mqtt
