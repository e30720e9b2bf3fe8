#include "socks/client_handshake.hpp"

#include <gtest/gtest.h>

#include "socks/handshake.hpp"

namespace propeller::socks {
namespace {

using Kind = ClientStep::Kind;
using namespace std::string_literals;

const ConnectWish kWish{.host = "example.org", .port = 443, .user = "alice", .password = base::Secret("pw")};

/// A proxy of ours on the other end, byte by byte.
TEST(ClientHandshake, AgreesWithOurOwnServer) {
  for (const bool needs_password : {false, true}) {
    for (const std::string host : {"example.org", "192.0.2.7", "2001:db8::1"}) {
      auto wish = kWish;
      wish.host = host;
      ClientHandshake client(wish);
      Handshake server(needs_password);
      std::string to_server, to_client;
      for (auto step = client.advance(""); step.kind != Kind::established; step = client.advance(to_client)) {
        ASSERT_NE(step.kind, Kind::failed) << step.error.detail;
        to_client.erase(0, step.consumed);
        to_server += step.bytes;
        if (to_server.empty()) continue;
        auto answer = server.advance(to_server);
        to_server.erase(0, answer.consumed);
        if (answer.kind == Step::Kind::authenticate) {
          EXPECT_EQ(server.user() + server.password().reveal(), "alicepw");
          answer = server.authenticated(true);
        }
        to_client += answer.kind == Step::Kind::request ? reply_bytes(Version::v5, Reply::succeeded) : answer.reply;
      }
      EXPECT_EQ(server.request().host, host);
      EXPECT_EQ(server.request().port, 443);
    }
  }
}

TEST(ClientHandshake, EveryBeginningOfAnAnswerAsksForMore) {
  const std::string answer = "\x05\x00\x00\x03\x04"s + "host" + "\x01\xbb"s;
  for (std::size_t size = 0; size < answer.size(); ++size) {
    ClientHandshake client(kWish);
    ASSERT_EQ(client.advance("").kind, Kind::send);
    ASSERT_EQ(client.advance("\x05\x00"s).kind, Kind::send);
    EXPECT_EQ(client.advance(answer.substr(0, size)).kind, Kind::need_more) << size;
  }
  ClientHandshake client(kWish);
  (void)client.advance("");
  (void)client.advance("\x05\x00"s);
  const auto step = client.advance(answer + "first bytes of the tunnel");
  EXPECT_EQ(step.kind, Kind::established);
  EXPECT_EQ(step.consumed, answer.size());
}

TEST(ClientHandshake, RefusalsHaveTheirCodes) {
  const struct {
    std::string answers;
    Code code;
  } cases[] = {{"HTTP/1.1 400 Bad Request", Code::protocol_error},
               {"\x05\xff"s, Code::unauthorized},
               {"\x05\x02\x01\x01"s, Code::unauthorized},
               {"\x05\x02\x05\x00"s, Code::protocol_error},
               {"\x05\x00\x05\x02"s, Code::not_allowed},
               {"\x05\x00\x05\x05"s, Code::connection_refused},
               {"\x05\x00\x05\x04\x00\x01\x00\x00\x00\x00\x00\x00"s, Code::host_unreachable},
               {"\x05\x00\x05\x03"s, Code::network_unreachable},
               {"\x05\x00\x05\x07"s, Code::protocol_error},
               {"\x05\x00\x05\x63"s, Code::connection_refused},
               {"\x05\x00\x05\x00\x00\x09\x00"s, Code::protocol_error},
               {"\x05\x00\x04\x00\x00\x01"s, Code::protocol_error}};
  for (const auto& [answers, code] : cases) {
    ClientHandshake client(kWish);
    std::string left = answers;
    auto step = client.advance("");
    while (step.kind == Kind::send) {
      step = client.advance(left);
      left.erase(0, step.consumed);
    }
    ASSERT_EQ(step.kind, Kind::failed) << answers;
    EXPECT_EQ(step.error.code, code) << answers;
    EXPECT_EQ(step.error.origin, Origin::upstream);
  }
}

TEST(ClientHandshake, NamesThatDoNotFitAreRefusedBeforeAByteIsSent) {
  auto wish = kWish;
  wish.host = std::string(256, 'a');
  EXPECT_EQ(ClientHandshake(wish).advance("").kind, Kind::failed);
  wish.host = std::string(255, 'a');
  EXPECT_EQ(ClientHandshake(wish).advance("").kind, Kind::send);
}

}  // namespace
}  // namespace propeller::socks
