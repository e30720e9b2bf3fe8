#include <gtest/gtest.h>

#include "http/client_fixture.hpp"
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
