// Images that are fetched before anybody asks: through the API, and with `cache pull`.
#include <gmock/gmock.h>

#include "base/digest.hpp"
#include "cache_site.hpp"

namespace propeller::cmd {
namespace {

using nlohmann::json;
using testing::HasSubstr;

constexpr const char* kManifestType = "application/vnd.oci.image.manifest.v1+json";
constexpr const char* kIndexType = "application/vnd.oci.image.index.v1+json";

class CachePull : public CacheSite {
 protected:
  void start_with_mirror() {
    write_config(usual("cache: {enabled: true, min_free: 0, dir: " + directory_.string() +
                       "}\nmirror: {enabled: true, upstreams: [{name: \"" + plain_.host() + "\", url: \"" +
                       plain_.url() + "\"}]}\n"));
    start();
  }
  [[nodiscard]] static json descriptor(const std::string& type, const std::string& digest, std::size_t size) {
    return {{"mediaType", type}, {"digest", digest}, {"size", size}};
  }
  /// An image with one layer: its manifest's descriptor.
  json push_image(const std::string& architecture) {
    const std::string configuration = R"({"os":"linux","architecture":")" + architecture + R"("})";
    const auto layer = layer_of(architecture);
    const json manifest = {
        {"schemaVersion", 2},
        {"mediaType", kManifestType},
        {"config",
         descriptor("application/vnd.oci.image.config.v1+json", push(configuration, "acme/app"), configuration.size())},
        {"layers", {descriptor("application/vnd.oci.image.layer.v1.tar+gzip", push(layer, "acme/app"), layer.size())}}};
    const auto text = manifest.dump();
    auto value =
        descriptor(kManifestType, plain_.push_manifest("acme/app", architecture, text, kManifestType), text.size());
    value["platform"] = {{"os", "linux"}, {"architecture", architecture}};
    return value;
  }
  [[nodiscard]] static std::string layer_of(const std::string& architecture) {
    return std::string(10'000'000, 'x') + architecture;
  }
  [[nodiscard]] std::string layer_url(const std::string& architecture) const {
    return url_of(base::sha256(layer_of(architecture)).to_string(), "acme/app");
  }
  /// An index for two platforms; its digest.
  std::string push_index() {
    const json index = {
        {"schemaVersion", 2}, {"mediaType", kIndexType}, {"manifests", {push_image("amd64"), push_image("arm64")}}};
    return plain_.push_manifest("acme/app", "1", index.dump(), kIndexType);
  }
  [[nodiscard]] std::string image(const std::string& tag = "1") const { return plain_.host() + "/acme/app:" + tag; }
};

TEST_F(CachePull, AnImageForOnePlatformIsThereAfterwards) {
  const auto digest = push_index();
  start_with_mirror();
  const auto got = api("/api/cache/pull", {"-d", json{{"reference", image()}, {"platform", "linux/arm64"}}.dump()});
  EXPECT_TRUE(got.has("Content-Type: text/event-stream")) << got.output;
  EXPECT_TRUE(got.has("event: progress\n"));
  const auto done = got.output.find("event: done\ndata: ");
  ASSERT_NE(done, std::string::npos) << got.output;
  const auto last = json::parse(got.output.substr(done + 18));
  EXPECT_EQ(last["digest"], digest);
  EXPECT_EQ(last["blobs"], 2);
  EXPECT_EQ(last["bytes"], last["bytes_total"]);
  EXPECT_TRUE(support::wait_until([&] { return is_kept(layer_url("arm64")); }));
  EXPECT_FALSE(is_kept(layer_url("amd64"))) << "nobody asked for that one";
  EXPECT_TRUE(support::wait_until([&] { return is_kept(plain_.url() + "/v2/acme/app/manifests/" + digest); }));
}

TEST_F(CachePull, TheCommandPullsAndSaysWhatWasThere) {
  const auto digest = push_index();
  start_with_mirror();
  const auto first = cache({"pull", image(), "--platform", "linux/amd64"});
  EXPECT_EQ(first.exit_code, 0) << first.err;
  EXPECT_THAT(first.out, HasSubstr(digest + "\n2 blobs, 9.5 MiB, 0 of them there already\n"));
  EXPECT_TRUE(support::wait_until([&] { return is_kept(layer_url("amd64")); }));
  EXPECT_THAT(cache({"pull", image(), "--platform", "linux/amd64"}).out, HasSubstr("2 of them there already\n"));
  EXPECT_EQ(plain_.requests_with(layer_url("amd64").substr(plain_.url().size())), 1);
}

TEST_F(CachePull, WhatCannotBePulledIsSaid) {
  push_index();
  start_with_mirror();
  const auto platform = cache({"pull", image(), "--platform", "linux/riscv64"});
  EXPECT_EQ(platform.exit_code, 1);
  EXPECT_THAT(platform.err, HasSubstr("not there for linux/riscv64, but for: linux/amd64, linux/arm64"));
  EXPECT_THAT(cache({"pull", image("2")}).err, HasSubstr("was answered 404"));
  EXPECT_THAT(cache({"pull", "ghcr.io/owner/image"}).err, HasSubstr("was answered 404")) << "no upstream of that name";
  EXPECT_THAT(cache({"pull", "a b"}).err, HasSubstr("propeller-proxy cache: "));
  EXPECT_EQ(cache({"pull"}).exit_code, 2);
  for (const auto* body : {"", "{}", "{\"reference\":1}", "{\"reference\":\"a\",\"x\":\"y\"}",
                           "{\"reference\":\"a\",\"platform\":\"arm64\"}", "{\"reference\":{\"a\":{}}}"})
    EXPECT_TRUE(api("/api/cache/pull", {"-d", body}).has("400 Bad Request")) << body;
}

TEST_F(CachePull, WithoutAMirrorItSaysWhichKeyIsMissing) {
  start_with_cache();
  EXPECT_THAT(cache({"pull", image()}).err, HasSubstr("set mirror.enabled"));
}

// All its rules hold: the allow-list among them.
TEST_F(CachePull, TheAllowListHoldsForItToo) {
  push_index();
  write_config(usual("cache: {enabled: true, min_free: 0, dir: " + directory_.string() +
                     "}\nallowlist: {enabled: true}\nmirror: {enabled: true, upstreams: [{name: \"" + plain_.host() +
                     "\", url: \"" + plain_.url() + "\"}]}\n"));
  start();
  EXPECT_THAT(cache({"pull", image()}).err, HasSubstr("was answered 403"));
  EXPECT_EQ(plain_.requests().size(), 0U);
}

}  // namespace
}  // namespace propeller::cmd
