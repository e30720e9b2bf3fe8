#include "http/chunked.hpp"

#include <gtest/gtest.h>

#include <string>
#include <vector>

namespace propeller::http {
namespace {

struct Decoded {
  std::string data;
  std::size_t consumed = 0;
  bool is_done = false;
};

/// Feeds the text in pieces of `piece` bytes.
std::expected<Decoded, Refusal> decode(ChunkDecoder& decoder, std::string_view text, std::size_t piece) {
  Decoded decoded;
  while (decoded.consumed < text.size() && !decoder.is_done()) {
    const auto step = decoder.decode(text.substr(decoded.consumed, piece), 1000);
    if (!step) return std::unexpected(step.error());
    decoded.data += step->data;
    decoded.consumed += step->consumed;
  }
  decoded.is_done = decoder.is_done();
  return decoded;
}

TEST(ChunkDecoder, GivesTheSameDataHoweverTheBytesCome) {
  const std::string text = "5\r\nhello\r\n00B;name=\"v;x\"\r\n, the world\r\n0\r\nX-Sum: 1\r\n\r\nGET /";
  for (std::size_t piece = 1; piece <= text.size(); ++piece) {
    ChunkDecoder decoder;
    const auto decoded = decode(decoder, text, piece);
    ASSERT_TRUE(decoded) << piece << ": " << decoded.error().reason;
    EXPECT_EQ(decoded->data, "hello, the world") << piece;
    EXPECT_TRUE(decoded->is_done) << piece;
    EXPECT_EQ(text.substr(decoded->consumed), "GET /") << piece;
    EXPECT_EQ(decoder.trailers().find("x-sum"), "1") << piece;
  }
}

TEST(ChunkDecoder, GivesNoMoreDataThanAskedFor) {
  ChunkDecoder decoder;
  const auto step = decoder.decode("5\r\nhello\r\n", 2);
  ASSERT_TRUE(step);
  EXPECT_EQ(step->data, "he");
  EXPECT_EQ(step->consumed, 5u);
}

TEST(ChunkDecoder, DropsTrailersThatWouldChangeTheMessage) {
  ChunkDecoder decoder;
  ASSERT_TRUE(decode(decoder, "0\r\nContent-Length: 5\r\nHost: x\r\nX: y\r\nSet-Cookie: a\r\n\r\n", 100));
  EXPECT_EQ(decoder.trailers().size(), 1u);
  EXPECT_EQ(decoder.trailers().find("x"), "y");
}

struct Case {
  const char* what;
  std::string text;
};
void PrintTo(const Case& one, std::ostream* out) { *out << one.what; }

class MalformedChunks : public testing::TestWithParam<Case> {};

TEST_P(MalformedChunks, AreRefused) {
  ChunkDecoder whole, bytewise;
  EXPECT_FALSE(decode(whole, GetParam().text, 1 << 20));
  EXPECT_FALSE(decode(bytewise, GetParam().text, 1));
}

std::vector<Case> cases() {
  using namespace std::string_literals;
  return {
      {"no size", "\r\n"},
      {"a size that is none", "g\r\n"},
      {"a signed size", "+5\r\nhello\r\n"},
      {"a size in C notation", "0x5\r\nhello\r\n"},
      {"a blank before the size", " 5\r\nhello\r\n"},
      {"a blank behind the size", "5 \r\nhello\r\n"},
      {"a size of 64 bits", "10000000000000000\r\n"},
      {"endless zeros", "00000000000000005\r\n"},
      {"a bare LF behind the size", "5\nhello\r\n"},
      {"a bare CR behind the size", "5\rhello"},
      {"a bare CR in an extension", "5;a\rb\r\nhello\r\n"},
      {"a bare LF in an extension", "5;a\nhello\r\n"},
      {"a NUL in an extension", "5;\0\r\n"s},
      {"an extension without a size", ";a\r\n"},
      {"a long extension", "5;" + std::string(ChunkDecoder::kLineBytesMax, 'a') + "\r\n"},
      {"garbage after a chunk", "5\r\nhelloX\r\n"},
      {"a chunk that is longer than it says", "5\r\nhello!\r\n0\r\n\r\n"},
      {"a bare LF after a chunk", "5\r\nhello\n0\r\n\r\n"},
      {"a bare LF in the trailer", "0\r\nX: y\n\r\n"},
      {"a trailer that is no field", "0\r\nX\r\n\r\n"},
      {"a folded trailer", "0\r\nX: y\r\n z\r\n\r\n"},
      {"a large trailer", "0\r\nX: " + std::string(ChunkDecoder::kTrailerBytesMax, 'y') + "\r\n\r\n"},
  };
}

INSTANTIATE_TEST_SUITE_P(Http, MalformedChunks, testing::ValuesIn(cases()));

TEST(ChunkDecoder, RefusesABodyThatIsMostlyExtensions) {
  std::string text;
  for (std::size_t bytes = 0; bytes <= ChunkDecoder::kExtensionBytesMax; bytes += 200) {
    text += "1;" + std::string(200, 'a') + "\r\nx\r\n";
  }
  ChunkDecoder decoder;
  EXPECT_FALSE(decode(decoder, text, text.size()));
}

TEST(WriteChunkHead, WritesTheSizeInHexadecimal) {
  char buffer[kChunkHeadBytesMax];
  EXPECT_EQ(write_chunk_head(255, buffer), "ff\r\n");
  EXPECT_EQ(write_chunk_head(UINT64_MAX, buffer), "ffffffffffffffff\r\n");
}

}  // namespace
}  // namespace propeller::http
