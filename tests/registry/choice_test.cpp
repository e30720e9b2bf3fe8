#include "registry/choice.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fmt/format.h>

namespace propeller::registry {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

constexpr const char* kTar = "application/vnd.oci.image.layer.v1.tar+gzip";
constexpr const char* kWasm = "application/vnd.wasm.content.layer.v1+wasm";

Digest digest(int n) { return Digest::parse(fmt::format("sha256:{:064x}", n)).value(); }

Layer layer(int n, std::string type, std::string title = {}) {
  return {.digest = digest(n), .size = 1, .media_type = std::move(type), .title = std::move(title)};
}

std::vector<int> places(const Manifest& manifest, const Result<std::vector<Layer>>& chosen) {
  std::vector<int> result;
  if (!chosen) return {-1};
  for (const auto& one : *chosen) {
    for (std::size_t i = 0; i < manifest.layers.size(); ++i) {
      if (manifest.layers[i] == one) result.push_back(static_cast<int>(i));
    }
  }
  return result;
}

std::vector<int> chosen(const Manifest& manifest, std::string_view path = "") {
  return places(manifest, choose_layers(manifest, path));
}

Error error_of(const Manifest& manifest, std::string_view path = "") {
  const auto result = choose_layers(manifest, path);
  return result ? Error{} : result.error();
}

TEST(ChooseLayers, WasmTypesGoFirstThenTitlesThenTheRestFromTheLast) {
  EXPECT_THAT(chosen({{layer(1, kTar), layer(2, kTar), layer(3, kTar, "x.wasm"), layer(4, kWasm)}}),
              ElementsAre(3, 2, 1, 0));
  EXPECT_THAT(chosen({{layer(1, kTar), layer(2, "application/wasm")}}), ElementsAre(1, 0));
  EXPECT_THAT(chosen({{layer(1, kTar), layer(2, kTar)}}), ElementsAre(1, 0));
}

TEST(ChooseLayers, SeveralModulesAreAmbiguousAndListed) {
  const Manifest spin{{layer(1, kWasm, "a.wasm"), layer(2, kWasm, "b.wasm"), layer(3, kWasm)}};
  const auto error = error_of(spin);
  EXPECT_EQ(error.code, Code::ambiguous_module);
  EXPECT_THAT(error.detail, HasSubstr("a.wasm, b.wasm, " + digest(3).to_string()));
  EXPECT_EQ(error_of({{layer(1, kTar, "a.wasm"), layer(2, kTar, "b.wasm")}}).code, Code::ambiguous_module);
}

TEST(ChooseLayers, PathNamesALayerByTitleDigestOrPlace) {
  const Manifest spin{{layer(1, kWasm, "a.wasm"), layer(2, kWasm, "b.wasm"), layer(3, kWasm)}};
  EXPECT_THAT(chosen(spin, "b.wasm"), ElementsAre(1));
  EXPECT_THAT(chosen(spin, digest(3).to_string()), ElementsAre(2));
  EXPECT_THAT(chosen(spin, "0"), ElementsAre(0));
  EXPECT_EQ(error_of(spin, "3").code, Code::no_module);
  EXPECT_EQ(error_of(spin, "c.wasm").code, Code::no_module);
  EXPECT_THAT(error_of(spin, "c.wasm").detail, HasSubstr("a.wasm, b.wasm"));
}

TEST(ChooseLayers, PathThatNamesNoLayerIsAMemberOfAnArchive) {
  EXPECT_THAT(chosen({{layer(1, kTar), layer(2, kTar)}}, "bin/add.wasm"), ElementsAre(1, 0));
  EXPECT_THAT(chosen({{layer(1, kWasm, "a.wasm"), layer(2, kTar)}}, "bin/add.wasm"), ElementsAre(1));
}

TEST(ChooseLayers, EncryptedImagesAreRefusedUnlessAnOpenModuleIsThere) {
  EXPECT_EQ(error_of({{layer(1, "application/vnd.oci.image.layer.v1.tar+gzip+encrypted")}}).code, Code::encrypted);
  EXPECT_EQ(error_of({{layer(1, kTar), layer(2, "application/wasm+encrypted")}}).code, Code::encrypted);
  EXPECT_EQ(error_of({{layer(1, "application/wasm+encrypted", "a.wasm")}}, "a.wasm").code, Code::encrypted);
  EXPECT_THAT(chosen({{layer(1, "application/x+encrypted"), layer(2, kWasm)}}), ElementsAre(1));
}

TEST(ChooseLayers, AnImageWithoutContentHasNoModule) {
  EXPECT_EQ(error_of({}).code, Code::no_module);
  EXPECT_EQ(error_of({{layer(1, "application/vnd.oci.empty.v1+json")}}).code, Code::no_module);
  EXPECT_EQ(error_of({{layer(1, "application/vnd.in-toto+json")}}).code, Code::no_module);
}

IndexChild child(int n, std::string os, std::string architecture, bool is_attestation = false) {
  return {.digest = digest(n),
          .os = std::move(os),
          .architecture = std::move(architecture),
          .is_attestation = is_attestation};
}

TEST(ChooseChild, WasiGoesFirstThenTheOnlyOneThenAmd64) {
  EXPECT_EQ(choose_child({{child(1, "linux", "amd64"), child(2, "wasip2", "wasm"), child(3, "wasip1", "wasm")}}, ""),
            digest(3));
  EXPECT_EQ(choose_child({{child(1, "linux", "amd64"), child(2, "wasi", "wasm")}}, ""), digest(2));
  EXPECT_EQ(choose_child({{child(1, "linux", "arm64"), child(2, "unknown", "unknown", true)}}, ""), digest(1));
  EXPECT_EQ(choose_child({{child(1, "linux", "arm64"), child(2, "linux", "amd64")}}, ""), digest(2));
  EXPECT_EQ(choose_child({{child(1, "", "")}}, ""), digest(1));
}

TEST(ChooseChild, PathMayNameOneByDigest) {
  EXPECT_EQ(choose_child({{child(1, "linux", "arm64"), child(2, "linux", "arm")}}, digest(2).to_string()), digest(2));
}

TEST(ChooseChild, OtherwiseItListsTheCandidates) {
  const auto result = choose_child({{child(1, "linux", "arm64"), child(2, "windows", "amd64"), child(3, "", "")}}, "");
  ASSERT_FALSE(result);
  EXPECT_EQ(result.error().code, Code::ambiguous_module);
  EXPECT_THAT(result.error().detail, HasSubstr("linux/arm64"));
  EXPECT_THAT(result.error().detail, HasSubstr("windows/amd64"));
  EXPECT_THAT(result.error().detail, HasSubstr("no platform"));
  EXPECT_EQ(choose_child({{child(1, "unknown", "unknown", true)}}, "").error().code, Code::no_module);
  EXPECT_EQ(choose_child({}, "").error().code, Code::no_module);
}

}  // namespace
}  // namespace propeller::registry
