#include <fcntl.h>
#include <gtest/gtest.h>

#include <array>
#include <fstream>

#include "base/file_descriptor.hpp"
#include "net/tls_fixture.hpp"

namespace propeller::net {
namespace {

TEST(Tls, CarriesBytesBothWaysAndSaysWhatWasAgreedOn) {
  Loop loop;
  const TlsSite site;
  ServerTls server(TlsSite::always(site.issue()));
  const auto client = site.client();
  auto pair = shake_hands(loop, server, *client, "localhost", {"h2", "http/1.1"}, {"http/1.1", "h2"});
  ASSERT_TRUE(pair.client) << pair.client.error().detail;
  ASSERT_TRUE(pair.server) << pair.server.error().detail;
  const auto& agreed = *(*pair.client)->info().tls;
  EXPECT_EQ(agreed.version, "TLSv1.3");
  EXPECT_EQ(agreed.cipher, "TLS_AES_128_GCM_SHA256");
  EXPECT_EQ(agreed.alpn, "h2");
  EXPECT_EQ(agreed.verified_name, "localhost");
  EXPECT_EQ((*pair.server)->info().tls->server_name, "localhost");

  const std::string large = pattern(2'000'001);
  const std::vector<std::string_view> parts{"head", "", "more head", std::string_view(large).substr(0, 1'000'000),
                                            std::string_view(large).substr(1'000'000)};
  std::string there, back;
  const auto ask = [&]() -> awaitable<void> {
    EXPECT_TRUE(co_await (*pair.client)->write(parts));
    EXPECT_TRUE(co_await (*pair.client)->shutdown_write());
    back = co_await read_all(**pair.client);
  };
  const auto answer = [&]() -> awaitable<void> {
    there = co_await read_all(**pair.server);
    EXPECT_TRUE(co_await (*pair.server)->write(there));
    (*pair.server)->close();
  };
  loop.spawn(ask());
  loop.run(answer());
  EXPECT_TRUE(there == "headmore head" + large);
  EXPECT_TRUE(back == there);
}

// A small head and the beginning of its body are one record: less to encipher, and the peer wakes once.
TEST(Tls, SmallPartsTravelInOneRecord) {
  Loop loop;
  const TlsSite site;
  ServerTls server(TlsSite::always(site.issue()));
  const auto client = site.client();
  auto pair = shake_hands(loop, server, *client);
  ASSERT_TRUE(pair.client && pair.server);
  std::size_t got = 0;
  const auto talk = [&]() -> awaitable<void> {
    const std::array<std::string_view, 3> parts{"HTTP/1.1 200 OK\r\n", "\r\n", "body"};
    EXPECT_TRUE(co_await (*pair.server)->write(parts));
    std::array<char, 100> room{};
    got = (co_await (*pair.client)->read_some(room)).value();
  };
  loop.run(talk());
  EXPECT_EQ(got, 23u);
}

TEST(Tls, SniffedBytesAreReadFirst) {
  Loop loop;
  const TlsSite site;
  ServerTls server(TlsSite::always(site.issue()));
  const auto client = site.client();
  auto pair = connected_pair(loop);
  TlsPair made;
  const auto sniff = [&]() -> awaitable<void> {
    std::array<char, 40> room{};
    const auto got = co_await pair.server->read_some(room);
    EXPECT_EQ(room[0], 0x16);
    pair.server->unread({room.data(), got.value()});
    co_await accept_tls(server, std::move(pair.server), {.deadline = soon()}, made.server);
  };
  loop.spawn(sniff());
  loop.run(connect_tls(*client, std::move(pair.client), {.host = "localhost", .deadline = soon()}, made.client));
  EXPECT_TRUE(made.server);
  EXPECT_TRUE(made.client);
}

TEST(Tls, WorksInsideTls) {
  Loop loop;
  const TlsSite site;
  ServerTls outer_server(TlsSite::always(site.issue("DNS:proxy.example")));
  ServerTls inner_server(TlsSite::always(site.issue("DNS:origin.example")));
  const auto client = site.client();
  auto outer = shake_hands(loop, outer_server, *client, "proxy.example");
  ASSERT_TRUE(outer.client && outer.server);
  TlsPair inner;
  loop.spawn(accept_tls(inner_server, std::move(*outer.server), {.deadline = soon()}, inner.server));
  loop.run(
      connect_tls(*client, std::move(*outer.client), {.host = "origin.example", .deadline = soon()}, inner.client));
  ASSERT_TRUE(inner.client && inner.server);
  EXPECT_EQ((*inner.client)->info().tls->verified_name, "origin.example");
  const std::string large = pattern(1'000'000);
  std::string received;
  const auto send = [&]() -> awaitable<void> {
    EXPECT_TRUE(co_await (*inner.client)->write(large));
    EXPECT_TRUE(co_await (*inner.client)->shutdown_write());
    co_await read_all(**inner.client);
  };
  const auto receive = [&]() -> awaitable<void> {
    received = co_await read_all(**inner.server);
    (*inner.server)->close();
  };
  loop.spawn(send());
  loop.run(receive());
  EXPECT_TRUE(received == large);
}

TEST(Tls, AConnectionCutShortIsNotACleanEnd) {
  Loop loop;
  const TlsSite site;
  ServerTls server(TlsSite::always(site.issue()));
  const auto client = site.client();
  auto sockets = connected_pair(loop);
  const int raw = ::dup(sockets.server->native_handle());
  auto pair = shake_hands_over(std::move(sockets), loop, server, *client);
  ASSERT_TRUE(pair.client && pair.server);
  Result<void> end;
  const auto talk = [&]() -> awaitable<void> {
    EXPECT_TRUE(co_await (*pair.server)->write("half of it"));
    ::shutdown(raw, SHUT_WR);  // without TLS's goodbye
    EXPECT_EQ(co_await read_all(**pair.client, &end), "half of it");
  };
  loop.run(talk());
  ::close(raw);
  ASSERT_FALSE(end);
  EXPECT_EQ(end.error().code, Code::connection_reset);
}

TEST(Tls, ALargeRoomTakesManyRecordsAndTheNextReadWhatEndsThem) {
  const std::string large = pattern(48 * 1024);  // three full records
  for (const auto& [ending, code] : {std::pair{"", Code::connection_reset},
                                     {"\x17\x03\x03\x40\x00", Code::connection_reset},  // a record's beginning
                                     {"not a record of TLS", Code::tls_failed}}) {
    Loop loop;
    const TlsSite site;
    ServerTls server(TlsSite::always(site.issue()));
    const auto client = site.client();
    auto sockets = connected_pair(loop);
    const base::FileDescriptor raw(::dup(sockets.server->native_handle()));
    auto pair = shake_hands_over(std::move(sockets), loop, server, *client);
    ASSERT_TRUE(pair.client && pair.server);
    const auto talk = [&]() -> awaitable<void> {
      EXPECT_TRUE(co_await (*pair.server)->write(large));
      const std::string_view end(ending);
      EXPECT_EQ(::send(raw.get(), end.data(), end.size(), 0), static_cast<ssize_t>(end.size()));
      ::shutdown(raw.get(), SHUT_WR);
      co_await async::sleep_for(10ms);
      std::string room(128 * 1024, '\0');
      const auto got = co_await (*pair.client)->read_some(room);
      EXPECT_EQ(got.value_or(0), large.size()) << end;
      EXPECT_TRUE(room.starts_with(large));
      const auto after = co_await (*pair.client)->read_some(room);
      EXPECT_FALSE(after) << end;
      if (!after) EXPECT_EQ(after.error().code, code) << end << after.error().detail;
      EXPECT_FALSE(co_await (*pair.client)->read_some(room)) << end;
      EXPECT_TRUE(co_await (*pair.client)->wait_input()) << "and does not wait for more";
    };
    loop.run(talk());
  }
}

TEST(Tls, AServerAnswersWhoHasEndedAfterAFullRecordWithoutAGoodbye) {
  Loop loop;
  const TlsSite site;
  ServerTls server(TlsSite::always(site.issue()));
  const auto client = site.client();
  auto sockets = connected_pair(loop);
  const base::FileDescriptor raw(::dup(sockets.client->native_handle()));
  auto pair = shake_hands_over(std::move(sockets), loop, server, *client);
  ASSERT_TRUE(pair.client && pair.server);
  const auto talk = [&]() -> awaitable<void> {
    EXPECT_TRUE(co_await (*pair.client)->write(pattern(16 * 1024)));
    ::shutdown(raw.get(), SHUT_WR);
    co_await async::sleep_for(10ms);
    std::string room(128 * 1024, '\0');
    EXPECT_EQ((co_await (*pair.server)->read_some(room)).value_or(0), 16U * 1024);
    EXPECT_TRUE(co_await (*pair.server)->write("the answer"));
    EXPECT_EQ((co_await (*pair.client)->read_some(room)).value_or(0), 10U);
  };
  loop.run(talk());
}

// After the handshake a server of TLS 1.3 sends tickets: they are bytes on the socket, but no input.
TEST(Tls, AnIdleConnectionHasNoInputThoughTicketsCame) {
  Loop loop;
  const TlsSite site;
  ServerTls server(TlsSite::always(site.issue()));
  const auto client = site.client();
  auto pair = shake_hands(loop, server, *client);
  ASSERT_TRUE(pair.client && pair.server);
  const auto talk = [&]() -> awaitable<void> {
    EXPECT_TRUE(co_await (*pair.client)->write("x"));
    std::array<char, 8> room{};
    EXPECT_TRUE(co_await (*pair.server)->read_some(room));
    EXPECT_FALSE((*pair.client)->has_input());
    EXPECT_EQ(client->sessions().keys(), 1u);
    (*pair.server)->close();
    co_await async::sleep_for(1ms);
    EXPECT_TRUE((*pair.client)->has_input());
  };
  loop.run(talk());
}

TEST(Tls, SessionsAreResumedPerHost) {
  Loop loop;
  const TlsSite site;
  ServerTls server(TlsSite::always(site.issue("DNS:a.example,DNS:b.example")));
  const auto client = site.client();
  const auto visit = [&](const std::string& host) {
    auto pair = shake_hands(loop, server, *client, host);
    const auto read = [&]() -> awaitable<void> {
      (*pair.server)->close();
      co_await read_all(**pair.client);
    };
    loop.run(read());
    return (*pair.client)->info().tls->is_resumed;
  };
  EXPECT_FALSE(visit("a.example"));
  EXPECT_TRUE(visit("a.example"));
  EXPECT_TRUE(visit("a.example"));
  EXPECT_FALSE(visit("b.example"));
}

TEST(Tls, AHandshakeThatNobodyAnswersTimesOut) {
  Loop loop;
  const TlsSite site;
  const auto client = site.client();
  auto pair = connected_pair(loop);
  TlsPair made;
  loop.run(connect_tls(*client, std::move(pair.client),
                       {.host = "localhost", .deadline = std::chrono::steady_clock::now() + 40ms}, made.client));
  EXPECT_EQ(made.client.error().code, Code::timeout);
}

TEST(Tls, SomethingElseThanTlsIsAnError) {
  Loop loop;
  const TlsSite site;
  const auto client = site.client();
  auto pair = connected_pair(loop);
  TlsPair made;
  const auto talk = [&]() -> awaitable<void> {
    EXPECT_TRUE(co_await pair.server->write("HTTP/1.1 400 Bad Request\r\n\r\n"));
    co_await connect_tls(*client, std::move(pair.client), {.host = "localhost", .deadline = soon()}, made.client);
  };
  loop.run(talk());
  EXPECT_EQ(made.client.error().code, Code::tls_failed);
  EXPECT_EQ(made.client.error().origin, Origin::upstream);
}

TEST(Tls, SendFileAndUnreadAndDeadlinesWorkAsOnTcp) {
  Loop loop;
  const TlsSite site;
  ServerTls server(TlsSite::always(site.issue()));
  const auto client = site.client();
  auto pair = shake_hands(loop, server, *client);
  ASSERT_TRUE(pair.client && pair.server);
  const auto path = site.directory / "file";
  const std::string content = pattern(300'000);
  std::ofstream(path, std::ios::binary) << content;
  const base::FileDescriptor file(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
  std::string received;
  Result<void> end;
  const auto send = [&]() -> awaitable<void> {
    EXPECT_TRUE(co_await (*pair.server)->send_file(file.get(), 100, 299'000));
  };
  const auto receive = [&]() -> awaitable<void> {
    (*pair.client)->unread("before");
    (*pair.client)->set_read_deadline(std::chrono::steady_clock::now() + 500ms);
    received = co_await read_all(**pair.client, &end);
  };
  loop.spawn(send());
  loop.run(receive());
  EXPECT_TRUE(received == "before" + content.substr(100, 299'000));
  EXPECT_EQ(end.error().code, Code::timeout);
}

}  // namespace
}  // namespace propeller::net
