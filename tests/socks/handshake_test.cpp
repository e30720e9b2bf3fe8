#include "socks/handshake.hpp"

#include <gtest/gtest.h>

#include "socks/datagram.hpp"

namespace propeller::socks {
namespace {

namespace ip = boost::asio::ip;
using Kind = Step::Kind;
using namespace std::string_literals;

const std::string kNoAuthentication = "\x05\x01\x00"s;
const std::string kConnectDomain = "\x05\x01\x00\x03\x0b"s + "example.org" + "\x01\xbb"s;

/// What a client that needs no password gets for `request` after its greeting.
Step answer_to(Handshake& handshake, const std::string& request) {
  EXPECT_EQ(handshake.advance(kNoAuthentication).reply, "\x05\x00"s);
  return handshake.advance(request);
}

TEST(Socks5, ConnectsToNamesAndAddressesOfBothFamilies) {
  const struct {
    std::string request, host;
  } cases[] = {{kConnectDomain, "example.org"},
               {"\x05\x01\x00\x01\xc0\x00\x02\x07\x01\xbb"s, "192.0.2.7"},
               {"\x05\x01\x00\x04\x20\x01\x0d\xb8"s + std::string(11, '\0') + "\x01\x01\xbb"s, "2001:db8::1"}};
  for (const auto& [request, host] : cases) {
    Handshake handshake(false);
    const auto step = answer_to(handshake, request + "first bytes of the tunnel");
    EXPECT_EQ(step.kind, Kind::request);
    EXPECT_EQ(step.consumed, request.size());
    EXPECT_EQ(handshake.request().host, host);
    EXPECT_EQ(handshake.request().port, 443);
    EXPECT_EQ(handshake.request().command, Command::connect);
  }
}

TEST(Socks5, EveryBeginningAsksForMore) {
  for (std::size_t size = 0; size < kNoAuthentication.size(); ++size)
    EXPECT_EQ(Handshake(false).advance(kNoAuthentication.substr(0, size)).kind, Kind::need_more);
  for (std::size_t size = 0; size < kConnectDomain.size(); ++size) {
    Handshake handshake(false);
    EXPECT_EQ(answer_to(handshake, kConnectDomain.substr(0, size)).kind, Kind::need_more) << size;
  }
}

TEST(Socks5, AsksForAPasswordAndGoesOnWhenItIsRight) {
  Handshake handshake(true);
  const auto greeted = handshake.advance("\x05\x02\x00\x02"s);
  EXPECT_EQ(greeted.kind, Kind::send);
  EXPECT_EQ(greeted.reply, "\x05\x02"s);
  EXPECT_EQ(handshake.advance("\x01\x04user\x06sec"s).kind, Kind::need_more);
  const auto asked = handshake.advance("\x01\x04user\x06secret"s);
  EXPECT_EQ(asked.kind, Kind::authenticate);
  EXPECT_EQ(asked.consumed, 13u);
  EXPECT_EQ(handshake.user(), "user");
  EXPECT_EQ(handshake.password().reveal(), "secret");
  const auto verdict = handshake.authenticated(true);
  EXPECT_EQ(verdict.kind, Kind::send);
  EXPECT_EQ(verdict.reply, "\x01\x00"s);
  EXPECT_EQ(handshake.advance(kConnectDomain).kind, Kind::request);
}

TEST(Socks5, AWrongPasswordIsRefused) {
  Handshake handshake(true);
  EXPECT_EQ(handshake.advance("\x05\x01\x02"s).kind, Kind::send);
  EXPECT_EQ(handshake.advance("\x01\x01u\x01p"s).kind, Kind::authenticate);
  const auto verdict = handshake.authenticated(false);
  EXPECT_EQ(verdict.kind, Kind::refuse);
  EXPECT_EQ(verdict.reply, "\x01\x01"s);
}

TEST(Socks5, WithoutAMethodInCommonItSaysSo) {
  for (const auto& greeting : {"\x05\x01\x01"s, "\x05\x00"s, "\x05\x02\x01\x03"s}) {
    const auto step = Handshake(false).advance(greeting);
    EXPECT_EQ(step.kind, Kind::refuse);
    EXPECT_EQ(step.reply, "\x05\xff"s);
  }
  EXPECT_EQ(Handshake(true).advance(kNoAuthentication).reply, "\x05\xff"s);
}

TEST(Socks5, AClientThatOnlyHasAPasswordMaySendItWhereNoneIsNeeded) {
  Handshake handshake(false);
  EXPECT_EQ(handshake.advance("\x05\x01\x02"s).reply, "\x05\x02"s);
  EXPECT_EQ(Handshake(false).advance("\x05\x02\x02\x00"s).reply, "\x05\x00"s);
}

TEST(Socks5, AssociatesButDoesNotBind) {
  Handshake associating(false);
  EXPECT_EQ(answer_to(associating, "\x05\x03\x00\x01\x00\x00\x00\x00\x00\x00"s).kind, Kind::request);
  EXPECT_EQ(associating.request().command, Command::associate);
  for (const auto& request :
       {"\x05\x02\x00\x01\x01\x02\x03\x04\x00\x50"s, "\x05\x09\x00\x01\x01\x02\x03\x04\x00\x50"s}) {
    Handshake handshake(false);
    const auto step = answer_to(handshake, request);
    EXPECT_EQ(step.kind, Kind::refuse);
    EXPECT_EQ(step.reply.substr(0, 2), "\x05\x07"s);
    EXPECT_EQ(step.reply.size(), 10u);
  }
}

TEST(Socks5, BrokenRequestsAreRefusedWithTheFittingReply) {
  const struct {
    std::string request, reply;
  } cases[] = {{"\x05\x01\x00\x02"s, "\x05\x08"s},
               {"\x05\x01\x00\x03\x00\x00\x50"s, "\x05\x01"s},
               {"\x05\x01\x00\x03\x04"s + "a\r\nb" + "\x00\x50"s, "\x05\x01"s},
               {"\x05\x01\x00\x03\x04"s + "a\0bc"s + "\x00\x50"s, "\x05\x01"s},
               {"\x04\x01\x00\x03"s, "\x05\x01"s}};
  for (const auto& [request, reply] : cases) {
    Handshake handshake(false);
    const auto step = answer_to(handshake, request);
    EXPECT_EQ(step.kind, Kind::refuse);
    EXPECT_EQ(step.reply.substr(0, 2), reply);
  }
}

TEST(Socks5, RepliesCarryTheBoundAddress) {
  EXPECT_EQ(reply_bytes(Version::v5, Reply::succeeded, {ip::make_address("192.0.2.1"), 258}),
            "\x05\x00\x00\x01\xc0\x00\x02\x01\x01\x02"s);
  EXPECT_EQ(reply_bytes(Version::v5, Reply::succeeded, {ip::make_address("::1"), 258}),
            "\x05\x00\x00\x04"s + std::string(15, '\0') + "\x01\x01\x02"s);
}

TEST(Socks5, ErrorsOfDiallingHaveTheirReplies) {
  const auto reply = [](Code code) { return reply_for({code, Origin::upstream, ""}); };
  EXPECT_EQ(reply(Code::not_allowed), Reply::not_allowed);
  EXPECT_EQ(reply(Code::dns_failed), Reply::host_unreachable);
  EXPECT_EQ(reply(Code::connection_refused), Reply::connection_refused);
  EXPECT_EQ(reply(Code::host_unreachable), Reply::host_unreachable);
  EXPECT_EQ(reply(Code::network_unreachable), Reply::network_unreachable);
  EXPECT_EQ(reply(Code::timeout), Reply::ttl_expired);
  EXPECT_EQ(reply(Code::io), Reply::general_failure);
}

TEST(Socks4, ConnectsToAddressesAndIn4aToNames) {
  Handshake four(false), four_a(false);
  const auto request = "\x04\x01\x00\x50\xc0\x00\x02\x01user\x00"s;
  EXPECT_EQ(four.advance(request).consumed, request.size());
  EXPECT_EQ(four.request().host, "192.0.2.1");
  EXPECT_EQ(four.request().port, 80);
  const auto named = "\x04\x01\x00\x50\x00\x00\x00\x01\x00"s + "example.org\0"s;
  EXPECT_EQ(four_a.advance(named).kind, Kind::request);
  EXPECT_EQ(four_a.request().host, "example.org");
  EXPECT_EQ(four_a.request().version, Version::v4);
  for (std::size_t size = 0; size < named.size(); ++size)
    EXPECT_EQ(Handshake(false).advance(named.substr(0, size)).kind, Kind::need_more) << size;
  EXPECT_EQ(reply_bytes(Version::v4, Reply::succeeded), "\x00\x5a"s + std::string(6, '\0'));
}

TEST(Socks4, IsRefusedWhenItBindsNeedsAPasswordOrNeverEnds) {
  const auto expect_refusal = [](const Step& step) {
    EXPECT_EQ(step.kind, Kind::refuse);
    EXPECT_EQ(step.reply, "\x00\x5b"s + std::string(6, '\0'));
  };
  const auto head = "\x04\x01\x00\x50\xc0\x00\x02\x01"s;
  expect_refusal(Handshake(true).advance(head + '\0'));
  expect_refusal(Handshake(false).advance("\x04\x02\x00\x50\xc0\x00\x02\x01\x00"s));
  expect_refusal(Handshake(false).advance(head + std::string(256, 'u')));
  expect_refusal(Handshake(false).advance("\x04\x01\x00\x50\x00\x00\x00\x01\x00"s + std::string(256, 'n')));
  EXPECT_EQ(Handshake(false).advance(head + std::string(255, 'u')).kind, Kind::need_more);
}

TEST(Datagram, HasAnAddressAndAPayload) {
  const auto bytes = "\0\0\0\x03\x0b"s + "example.org" + "\x00\x35query"s;
  const auto datagram = parse_datagram(bytes);
  ASSERT_TRUE(datagram);
  EXPECT_EQ(datagram->host, "example.org");
  EXPECT_EQ(datagram->port, 53);
  EXPECT_EQ(datagram->payload, "query");
  const auto again = parse_datagram(datagram_header({ip::make_address("2001:db8::1"), 5353}));
  EXPECT_EQ(again->host, "2001:db8::1");
  EXPECT_EQ(again->port, 5353);
}

TEST(Datagram, FragmentsAndBrokenOnesAreDropped) {
  for (const auto& bytes : {""s, "\0\0\x01\x01\x01\x02\x03\x04\x00\x35x"s, "\0\x01\0\x01\x01\x02\x03\x04\x00\x35x"s,
                            "\0\0\0\x02\x01\x02\x03\x04\x00\x35x"s, "\0\0\0\x01\x01\x02"s, "\0\0\0\x03\x00\x00\x35"s})
    EXPECT_FALSE(parse_datagram(bytes));
}

}  // namespace
}  // namespace propeller::socks
