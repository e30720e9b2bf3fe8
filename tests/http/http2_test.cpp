#include <gtest/gtest.h>
#include <malloc.h>

#include "http/client_fixture.hpp"
#include "http/http2_head.hpp"
#include "http/serving.hpp"
#include "support/subprocess.hpp"

namespace propeller::http {
namespace {

using namespace std::chrono_literals;

awaitable<Response> echo(Request& request) {
  auto body = co_await read_all(request.body(), 8 << 20);
  if (!body) co_return text_response(400, body.error().detail);
  Response response = text_response(200, *body);
  response.fields.add("X-Field", request.head().fields.joined("x-asked"));
  response.fields.add("Connection", "X-Never");
  response.fields.add("Keep-Alive", "timeout=5");
  co_return response;
}

awaitable<Response> describe(Request& request) {
  const RequestHead& head = request.head();
  std::string text(head.method_name);
  for (const auto part : {head.scheme, head.authority, head.path}) text.append(" ").append(part);
  text.append(" ").append(to_string(head.version)).append(" ").append(head.fields.joined("cookie"));
  co_return text_response(200, text);
}

awaitable<Response> large(Request&) { co_return text_response(200, std::string(3'000'000, 'x')); }

/// Sends on what it reads, piece by piece, with a trailer: as gRPC does.
class EchoBody final : public BodySource {
 public:
  explicit EchoBody(std::unique_ptr<BodySource> body, bool breaks) : body_(std::move(body)), breaks_(breaks) {
    trailers_.add("X-Sum", "0");
  }
  awaitable<Result<std::string_view>> read(std::size_t max) override {
    auto piece = co_await body_->read(max);
    if (breaks_ && piece && piece->empty()) co_return fail(Code::digest_mismatch, Origin::upstream, "wrong");
    co_return piece;
  }
  [[nodiscard]] FieldView trailers() const override { return trailers_; }

 private:
  std::unique_ptr<BodySource> body_;
  bool breaks_;
  Fields trailers_;
};

awaitable<Response> stream_back(Request& request) {
  Response response;
  response.body = std::make_unique<EchoBody>(request.take_body(), request.head().path == "/break");
  co_return response;
}

awaitable<Response> hints(Request& request) {
  Fields fields;
  fields.add("Link", "<x>");
  EXPECT_TRUE(co_await request.send_informational(103, fields));
  co_return Response{.status = 204};
}

class Http2Test : public testing::Test {
 protected:
  explicit Http2Test(ServerLimits limits = {}) : serving_(limits) {
    serving_.handler.add("/echo", echo);
    serving_.handler.add("/describe", describe);
    serving_.handler.add("/large", large);
    serving_.handler.add("/stream", stream_back);
    serving_.handler.add("/break", stream_back);
    serving_.handler.add("/hints", hints);
  }
  std::future<Outcome> ask(OutgoingRequest request) { return bench_.ask_http2(serving_.port(), std::move(request)); }

  Serving serving_;
  ClientBench bench_;
};

TEST_F(Http2Test, CarriesARequestAndItsAnswer) {
  OutgoingRequest request{.method = "POST", .path = "/echo", .body = std::make_unique<MemoryBody>("hello")};
  request.fields.add("X-Asked", "this");
  request.fields.add("Connection", "close");
  const Outcome got = ask(std::move(request)).get();
  ASSERT_FALSE(got.error) << got.error->detail;
  EXPECT_EQ(got.version, Version::http_2);
  EXPECT_EQ(got.status, 200);
  EXPECT_EQ(got.body, "hello");
  EXPECT_EQ(got.length, 5u);
  EXPECT_EQ(got.field, "this");
  EXPECT_FALSE(got.body_error);
}

TEST_F(Http2Test, GivesTheHandlerTheSameHeadAsHttp1) {
  OutgoingRequest request{.authority = "h.example:81", .path = "/describe"};
  request.fields.add("Cookie", "a=1");
  request.fields.add("Cookie", "b=2");
  EXPECT_EQ(ask(std::move(request)).get().body, "GET http h.example:81 /describe HTTP/2 a=1; b=2");
}

TEST_F(Http2Test, ManyRequestsShareOneConnection) {
  std::vector<std::future<Outcome>> outcomes;
  EXPECT_EQ(ask({.path = "/first"}).get().status, 200);
  for (int i = 0; i < 50; ++i) outcomes.push_back(ask({.path = "/" + std::to_string(i)}));
  for (int i = 0; i < 50; ++i) EXPECT_EQ(outcomes[static_cast<std::size_t>(i)].get().body, "GET /" + std::to_string(i));
  EXPECT_EQ(bench_.connector.connects, 1);
  EXPECT_EQ(serving_.figures().http2_connections, 1u);
  EXPECT_EQ(serving_.figures().requests, 51u);
}

TEST_F(Http2Test, BodiesLargerThanEveryWindowArriveWhole) {
  EXPECT_EQ(ask({.path = "/large"}).get().body, std::string(3'000'000, 'x'));
  std::string body(3'000'000, 'y');
  for (std::size_t i = 0; i < body.size(); i += 13) body[i] = static_cast<char>('a' + i % 26);
  auto sent = ask({.method = "PUT", .path = "/echo", .body = std::make_unique<MemoryBody>(body)});
  EXPECT_TRUE(sent.get().body == body);
}

TEST_F(Http2Test, StreamsBothWaysWithTrailers) {
  const Outcome got = ask({.method = "POST", .path = "/stream", .body = std::make_unique<MemoryBody>("abc")}).get();
  EXPECT_EQ(got.body, "abc");
  EXPECT_EQ(got.trailer, "0");
  EXPECT_FALSE(got.length);
}

TEST_F(Http2Test, ABodyThatBreaksIsNoEnd) {
  const Outcome got = ask({.method = "POST", .path = "/break", .body = std::make_unique<MemoryBody>("abc")}).get();
  ASSERT_TRUE(got.body_error);
  EXPECT_EQ(got.body_error->code, Code::connection_reset);
  EXPECT_EQ(ask({.path = "/next"}).get().status, 200) << "the connection goes on";
  EXPECT_EQ(serving_.figures().broken, 1u);
}

TEST_F(Http2Test, HandsOutInformationalResponses) {
  Hints sink;
  EXPECT_EQ(ask({.path = "/hints", .informational = &sink}).get().status, 204);
  EXPECT_EQ(sink.statuses, "103<x> ");
}

TEST_F(Http2Test, ToHeadItTellsTheLength) {
  const Outcome got = ask({.method = "HEAD", .path = "/12345"}).get();
  EXPECT_EQ(got.length, 11u);
  EXPECT_EQ(got.body, "");
}

TEST_F(Http2Test, DrainingLetsTheLastAnswersOutAndTheNextRequestConnectAnew) {
  EXPECT_EQ(ask({.path = "/x"}).get().status, 200);
  serving_.drain();
  while (bench_.open() > 0) std::this_thread::yield();
  EXPECT_EQ(bench_.open(), 0u);
}

awaitable<Response> tell_afterwards(Request& request) {
  const auto body = co_await read_all(request.body(), 1000);
  EXPECT_TRUE(body);
  std::string text(request.head().path);
  for (const Field& field : request.head().fields) text.append(" ").append(field.name).append("=").append(field.value);
  co_return text_response(200, text + " " + request.body().trailers().joined("x-sum"));
}

TEST_F(Http2Test, TrailersLeaveTheHeadAsItWas) {
  const std::string path = "/" + std::string(200, 'p');
  serving_.handler.add(path, tell_afterwards);
  OutgoingRequest request{
      .method = "POST", .path = path, .body = std::make_unique<EchoBody>(std::make_unique<MemoryBody>("bytes"), false)};
  request.fields.add("x-asked", std::string(300, 'a'));
  EXPECT_EQ(ask(std::move(request)).get().body, path + " x-asked=" + std::string(300, 'a') + " 0");
}

awaitable<Response> refuse_late(Request&) {
  co_await async::sleep_for(50ms);  // the body has come whole
  co_return text_response(403, "no");
}

TEST_F(Http2Test, BodiesThatNobodyReadsDoNotShutTheConnectionsWindow) {
  serving_.handler.add("/refused", refuse_late);
  const std::string body(200'000, 'x');
  for (int i = 0; i < 12; ++i) {
    EXPECT_EQ(ask({.method = "PUT", .path = "/refused", .body = std::make_unique<MemoryBody>(body)}).get().status, 403);
  }
  EXPECT_EQ(ask({.method = "PUT", .path = "/echo", .body = std::make_unique<MemoryBody>(body)}).get().body, body);
  EXPECT_EQ(serving_.figures().http2_connections, 1u);
}

awaitable<Response> medium(Request&) { co_return text_response(200, std::string(200'000, 'x')); }

awaitable<int> ask_and_leave(Client& client, std::uint16_t port) {
  OutgoingRequest request{.authority = "up.example", .path = "/medium"};
  const auto response = co_await client.send({.port = port, .http2 = Http2Use::assumed}, request);
  co_await async::sleep_for(50ms);  // the body has come whole
  co_return response ? response->status : 0;
}

TEST_F(Http2Test, AnswersThatNobodyReadsDoNotShutTheConnectionsWindow) {
  serving_.handler.add("/medium", medium);
  for (int i = 0; i < 12; ++i) {
    auto left = async::asio::co_spawn(bench_.core().executor(), ask_and_leave(bench_.client, serving_.port()),
                                      async::asio::use_future);
    EXPECT_EQ(left.get(), 200);
  }
  EXPECT_EQ(ask({.path = "/large"}).get().body.size(), 3'000'000u);
  EXPECT_EQ(serving_.figures().http2_connections, 1u);
}

awaitable<Response> hang(Request&) {
  co_await async::sleep_for(1h);
  co_return Response{};
}

TEST_F(Http2Test, AConnectionThatDidNotAnswerIsNotUsedAgain) {
  serving_.handler.add("/hang", hang);
  ClientBench impatient({.first_byte_timeout = 100ms});
  EXPECT_EQ(impatient.ask_http2(serving_.port(), {.path = "/hang"}).get().error.value().code, Code::timeout);
  EXPECT_EQ(impatient.ask_http2(serving_.port(), {.path = "/large"}).get().status, 200);
  EXPECT_EQ(serving_.figures().http2_connections, 2u);
}

// Each crumb counts against the limit for itself; together they must not cost the square of that.
TEST(Http2Head, CrumbsOfACookieCostWhatTheyAre) {
  constexpr int kCrumbs = 900;
  constexpr std::size_t kBytesMax = 512 * 1024;
  const std::string crumb(34, 'c');
  Http2Block block;
  const auto before = ::mallinfo2().uordblks;
  for (int i = 0; i < kCrumbs; ++i) block.add("cookie", crumb, {});
  block.end();
  EXPECT_LT(::mallinfo2().uordblks, before + kBytesMax);
  EXPECT_FALSE(block.is_too_large());
  EXPECT_EQ(block.fields().count("cookie"), 1u);
  EXPECT_EQ(block.fields().find("cookie")->size(), kCrumbs * (crumb.size() + 2) - 2);
}

TEST_F(Http2Test, RefusesWhatHttp1Refuses) {
  EXPECT_EQ(ask({.authority = "a b", .path = "/"}).get().error->code, Code::connection_reset);
  EXPECT_EQ(ask({.authority = "a,b", .path = "/"}).get().status, 400);
  EXPECT_EQ(ask({.path = "/a#b"}).get().status, 400);
  EXPECT_EQ(ask({.path = "/" + std::string(17'000, 'a')}).get().status, 414);
}

class LimitedHttp2 : public Http2Test {
 protected:
  LimitedHttp2()
      : Http2Test({.parse = {.head_bytes_max = 4096, .fields_max = 64},
                   .idle_timeout = 100ms,
                   .body_bytes_max = 1000,
                   .http2 = {.control_frames_max = 50}}) {}
};

TEST_F(LimitedHttp2, AnIdleConnectionIsEnded) {
  EXPECT_EQ(ask({.path = "/x"}).get().status, 200);
  while (bench_.open() > 0) std::this_thread::yield();
  EXPECT_EQ(bench_.open(), 0u);
}

TEST_F(LimitedHttp2, AHeadBeyondTheLimitIsRefused) {
  OutgoingRequest large;
  large.fields.add("x", std::string(5000, 'a'));
  EXPECT_EQ(ask(std::move(large)).get().status, 431);
  OutgoingRequest many;
  for (int i = 0; i < 100; ++i) many.fields.add("x", "y");
  EXPECT_EQ(ask(std::move(many)).get().status, 431);
}

TEST_F(LimitedHttp2, ABodyBeyondTheLimitIsRefused) {
  const Outcome got =
      ask({.method = "PUT", .path = "/echo", .body = std::make_unique<MemoryBody>(std::string(1001, 'x'))}).get();
  EXPECT_EQ(got.status, 413);
}

/// Frames by hand, after the preface.
std::string frame(int type, int flags, std::uint32_t id, const std::string& payload) {
  std::string bytes(9, '\0');
  bytes[1] = static_cast<char>(payload.size() >> 8);
  bytes[2] = static_cast<char>(payload.size());
  bytes[3] = static_cast<char>(type);
  bytes[4] = static_cast<char>(flags);
  bytes[7] = static_cast<char>(id >> 8);
  bytes[8] = static_cast<char>(id);
  return bytes + payload;
}
const std::string kPreface = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + frame(4, 0, 0, "");

TEST_F(LimitedHttp2, AFloodOfControlFramesEndsTheConnection) {
  for (const std::string& one : {frame(6, 0, 0, "12345678"), frame(4, 0, 0, "")}) {
    Peer peer = serving_.connect();
    std::string flood = kPreface;
    for (int i = 0; i < 100; ++i) flood += one;
    peer.send(flood);
    const std::string answer = peer.read_all();
    EXPECT_TRUE(answer.contains(frame(7, 0, 0, std::string("\0\0\0\0\0\0\0\x0b", 8)))) << "ENHANCE_YOUR_CALM";
  }
}

class HastyHttp2 : public Http2Test {
 protected:
  HastyHttp2() : Http2Test({.head_timeout = 200ms, .write_timeout = 200ms}) {}
};

TEST_F(HastyHttp2, ABlockOfFieldsHasToEndInTime) {
  Peer peer = serving_.connect();
  const auto begun = std::chrono::steady_clock::now();
  peer.send(kPreface + frame(1, 1, 1, "\x82\x86\x84"));
  peer.read_all();
  EXPECT_LT(std::chrono::steady_clock::now() - begun, std::chrono::milliseconds(Peer::kPatienceMs))
      << "the peer's patience ended it, not the server";
  EXPECT_EQ(serving_.handler.handled, 0);
}

TEST_F(HastyHttp2, ABlockWithAnErrorEndsItsStreamOnly) {
  Peer peer = serving_.connect();
  const std::string upper_case("\x82\x86\x84\x00\x01X\x01y", 8);
  peer.send(kPreface + frame(1, 5, 1, upper_case));
  EXPECT_TRUE(peer.read_until(frame(3, 0, 1, std::string("\0\0\0\x01", 4))).ends_with("\x01")) << "PROTOCOL_ERROR";
  EXPECT_TRUE(peer.is_silent(500));
  peer.send(frame(1, 5, 3, std::string("\x82\x86\x84\x01\x01") + "a"));
  EXPECT_TRUE(peer.read_until("GET /").ends_with("GET /"));
}

// Of a stream that is refused nghttp2 does not tell that its block has ended.
TEST_F(HastyHttp2, ARefusedStreamDoesNotEndTheConnection) {
  serving_.handler.add("/hang", hang);
  Peer peer = serving_.connect();
  const std::string to_hang = std::string("\x82\x86\x04\x05/hang\x01\x01") + "a";
  std::string all = kPreface + frame(1, 5, 1, to_hang);
  // Given up at once, while their handlers still run: the last ones are refused.
  for (std::uint32_t id = 3; id < 420; id += 2)
    all += frame(1, 5, id, to_hang) + frame(3, 0, id, std::string("\0\0\0\x08", 4));
  all += frame(1, 5, 421, to_hang);
  peer.send(all);
  const std::string refused = frame(3, 0, 421, std::string("\0\0\0\x07", 4));
  EXPECT_TRUE(peer.read_until(refused).ends_with(refused)) << "REFUSED_STREAM";
  std::this_thread::sleep_for(500ms);
  const std::string alive = frame(6, 1, 0, "12345678");
  peer.send(frame(6, 0, 0, "12345678"));
  EXPECT_TRUE(peer.read_until(alive).ends_with(alive));
}

TEST_F(HastyHttp2, WhoTakesALittleNowAndThenGetsAll) {
  Peer peer = serving_.connect();
  const auto number = [](std::uint32_t value) {
    std::string bytes;
    for (int shift = 24; shift >= 0; shift -= 8) bytes += static_cast<char>(value >> shift);
    return bytes;
  };
  const std::string no_window = std::string("\0\x04", 2) + number(0);
  peer.send("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + frame(4, 0, 0, no_window));
  peer.send(frame(1, 5, 1, std::string("\x82\x86\x04\x06/large\x01\x01") + "a"));
  for (int i = 0; i < 12; ++i) {
    peer.send(frame(8, 0, 1, number(1000)));
    std::this_thread::sleep_for(50ms);
  }
  peer.send(frame(8, 0, 1, number(4'000'000)) + frame(8, 0, 0, number(4'000'000)));
  EXPECT_EQ(peer.read(3'000'000).size(), 3'000'000u);
}

TEST_F(LimitedHttp2, BytesThatAreNoFramesEndTheConnection) {
  Peer peer = serving_.connect();
  peer.send("PRI * HTTP/2.0\r\n\r\nGET / HTTP/1.1\r\nHost: h\r\n\r\n");
  peer.read_all();
  EXPECT_EQ(serving_.handler.handled, 0);
}

TEST_F(LimitedHttp2, AClientThatLeavesLeavesNothingBehind) {
  Peer peer = serving_.connect();
  peer.send(kPreface);
  peer.read(9);
  peer.reset();
  EXPECT_EQ(ask({.path = "/x"}).get().status, 200);
}

class EchoTunnel final : public Takeover {
 public:
  awaitable<void> run(net::Stream& stream) override {
    std::array<char, 100> room{};
    for (;;) {
      const auto got = co_await stream.read_some(room);
      if (!got || *got == 0) break;
      EXPECT_TRUE(co_await stream.write(std::string_view(room.data(), *got)));
    }
    EXPECT_TRUE(co_await stream.shutdown_write());
  }
};

awaitable<Response> tunnel(Request&) {
  Response response;
  response.takeover = std::make_unique<EchoTunnel>();
  co_return response;
}

TEST_F(Http2Test, ConnectMakesAStreamATunnel) {
  serving_.handler.add("", tunnel);
  Peer peer = serving_.connect();
  // :method CONNECT and :authority h:1 as literals without indexing, by names of the static table.
  const std::string head = std::string("\x02\x07") + "CONNECT" + "\x01\x03" + "h:1";
  peer.send(kPreface + frame(1, 4, 1, head) + frame(0, 0, 1, "ping"));
  EXPECT_TRUE(peer.read_until(frame(0, 0, 1, "ping")).ends_with("ping"));
  peer.send(frame(0, 1, 1, "pong"));
  EXPECT_TRUE(peer.read_until("pong").ends_with("pong"));
}

TEST_F(Http2Test, HostAndAuthorityMustAgree) {
  const auto status = [&](const std::string& host) {
    Peer peer = serving_.connect();
    const std::string head = std::string("\x82\x86\x84\x01\x01") + "a" + std::string("\x00\x04host\x01", 7) + host;
    peer.send(kPreface + frame(1, 5, 1, head));
    while (serving_.figures().requests + serving_.figures().refused == 0) std::this_thread::yield();
    return serving_.figures().refused;
  };
  EXPECT_EQ(status("b"), 1u);
}

TEST_F(Http2Test, IsSpokenWithOtherPrograms) {
  const std::string url = "http://127.0.0.1:" + std::to_string(serving_.port());
  EXPECT_EQ(support::run_command({"curl", "-sS", "--http2-prior-knowledge", "-d", "hello", url + "/echo"}), "hello");
  const std::string frames = support::run_command({"nghttp", "-n", "-v", "--no-dep", url + "/large"});
  EXPECT_TRUE(frames.contains(":status: 200")) << frames;
  EXPECT_TRUE(frames.contains("END_STREAM")) << frames;
}

}  // namespace
}  // namespace propeller::http
