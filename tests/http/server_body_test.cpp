#include <fcntl.h>
#include <gtest/gtest.h>

#include <fstream>

#include "http/serving.hpp"
#include "support/environment.hpp"

namespace propeller::http {
namespace {

using namespace std::chrono_literals;

awaitable<Response> echo(Request& request) {
  auto body = co_await read_all(request.body(), 1 << 20);
  if (!body) co_return text_response(400, body.error().detail);
  if (const auto sum = request.body().trailers().find("x-sum")) body->append(" ").append(*sum);
  co_return text_response(200, *body);
}

/// Does not look at the body.
awaitable<Response> ignore(Request&) { co_return text_response(200, "ignored"); }

std::string post(const std::string& path, const std::string& fields, const std::string& body) {
  return "POST " + path + " HTTP/1.1\r\nHost: h\r\n" + fields + "\r\n" + body;
}
std::string length(std::size_t bytes) { return "Content-Length: " + std::to_string(bytes) + "\r\n"; }
const std::string kChunked = "Transfer-Encoding: chunked\r\n";

class ServerBody : public testing::Test {
 protected:
  ServerBody() : ServerBody(ServerLimits{.linger_timeout = 300ms, .drain_bytes_max = 1000}) {}
  explicit ServerBody(ServerLimits limits) : serving_(limits), peer_(serving_.connect()) {
    serving_.handler.add("/echo", echo);
    serving_.handler.add("/ignore", ignore);
  }
  Serving serving_;
  Peer peer_;
};

TEST_F(ServerBody, OfALengthOrInChunksIsReadToItsEndAndNotFurther) {
  peer_.send(post("/echo", length(5), "hello") +
             post("/echo", kChunked, "3\r\nabc\r\n2;x\r\nde\r\n0\r\nX-Sum: 9\r\n\r\n") + post("/echo", "", ""));
  EXPECT_TRUE(peer_.read_message().ends_with("\r\n\r\nhello"));
  EXPECT_TRUE(peer_.read_message().ends_with("\r\n\r\nabcde 9"));
  EXPECT_TRUE(peer_.read_message().ends_with("Content-Length: 0\r\n\r\n"));
}

TEST_F(ServerBody, MayComeByteByByte) {
  peer_.send_bytewise(post("/echo", kChunked, "3\r\nabc\r\n0\r\n\r\n") + post("/echo", length(3), "xyz"));
  EXPECT_TRUE(peer_.read_message().ends_with("\r\n\r\nabc"));
  EXPECT_TRUE(peer_.read_message().ends_with("\r\n\r\nxyz"));
}

TEST_F(ServerBody, LargerThanEveryBufferArrivesWhole) {
  std::string body(700'000, 'x');
  for (std::size_t i = 0; i < body.size(); i += 7) body[i] = static_cast<char>('a' + i % 26);
  peer_.send(post("/echo", length(body.size()), body));
  EXPECT_TRUE(peer_.read_message().ends_with("\r\n\r\n" + body));
}

TEST_F(ServerBody, WithBrokenChunksIsAnErrorAndTheConnectionEnds) {
  peer_.send(post("/echo", kChunked, "3\r\nabcX\r\n0\r\n\r\n") + post("/echo", length(1), "x"));
  EXPECT_TRUE(peer_.read_message().starts_with("HTTP/1.1 400 "));
  EXPECT_TRUE(peer_.is_ended());
  EXPECT_EQ(serving_.handler.handled, 1);
}

TEST_F(ServerBody, ThatEndsTooEarlyIsAnError) {
  peer_.send(post("/echo", length(10), "short"));
  peer_.end_sending();
  EXPECT_TRUE(peer_.read_message().starts_with("HTTP/1.1 400 "));
}

TEST_F(ServerBody, IsAwaitedWith100ContinueWhenTheHandlerReads) {
  peer_.send(post("/echo", length(5) + "Expect: 100-continue\r\n", ""));
  EXPECT_EQ(peer_.read_head(), "HTTP/1.1 100 Continue\r\n\r\n");
  peer_.send("hello" + post("/echo", length(2), "ok"));
  EXPECT_TRUE(peer_.read_message().ends_with("\r\n\r\nhello"));
  EXPECT_TRUE(peer_.read_message().ends_with("\r\n\r\nok"));
}

TEST_F(ServerBody, IsNotAskedForWhenItIsThereAlready) {
  peer_.send(post("/echo", length(5) + "Expect: 100-continue\r\n", "hello"));
  EXPECT_TRUE(peer_.read_message().starts_with("HTTP/1.1 200 "));
}

TEST_F(ServerBody, IsNotAskedForWhenTheHandlerDoesNotReadIt) {
  peer_.send(post("/ignore", length(5) + "Expect: 100-continue\r\n", ""));
  const std::string response = peer_.read_message();
  EXPECT_TRUE(response.starts_with("HTTP/1.1 200 ")) << response;
  EXPECT_TRUE(response.contains("Connection: close")) << response;
}

TEST_F(ServerBody, LeftByTheHandlerIsDrainedWhenItIsSmall) {
  peer_.send(post("/ignore", length(500), std::string(500, 'x')) + post("/echo", length(2), "ok"));
  EXPECT_TRUE(peer_.read_message().ends_with("ignored"));
  EXPECT_TRUE(peer_.read_message().ends_with("\r\n\r\nok"));
}

TEST_F(ServerBody, LeftByTheHandlerEndsTheConnectionWhenItIsLarge) {
  peer_.send(post("/ignore", length(5000), std::string(5000, 'x')) + post("/echo", length(2), "no"));
  EXPECT_TRUE(peer_.read_message().ends_with("ignored"));
  EXPECT_TRUE(peer_.is_ended());
  EXPECT_FALSE(peer_.was_reset());
}

class LimitedBody : public ServerBody {
 protected:
  LimitedBody() : ServerBody(ServerLimits{.read_timeout = 60ms, .body_bytes_max = 10}) {}
};

TEST_F(LimitedBody, BeyondTheLimitIsRefusedByItsLengthOrWhenItGetsThere) {
  peer_.send(post("/echo", length(11), "hello world"));
  EXPECT_TRUE(peer_.read_message().starts_with("HTTP/1.1 413 "));
  Peer other = serving_.connect();
  other.send(post("/echo", kChunked, "b\r\nhello world\r\n0\r\n\r\n"));
  EXPECT_TRUE(other.read_message().contains("too large"));
}

TEST_F(LimitedBody, ThatDoesNotComeTimesOut) {
  peer_.send(post("/echo", length(5), "he"));
  EXPECT_TRUE(peer_.read_message().starts_with("HTTP/1.1 400 "));
}

/// Pieces, and then an end or an error.
class ScriptedBody final : public BodySource {
 public:
  ScriptedBody(std::vector<std::string> pieces, bool is_broken, std::optional<std::uint64_t> length = std::nullopt)
      : pieces_(std::move(pieces)), is_broken_(is_broken), length_(length) {
    trailers_.add("X-Sum", "1");
    trailers_.add("Content-Length", "1");
  }
  awaitable<Result<std::string_view>> read(std::size_t) override {
    if (next_ < pieces_.size()) co_return pieces_[next_++];
    if (is_broken_) co_return fail(Code::digest_mismatch, Origin::upstream, "wrong bytes");
    co_return std::string_view();
  }
  [[nodiscard]] std::optional<std::uint64_t> length() const override { return length_; }
  [[nodiscard]] FieldView trailers() const override { return trailers_; }

 private:
  std::vector<std::string> pieces_;
  std::size_t next_ = 0;
  bool is_broken_;
  std::optional<std::uint64_t> length_;
  Fields trailers_;
};

Response scripted(std::vector<std::string> pieces, bool is_broken, std::optional<std::uint64_t> length = std::nullopt) {
  Response response;
  response.body = std::make_unique<ScriptedBody>(std::move(pieces), is_broken, length);
  return response;
}

awaitable<Response> unknown_length(Request&) { co_return scripted({"one", "two"}, false); }
awaitable<Response> breaks(Request&) { co_return scripted({"one", "two"}, true); }
awaitable<Response> breaks_of_length(Request&) { co_return scripted({"one", "two"}, true, 9); }
awaitable<Response> too_short(Request&) { co_return scripted({"one", "two"}, false, 9); }
awaitable<Response> too_long(Request&) { co_return scripted({"one", "two"}, false, 5); }

std::string get(const std::string& path) { return "GET " + path + " HTTP/1.1\r\nHost: h\r\n\r\n"; }

TEST(ServerResponse, OfUnknownLengthIsChunkedWithItsTrailersOrEndsWithTheConnection) {
  Serving serving;
  serving.handler.add("/", unknown_length);
  Peer peer = serving.connect();
  peer.send(get("/"));
  EXPECT_TRUE(peer.read_head().contains("\r\nTransfer-Encoding: chunked\r\n"));
  EXPECT_EQ(peer.read_until("\r\n\r\n"), "3\r\none\r\n3\r\ntwo\r\n0\r\nX-Sum: 1\r\n\r\n");
  peer.send("GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n");
  EXPECT_TRUE(peer.read_head().contains("\r\nConnection: close\r\n"));
  EXPECT_EQ(peer.read_all(), "onetwo");
}

// A receiver that knows no length would take an orderly end for the whole.
TEST(ServerResponse, WhoseBodyBreaksIsNeverEndedCleanly) {
  Serving serving;
  serving.handler.add("/breaks", breaks);
  serving.handler.add("/of_length", breaks_of_length);
  serving.handler.add("/short", too_short);
  serving.handler.add("/long", too_long);
  for (const auto* path : {"/breaks", "/of_length", "/short", "/long"}) {
    Peer peer = serving.connect();
    peer.send(get(path));
    const std::string response = peer.read_all();
    EXPECT_FALSE(response.contains("0\r\n\r\n")) << path;
    EXPECT_TRUE(peer.was_reset()) << path;
  }
  Peer old = serving.connect();
  old.send("GET /breaks HTTP/1.0\r\n\r\n");
  old.read_all();
  EXPECT_TRUE(old.was_reset());
  EXPECT_EQ(serving.figures().broken, 5u);
}

/// A file under this body's name, in the folder that the handler reads from.
std::string& file_path() {
  static std::string path;
  return path;
}

Response file_response(std::uint64_t offset, std::uint64_t count) {
  auto file = std::make_shared<base::FileDescriptor>(::open(file_path().c_str(), O_RDONLY | O_CLOEXEC));
  Response response;
  response.body = std::make_unique<FileBody>(std::move(file), offset, count);
  return response;
}
awaitable<Response> small_file(Request&) { co_return file_response(10, 2000); }
awaitable<Response> large_file(Request&) { co_return file_response(1, 2'999'999); }
awaitable<Response> short_file(Request&) { co_return file_response(0, 3'000'001); }

TEST(ServerResponse, FromAFileIsSentAsItLies) {
  const support::TempDir directory;
  file_path() = (directory.path() / "body").string();
  std::string content;
  for (int i = 0; content.size() < 3'000'000; ++i) content += std::to_string(i) + " ";
  content.resize(3'000'000);
  std::ofstream(file_path(), std::ios::binary) << content;
  Serving serving;
  serving.handler.add("/small", small_file);
  serving.handler.add("/large", large_file);
  serving.handler.add("/short", short_file);
  Peer peer = serving.connect();
  peer.send(get("/small") + get("/large"));
  EXPECT_TRUE(peer.read_message().ends_with("\r\n\r\n" + content.substr(10, 2000)));
  EXPECT_TRUE(peer.read_message().ends_with("\r\n\r\n" + content.substr(1)));
  peer.send(get("/short"));
  peer.read_all();
  EXPECT_TRUE(peer.was_reset());
}

TEST(ServerResponse, ThatNobodyTakesTimesOut) {
  const support::TempDir directory;
  file_path() = (directory.path() / "body").string();
  std::ofstream(file_path(), std::ios::binary) << std::string(3'000'000, 'x');
  Serving serving({.write_timeout = 100ms});
  serving.handler.add("/large", large_file);
  Peer peer = serving.connect();
  std::string requests;
  for (int i = 0; i < 10; ++i) requests += get("/large");
  peer.send(requests);
  while (serving.figures().broken == 0) std::this_thread::yield();
  EXPECT_LT(serving.handler.handled, 10);
}

}  // namespace
}  // namespace propeller::http
