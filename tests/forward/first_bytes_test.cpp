#include "forward/first_bytes.hpp"

#include <gtest/gtest.h>

#include <string>

#include "forward/recent_names.hpp"

namespace propeller::forward {
namespace {

using Kind = TunnelStart::Kind;
using namespace std::chrono_literals;

TEST(FirstBytes, TheFirstByteTellsTheProtocol) {
  EXPECT_EQ(protocol_of('G'), Protocol::http);
  EXPECT_EQ(protocol_of(0x16), Protocol::tls);
  EXPECT_EQ(protocol_of(5), Protocol::socks);
  EXPECT_EQ(protocol_of(4), Protocol::socks);
  for (const char other : {'\0', '\r', 'g', '\x80'}) EXPECT_EQ(protocol_of(other), Protocol::unknown);
}

TEST(FirstBytes, ARequestForAnOriginIsOneFromItsWholeFirstLineOn) {
  const std::string_view line = "GET /a?b HTTP/1.1\r\n";
  for (std::size_t size = 0; size < line.size(); ++size)
    EXPECT_EQ(look_at_tunnel(line.substr(0, size)).kind, Kind::incomplete) << size;
  EXPECT_EQ(look_at_tunnel(line).kind, Kind::http);
  EXPECT_EQ(look_at_tunnel("OPTIONS * HTTP/1.0\nHost: a\n").kind, Kind::http);
}

TEST(FirstBytes, WhatOnlyLooksLikeARequestIsNotForUs) {
  for (const std::string_view text :
       {"PRI * HTTP/2.0\r\n", "GET http://a/ HTTP/1.1\r\n", "CONNECT a:443 HTTP/1.1\r\n", "NICK me\r\n",
        "get / HTTP/1.1\r\n", " / HTTP/1.1\r\n", "GET /\r\n", "OPTIONS rtsp://a RTSP/1.0\r\n", "*1\r\n", "\n"}) {
    EXPECT_EQ(look_at_tunnel(text).kind, Kind::other) << text;
  }
  EXPECT_EQ(look_at_tunnel(std::string(33, 'A')).kind, Kind::other) << "no method is so long";
  EXPECT_EQ(look_at_tunnel("GET /" + std::string(kTunnelStartBytesMax, 'a')).kind, Kind::other) << "nor a line";
}

TEST(FirstBytes, TlsIsSureOfItselfWhileItIsIncomplete) {
  const auto start = look_at_tunnel(std::string_view("\x16\x03\x01\x02\x00\x01", 6));
  EXPECT_EQ(start.kind, Kind::incomplete);
  EXPECT_TRUE(start.is_surely_tls);
  EXPECT_FALSE(look_at_tunnel("GET ").is_surely_tls);
  EXPECT_EQ(look_at_tunnel("\x16nonsense").kind, Kind::other);
}

TEST(RecentNames, TheOldestMakesRoomAndEachIsForgotten) {
  const RecentNames::Time start{};
  RecentNames names(2, 10s);
  names.add("a", start);
  names.add("b", start + 1s);
  names.add("a", start + 2s);
  names.add("c", start + 3s);
  EXPECT_EQ(names.size(), 2U);
  EXPECT_TRUE(names.contains("a", start + 3s)) << "it was said again";
  EXPECT_FALSE(names.contains("b", start + 3s));
  EXPECT_TRUE(names.contains("c", start + 12s));
  EXPECT_FALSE(names.contains("c", start + 13s));
}

}  // namespace
}  // namespace propeller::forward
