#include "mqtt/payload.hpp"

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

namespace propeller::mqtt {
namespace {

std::span<const std::byte> bytes_of(std::string_view text) { return std::as_bytes(std::span(text)); }

ImageRequest request_of(std::string_view json) {
  auto message = parse_message(json);
  EXPECT_TRUE(message) << (message ? "" : message.error().detail);
  return message ? std::get<ImageRequest>(*message) : ImageRequest{};
}

std::string refusal_of(std::string_view json) {
  const auto message = parse_message(json);
  if (message) return "accepted";
  EXPECT_EQ(message.error().code, Code::bad_request);
  return message.error().detail;
}

TEST(Chunk, IsCompactAndInTheKeyOrderOfTheProtocol) {
  EXPECT_EQ(encode_chunk("docker.io/acme/add.wasm", 0, 21, bytes_of("foob")),
            R"({"app_name":"docker.io/acme/add.wasm","chunk_idx":0,"total_chunks":21,"data":"Zm9vYg=="})");
}

// app_name is the only correlation key a deployed client has.
TEST(Chunk, AppNameComesBackByteForByteWhateverTheRequestHeld) {
  for (const std::string_view escaped : {R"(plain)", R"(a\"b\\c\/d)", R"(\b\f\n\r\t\u0000\u001f\u007f)",
                                         R"(\u00e9\ud83d\ude80 \u2028)", "\xc3\xa9\xf0\x9f\x9a\x80", R"( :,{}[] )"}) {
    const auto json = std::string(R"({"app_name":")").append(escaped).append(R"("})");
    const auto parsed = parse_message(json);
    ASSERT_TRUE(parsed) << json;
    const auto& name = std::get<ImageRequest>(*parsed).app_name;
    const auto chunk = encode_chunk(name, 3, 4, bytes_of("x"));
    EXPECT_EQ(nlohmann::json::parse(chunk).at("app_name").get<std::string>(), name) << chunk;
    EXPECT_EQ(parse_chunk(chunk)->app_name, name);
    EXPECT_EQ(chunk.size(), encoded_chunk_size(name, 3, 4, 1));
  }
}

TEST(Chunk, ComesBackFromItsText) {
  const std::string raw(100'000, '\xa5');
  const auto chunk = parse_chunk(encode_chunk("n", 12, 34, bytes_of(raw)));
  ASSERT_TRUE(chunk);
  EXPECT_EQ(chunk->app_name, "n");
  EXPECT_EQ(chunk->index, 12u);
  EXPECT_EQ(chunk->total, 34u);
  EXPECT_EQ(chunk->data, raw);
}

TEST(Chunk, IsReadInAnyOrderWithBlanksEscapesAndUnknownFields) {
  const auto chunk = parse_chunk(
      R"( {"data" : "Zm9v", "x":{"data":"AAAA"}, "total_chunks":2,"chunk_idx": 1 , "app_name":"\"data\":\""} )");
  ASSERT_TRUE(chunk);
  EXPECT_EQ(chunk->data, "foo");
  EXPECT_EQ(chunk->app_name, "\"data\":\"");
  const auto escaped = parse_chunk(R"({"app_name":"a","chunk_idx":0,"total_chunks":1,"data":"Zm\u0039v"})");
  ASSERT_TRUE(escaped);
  EXPECT_EQ(escaped->data, "foo");
}

TEST(Chunk, WithoutOneOfItsFieldsOrWithBadBase64IsRefused) {
  for (const std::string_view json : {"", "{}", R"({"app_name":"a","chunk_idx":0,"total_chunks":1})",
                                      R"({"app_name":"a","chunk_idx":-1,"total_chunks":1,"data":""})",
                                      R"({"app_name":"a","chunk_idx":0,"total_chunks":1,"data":"Zg"})",
                                      R"({"chunk_idx":0,"total_chunks":1,"data":"Zg=="})",
                                      R"({"app_name":"a","chunk_idx":0,"total_chunks":1,"x":{"data":"Zg=="})",
                                      R"({"app_name":"a","chunk_idx":0,"total_chunks":1,"data":"","data":"Zg=="})"}) {
    EXPECT_FALSE(parse_chunk(json)) << json;
  }
}

TEST(Chunk, TheRawSizeThatFitsFillsTheMessageAndNeverExceedsIt) {
  for (const std::size_t limit : {100, 1023, 4096, 1'048'576}) {
    const auto raw = raw_bytes_that_fit("docker.io/acme/add.wasm", 1000, limit);
    if (raw == 0) continue;
    EXPECT_LE(encoded_chunk_size("docker.io/acme/add.wasm", 999, 1000, raw), limit);
    EXPECT_GT(encoded_chunk_size("docker.io/acme/add.wasm", 1000, 1000, raw + 1), limit);
  }
  EXPECT_EQ(raw_bytes_that_fit("docker.io/acme/add.wasm", 1, 40), 0u);
}

TEST(Request, OfTodaysDevicesIsAName) {
  const auto request = request_of(R"({"app_name":"docker.io/acme/add.wasm"})");
  EXPECT_EQ(request.app_name, "docker.io/acme/add.wasm");
  EXPECT_EQ(request.deliver, Delivery::broadcast);
  EXPECT_FALSE(request.encoding);
}

TEST(Request, CarriesEveryOptionThereAndBack) {
  const ImageRequest request{.app_name = "a",
                             .proplet_id = "p",
                             .deliver = Delivery::direct,
                             .encoding = Encoding::raw,
                             .compression = Compression::zstd,
                             .chunk_size = 1000,
                             .window = 4,
                             .digest = base::sha256("x"),
                             .missing = *Ranges::parse("3-7,9"),
                             .deadline = std::chrono::milliseconds(5000)};
  const auto back = request_of(encode_request(request));
  EXPECT_EQ(back.app_name, request.app_name);
  EXPECT_EQ(back.proplet_id, request.proplet_id);
  EXPECT_EQ(back.deliver, request.deliver);
  EXPECT_EQ(back.encoding, request.encoding);
  EXPECT_EQ(back.compression, request.compression);
  EXPECT_EQ(back.chunk_size, request.chunk_size);
  EXPECT_EQ(back.window, request.window);
  EXPECT_EQ(back.digest, request.digest);
  EXPECT_EQ(back.missing, request.missing);
  EXPECT_EQ(back.deadline, request.deadline);
}

TEST(Request, UnknownFieldsAndNullsAreReadOver) {
  const auto request = request_of(R"({"x":[1,{"y":[null]}],"app_name":"a","proplet_id":null,"window":null,"é":1.5e3})");
  EXPECT_EQ(request.app_name, "a");
  EXPECT_TRUE(request.proplet_id.empty());
  EXPECT_FALSE(request.window);
}

TEST(Request, AWrongTypeIsRefusedByTheNameOfItsField) {
  const std::pair<std::string_view, std::string_view> wrong[] = {
      {"app_name", "7"},          {"app_name", "{}"},      {"app_name", "\"\""},    {"app_name", "null"},
      {"proplet_id", "[]"},       {"proplet_id", "\"+\""}, {"deliver", "\"mail\""}, {"encoding", "true"},
      {"compression", "\"lz4\""}, {"chunk_size", "\"1\""}, {"chunk_size", "-1"},    {"chunk_size", "1.5"},
      {"chunk_size", "0"},        {"chunk_size", "1e400"}, {"window", "0"},         {"digest", "\"sha256\""},
      {"missing", "\"7-3\""},     {"deadline_ms", "\"1\""}};
  for (const auto& [field, value] : wrong) {
    auto json = std::string("{\"").append(field).append("\":").append(value);
    json += field == "app_name" ? "}" : R"(,"app_name":"a"})";
    const auto why = refusal_of(json);
    EXPECT_TRUE(value == "1e400" || why.contains(field)) << json << " -> " << why;
  }
  EXPECT_TRUE(refusal_of("{}").contains("app_name"));
}

TEST(Request, HugeNumbersAreClippedInsteadOfWrappingAround) {
  const auto request =
      request_of(R"({"app_name":"a","window":18446744073709551615,"deadline_ms":18446744073709551615})");
  EXPECT_EQ(request.window, std::numeric_limits<std::uint32_t>::max());
  EXPECT_GT(request.deadline, std::chrono::hours(1));
}

TEST(Request, WhatIsNotAnObjectIsRefused) {
  for (const std::string_view json :
       {"", " ", "null", "1", "\"a\"", "[]", R"([{"app_name":"a"}])", "{", R"({"app_name":"a"}x)", R"({"app_name":"a)",
        "\xff", "{\"app_name\":\"\xff\"}", R"({"app_name":"\ud800"})", R"({"app_name":"a","app_name":"b"})"}) {
    EXPECT_NE(refusal_of(json), "accepted") << json;
  }
}

TEST(Request, TheLimitsOfSizeNameAndNestingHold) {
  const auto with_name = [](std::size_t size) { return R"({"app_name":")" + std::string(size, 'n') + R"("})"; };
  EXPECT_EQ(request_of(with_name(kAppNameBytesMax)).app_name.size(), kAppNameBytesMax);
  EXPECT_TRUE(refusal_of(with_name(kAppNameBytesMax + 1)).contains("app_name"));
  const std::string blanks(kRequestBytesMax, ' ');
  EXPECT_TRUE(refusal_of(R"({"app_name":"a"})" + blanks).contains("larger"));
  EXPECT_TRUE(refusal_of(std::string(10'000'000, '[')).contains("larger"));
  const auto nested = [](std::size_t depth) {
    return R"({"app_name":"a","x":)" + std::string(depth, '[') + std::string(depth, ']') + "}";
  };
  EXPECT_EQ(request_of(nested(7)).app_name, "a");
  EXPECT_TRUE(refusal_of(nested(8)).contains("nested"));
  EXPECT_TRUE(refusal_of(R"({"x":)" + std::string(60'000, '[')).contains("nested"));
}

TEST(Request, TheNameOfARefusedOneIsFoundForTheStatus) {
  EXPECT_EQ(app_name_of(R"({"window":"x","app_name":"a\u0041"})"), "aA");
  for (const std::string_view json : {"", "[]", R"({"app_name":7})", R"({"app_name":"a")"})
    EXPECT_EQ(app_name_of(json), "") << json;
  EXPECT_EQ(app_name_of(R"({"app_name":")" + std::string(kAppNameBytesMax + 1, 'n') + R"("})"), "");
}

TEST(Acknowledgement, SaysHowFarOrWhatIsMissing) {
  const auto ack_of = [](std::string_view json) { return std::get<Acknowledgement>(*parse_message(json)); };
  EXPECT_EQ(ack_of(R"({"transfer":"f00d","ack":8})").received_in_order, 8u);
  EXPECT_EQ(ack_of(R"({"transfer":"f00d","missing":"3-7,9"})").missing, *Ranges::parse("3-7,9"));
  const Acknowledgement ack{.transfer = "t", .received_in_order = 3, .missing = std::nullopt};
  EXPECT_EQ(encode_acknowledgement(ack), R"({"transfer":"t","ack":3})");
  EXPECT_TRUE(refusal_of(R"({"transfer":"t"})").contains("ack"));
  EXPECT_TRUE(refusal_of(R"({"transfer":"a/b","ack":1})").contains("transfer"));
  EXPECT_TRUE(refusal_of(R"({"transfer":"t","ack":"1"})").contains("ack"));
}

TEST(Status, ComesBackFromItsTextAndLeavesOutWhatIsNotKnown) {
  Status status;
  status.app_name = "a";
  status.transfer = "t";
  EXPECT_EQ(encode_status(status), R"({"app_name":"a","transfer":"t","state":"accepted"})");
  status.proplet_id = "p";
  status.state = State::failed;
  status.digest = base::sha256("x");
  status.source = base::sha256("y");
  status.size = 10;
  status.total_chunks = 2;
  status.sent = 1;
  status.code = "not_found";
  status.message = "no such tag";
  const auto back = parse_status(encode_status(status));
  ASSERT_TRUE(back);
  EXPECT_EQ(back->app_name, "a");
  EXPECT_EQ(back->transfer, "t");
  EXPECT_EQ(back->proplet_id, "p");
  EXPECT_EQ(back->state, State::failed);
  EXPECT_EQ(back->digest, status.digest);
  EXPECT_EQ(back->source, status.source);
  EXPECT_EQ(back->size, 10u);
  EXPECT_EQ(back->total_chunks, 2u);
  EXPECT_EQ(back->sent, 1u);
  EXPECT_EQ(back->code, "not_found");
  EXPECT_EQ(back->message, "no such tag");
  EXPECT_FALSE(parse_status(R"({"app_name":"a","state":"asleep"})"));
}

TEST(Status, ASentenceThatIsNotUtf8OrTooLongIsStillJson) {
  Status status;
  status.app_name = "a";
  status.message = "\xff\xfe" + std::string(100'000, 'x');
  const auto text = encode_status(status);
  EXPECT_LT(text.size(), 4096u);
  EXPECT_TRUE(parse_status(text));
}

TEST(Manifest, ComesBackFromItsTextAndDropsTooManyHashes) {
  DirectManifest manifest;
  manifest.transfer = "t";
  manifest.app_name = "a";
  manifest.digest = base::sha256("x");
  manifest.size = 7;
  manifest.chunk_size = 4;
  manifest.total_chunks = 2;
  manifest.compression = Compression::zstd;
  manifest.chunk_sha256 = {base::sha256("1").hex(), base::sha256("2").hex()};
  const auto back = parse_manifest(encode_manifest(manifest));
  ASSERT_TRUE(back);
  EXPECT_EQ(back->digest, manifest.digest);
  EXPECT_EQ(back->size, 7u);
  EXPECT_EQ(back->chunk_size, 4u);
  EXPECT_EQ(back->total_chunks, 2u);
  EXPECT_EQ(back->compression, Compression::zstd);
  EXPECT_EQ(back->encoding, Encoding::raw);
  EXPECT_EQ(back->chunk_sha256, manifest.chunk_sha256);
  manifest.chunk_sha256.assign(kChunkHashesMax, manifest.chunk_sha256[0]);
  EXPECT_EQ(parse_manifest(encode_manifest(manifest))->chunk_sha256.size(), kChunkHashesMax);
  manifest.chunk_sha256.push_back(manifest.chunk_sha256[0]);
  EXPECT_TRUE(parse_manifest(encode_manifest(manifest))->chunk_sha256.empty());
}

TEST(Manifest, AListThatHoldsOtherThingsThanTextIsRefused) {
  constexpr std::string_view kHead =
      R"({"transfer":"t","app_name":"a","size":1,"chunk_size":1,"total_chunks":1,"chunk_sha256":)";
  for (const std::string_view list : {"[1]", "[[\"x\"]]", "[\"x\",{}]", "7", "{}"}) {
    EXPECT_FALSE(parse_manifest(std::string(kHead).append(list).append("}"))) << list;
  }
  EXPECT_FALSE(parse_manifest(R"({"transfer":"../x","app_name":"a","size":1,"chunk_size":1,"total_chunks":1})"));
}

}  // namespace
}  // namespace propeller::mqtt
