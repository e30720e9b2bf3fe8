#include "registry/manifest.hpp"

#include <gtest/gtest.h>

#include "registry/json.hpp"

namespace propeller::registry {
namespace {

const std::string kOne = "sha256:" + std::string(64, '1');
const std::string kTwo = "sha256:" + std::string(64, '2');
constexpr std::string_view kOciManifest = "application/vnd.oci.image.manifest.v1+json";
constexpr std::string_view kOciIndex = "application/vnd.oci.image.index.v1+json";

Code code_of(std::string_view text, std::string_view type = kOciManifest) {
  const auto parsed = parse_manifest(text, type);
  return parsed ? Code::io : parsed.error().code;
}

TEST(ParseManifest, ReadsLayersWithTypeSizeAndTitle) {
  const auto parsed = parse_manifest(
      R"({"schemaVersion":2,"mediaType":"application/vnd.oci.image.manifest.v1+json","config":{},"layers":[{"mediaType":"application/wasm","digest":")" +
          kOne + R"(","size":600,"annotations":{"org.opencontainers.image.title":"add.wasm"}}]})",
      "");
  ASSERT_TRUE(parsed) << describe(parsed.error());
  const auto& layers = std::get<Manifest>(*parsed).layers;
  ASSERT_EQ(layers.size(), 1u);
  EXPECT_EQ(
      layers[0],
      (Layer{
          .digest = Digest::parse(kOne).value(), .size = 600, .media_type = "application/wasm", .title = "add.wasm"}));
}

TEST(ParseManifest, ReadsDockerSchemaTwoAndItsList) {
  EXPECT_TRUE(parse_manifest(
      R"({"schemaVersion":2,"mediaType":"application/vnd.docker.distribution.manifest.v2+json","layers":[]})", ""));
  const auto list = parse_manifest(R"({"schemaVersion":2,"manifests":[{"digest":")" + kOne +
                                       R"(","platform":{"os":"linux","architecture":"arm64"}}]})",
                                   "application/vnd.docker.distribution.manifest.list.v2+json; charset=utf-8");
  ASSERT_TRUE(list);
  const auto& children = std::get<Index>(*list).children;
  ASSERT_EQ(children.size(), 1u);
  EXPECT_EQ(children[0].os, "linux");
  EXPECT_EQ(children[0].architecture, "arm64");
  EXPECT_FALSE(children[0].is_attestation);
}

TEST(ParseManifest, KnowsAttestationsByPlatformAndByAnnotation) {
  const auto parsed = parse_manifest(
      R"({"manifests":[{"digest":")" + kOne + R"(","platform":{"os":"unknown","architecture":"unknown"}},{"digest":")" +
          kTwo + R"(","annotations":{"vnd.docker.reference.type":"attestation-manifest"}}]})",
      kOciIndex);
  ASSERT_TRUE(parsed);
  for (const auto& child : std::get<Index>(*parsed).children) EXPECT_TRUE(child.is_attestation);
}

// CVE-2021-41190: one digest must not mean two images.
TEST(ParseManifest, RefusesADocumentThatIsBothImageAndIndex) {
  EXPECT_EQ(code_of(R"({"layers":[],"manifests":[]})"), Code::no_module);
  EXPECT_EQ(code_of(R"({"layers":[]})", kOciIndex), Code::no_module);
  EXPECT_EQ(code_of(R"({"manifests":[]})", kOciManifest), Code::no_module);
}

TEST(ParseManifest, SaysThatSchemaOneIsNotSupported) {
  const auto parsed = parse_manifest(R"({"schemaVersion":1,"fsLayers":[]})",
                                     "application/vnd.docker.distribution.manifest.v1+prettyjws");
  ASSERT_FALSE(parsed);
  EXPECT_EQ(parsed.error().code, Code::no_module);
  EXPECT_NE(parsed.error().detail.find("schema 1"), std::string::npos);
}

TEST(ParseManifest, RefusesWhatIsMalformed) {
  for (const std::string& text :
       {std::string(""), std::string("[]"), std::string("{"), std::string("{}"), std::string(R"({"layers":{}})"),
        std::string(R"({"layers":[1]})"), std::string(R"({"layers":[{"size":1}]})"),
        R"({"layers":[{"digest":")" + kOne + R"("}]})", R"({"layers":[{"digest":")" + kOne + R"(","size":-1}]})",
        R"({"layers":[{"digest":")" + kOne + R"(","size":1.5}]})",
        std::string(R"({"layers":[{"digest":"sha512:00","size":1}]})"),
        std::string(R"({"manifests":[{"digest":7}]})")}) {
    EXPECT_EQ(code_of(text, ""), Code::no_module) << text;
  }
}

TEST(ParseManifest, WrongTypesOfOptionalMembersAreIgnored) {
  EXPECT_TRUE(parse_manifest(
      R"({"mediaType":7,"layers":[{"digest":")" + kOne + R"(","size":1,"mediaType":[],"annotations":"x"}]})", ""));
  EXPECT_TRUE(parse_manifest(R"({"manifests":[{"digest":")" + kOne + R"(","platform":3}]})", ""));
}

TEST(ParseManifest, BytesDepthValuesAndDescriptorsHaveLimits) {
  EXPECT_EQ(code_of(R"({"layers":[],"x":")" + std::string(kManifestBytesMax, 'x') + "\"}"), Code::too_large);
  EXPECT_EQ(code_of(R"({"layers":[],"x":)" + std::string(kJsonDepthMax, '[') + std::string(kJsonDepthMax, ']') + "}"),
            Code::no_module);
  std::string values = R"({"layers":[],"x":[0)";
  for (std::size_t i = 0; i < kJsonValuesMax; ++i) values += ",0";
  EXPECT_EQ(code_of(values + "]}"), Code::no_module);
  const std::string layer = R"({"digest":")" + kOne + R"(","size":1})";
  std::string layers = R"({"layers":[)" + layer;
  for (std::size_t i = 0; i < kDescriptorsMax; ++i) layers += "," + layer;
  EXPECT_EQ(code_of(layers + "]}"), Code::too_large);
}

TEST(ParseManifest, TitlesAreMadePrintableAndShort) {
  const auto parsed = parse_manifest(R"({"layers":[{"digest":")" + kOne +
                                         R"(","size":1,"annotations":{"org.opencontainers.image.title":"a\u001b\n)" +
                                         std::string(2000, 'x') + R"("}}]})",
                                     "");
  ASSERT_TRUE(parsed);
  const auto& title = std::get<Manifest>(*parsed).layers[0].title;
  EXPECT_TRUE(title.starts_with("a??x"));
  EXPECT_EQ(title.size(), kTitleBytesMax);
}

}  // namespace
}  // namespace propeller::registry
