#include "base/base64.hpp"

#include <gtest/gtest.h>

#include <random>

namespace propeller::base {
namespace {

std::span<const std::byte> bytes_of(std::string_view text) { return std::as_bytes(std::span(text)); }

std::string encode(std::string_view bytes) {
  std::string text(base64_size(bytes.size()), '?');
  EXPECT_EQ(base64_encode(bytes_of(bytes), text.data()), text.data() + text.size());
  return text;
}

std::string noise(std::size_t size) {
  std::minstd_rand random(static_cast<unsigned>(size) + 1);
  std::string bytes(size, '\0');
  for (auto& byte : bytes) byte = static_cast<char>(random());
  return bytes;
}

TEST(Base64, EncodesTheVectorsOfRfc4648) {
  EXPECT_EQ(encode(""), "");
  EXPECT_EQ(encode("f"), "Zg==");
  EXPECT_EQ(encode("fo"), "Zm8=");
  EXPECT_EQ(encode("foo"), "Zm9v");
  EXPECT_EQ(encode("foob"), "Zm9vYg==");
  EXPECT_EQ(encode("fooba"), "Zm9vYmE=");
  EXPECT_EQ(encode("foobar"), "Zm9vYmFy");
}

TEST(Base64, EveryCharacterOfTheAlphabetIsWritten) {
  std::string bytes;
  for (std::uint32_t i = 0; i < 64; i += 4) {
    const std::uint32_t bits = i << 18 | (i + 1) << 12 | (i + 2) << 6 | (i + 3);
    bytes += {static_cast<char>(bits >> 16), static_cast<char>(bits >> 8), static_cast<char>(bits)};
  }
  EXPECT_EQ(encode(bytes), "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/");
}

// A vector engine that reads or writes past the end would show here under ASan, as the buffers fit exactly.
TEST(Base64, EveryEngineWritesWhatTheScalarOneWritesForEveryLength) {
  for (std::size_t size = 0; size <= 400; ++size) {
    const std::vector<char> raw = [&] {
      const auto text = noise(size);
      return std::vector<char>(text.begin(), text.end());
    }();
    const auto bytes = std::as_bytes(std::span(raw));
    std::vector<char> expected(base64_size(size));
    base64_encode_with(Base64Engine::scalar, bytes, expected.data());
    for (const auto engine : kBase64Engines) {
      if (!is_supported(engine)) continue;
      std::vector<char> text(base64_size(size));
      EXPECT_EQ(base64_encode_with(engine, bytes, text.data()), text.data() + text.size());
      EXPECT_EQ(text, expected) << "size " << size << " engine " << static_cast<int>(engine);
    }
  }
}

TEST(Base64, DecodesWhatItEncoded) {
  for (const std::size_t size : {0, 1, 2, 3, 4, 5, 47, 48, 49, 1000, 512'000}) {
    const auto bytes = noise(size);
    const auto decoded = base64_decode(encode(bytes));
    ASSERT_TRUE(decoded);
    EXPECT_EQ(*decoded, bytes);
  }
}

TEST(Base64, RefusesWhatIsNotCanonical) {
  for (const std::string_view text : {"Z", "Zg", "Zg=", "Zh==", "Zm9=", "Z===", "====", "Zm9v\n", "Zm 9", "Zm-_",
                                      "=Zm9", "Zg==Zg==", "Zm8=Zm9v", "Zm9v\x80m9v"}) {
    const auto decoded = base64_decode(text);
    ASSERT_FALSE(decoded) << text;
    EXPECT_EQ(decoded.error().code, Code::bad_request);
  }
}

}  // namespace
}  // namespace propeller::base
