// A second tier behind real programs: an S3 server that checks signatures, registries, two proxies with a store each.
#include <fmt/format.h>
#include <gmock/gmock.h>

#include <chrono>
#include <csignal>
#include <fstream>

#include "base/digest.hpp"
#include "cache_site.hpp"
#include "support/docker_registry.hpp"
#include "support/images.hpp"
#include "support/s3_server.hpp"

namespace propeller::cmd {
namespace {

using support::FakeAuth;
using support::FakeRegistry;
using support::S3Server;
using support::wait_until;
using testing::HasSubstr;

/// One proxy of several.
class TierProxy : public CacheSite {
 public:
  void TestBody() override {}
  using CacheSite::api, CacheSite::curl, CacheSite::log, CacheSite::process_, CacheSite::stop, CacheSite::tls_;

  void start_behind(const std::string& tier, const std::string& more = "") {
    write_config(usual(fmt::format("{}cache: {{enabled: true, min_free: 0, dir: {}, second_tier: {{{}}}}}\n", more,
                                   directory_.string(), tier)));
    start();
  }
  /// And the tier is there.
  void start_with(const S3Server& s3, const std::string& more = "") {
    start_behind(keys_of(s3), more);
    ASSERT_TRUE(wait_until([this] { return metric("propeller_tier_up") == 1; })) << log();
  }
  [[nodiscard]] static std::string keys_of(const S3Server& s3, std::string_view secret = S3Server::kSecretKey) {
    return fmt::format("endpoint: '{}', bucket: {}, prefix: edge, access_key: {}, secret_key: {}", s3.url(),
                       S3Server::kBucket, S3Server::kAccessKey, secret);
  }
  /// The first of its series; -1: it is not there.
  [[nodiscard]] long metric(const std::string& name) const {
    const auto text = metrics();
    const auto found = text.find("\n" + name + " ");
    return found == std::string::npos ? -1 : std::stol(text.substr(found + name.size() + 2));
  }
  [[nodiscard]] bool has_uploaded(long count) const {
    return wait_until([&] { return metric("propeller_tier_uploads_total") == count; });
  }
  [[nodiscard]] std::string mirror() const { return "127.0.0.1:" + std::to_string(port_); }
};

class ForwardTier : public testing::Test {
 protected:
  /// The body of what a client gets.
  [[nodiscard]] static std::string body_of(const Fetched& got) {
    const auto end = got.output.find("\r\n\r\n");
    return end == std::string::npos ? "" : got.output.substr(end + 4);
  }
  [[nodiscard]] std::string url_of(const std::string& digest) const {
    return hub_.url() + "/v2/acme/m/blobs/" + digest;
  }

  const std::string bytes_ = std::string(400'000, 't');
  FakeRegistry hub_;
  S3Server s3_{PROPELLER_SOURCE_DIR, PROPELLER_BINARY_DIR};
  TierProxy first_, second_;
};

TEST_F(ForwardTier, WhatOneProxyHasFetchedTheOthersNeedNot) {
  const auto url = url_of(hub_.push_blob("acme/m", bytes_));
  const auto manifest = hub_.url() + "/v2/acme/m/manifests/" + hub_.push_manifest("acme/m", "v1", R"({"layers":[]})");
  first_.start_with(s3_);
  EXPECT_EQ(body_of(first_.curl({url})), bytes_);
  EXPECT_TRUE(first_.curl({manifest}).has("200 OK"));
  ASSERT_TRUE(first_.has_uploaded(2)) << first_.log();
  const auto objects = s3_.objects("edge/sha256/" + base::sha256(bytes_).hex().substr(0, 2));
  ASSERT_EQ(objects.size(), 1U);
  EXPECT_EQ(support::read_file(objects[0]), bytes_);

  const auto asked = hub_.requests().size();
  second_.start_with(s3_);
  EXPECT_EQ(body_of(second_.curl({url})), bytes_);
  const auto got = second_.curl({manifest});
  EXPECT_THAT(got.output, HasSubstr("Content-Type: application/vnd.oci.image.manifest.v1+json\r\n"));
  EXPECT_THAT(got.output, HasSubstr("X-Cache: HIT"));
  EXPECT_THAT(got.output, HasSubstr("Docker-Content-Digest: " + manifest.substr(manifest.find("sha256:"))));
  EXPECT_EQ(hub_.requests().size(), asked) << "the registry saw nothing of it";
  EXPECT_EQ(second_.metric("propeller_tier_hits_total"), 2);
  EXPECT_EQ(second_.metric("propeller_forward_cache_hits"), 2);
  EXPECT_EQ(second_.metric("propeller_forward_cache_misses"), 0);
  EXPECT_GE(second_.metric("propeller_tier_read_bytes_total"), 400'000);
  EXPECT_THAT(second_.api("/api/status").output, HasSubstr(R"("second_tier":{"error":"","is_up":true})"));
  EXPECT_EQ(second_.metric("propeller_tier_uploads_total"), 0) << "it was there";
}

TEST_F(ForwardTier, AnImageIsPulledFromItWithTheRegistryStopped) {
  support::DockerRegistry registry;
  support::Pusher pusher({.url = registry.url(), .ca = {}});
  const std::string layer(2'000'000, 'l');
  const auto digest = support::push_image(pusher, "acme/add", "v1", support::wasm_to_oci_image(layer));
  const auto mirror =
      fmt::format("mirror: {{enabled: true, upstreams: [{{name: docker.io, url: '{}'}}]}}\n", registry.url());
  const auto pull = [&](const TierProxy& proxy) {
    const support::TempDir copy;
    support::run_command({"skopeo", "--insecure-policy", "copy", "--src-tls-verify=false",
                          "docker://" + proxy.mirror() + "/acme/add@" + digest, "dir:" + (copy / "image").string()});
    EXPECT_EQ(support::read_file(copy / "image" / base::sha256(layer).hex()), layer) << proxy.log();
  };
  first_.start_with(s3_, mirror);
  pull(first_);
  ASSERT_TRUE(first_.has_uploaded(3)) << "manifest, config, layer; " << first_.log();
  registry.stop();
  second_.start_with(s3_, mirror);
  pull(second_);
}

TEST_F(ForwardTier, WhatNeedsALoginIsNotShared) {
  FakeRegistry closed({.auth = FakeAuth::basic, .username = "ann", .password = "hush"});
  const auto url = closed.url() + "/v2/acme/m/blobs/" + closed.push_blob("acme/m", bytes_);
  first_.start_with(s3_);
  EXPECT_EQ(body_of(first_.curl({"-u", "ann:hush", url})), bytes_);
  // Whatever is offered is sent in this order.
  (void)first_.curl({url_of(hub_.push_blob("acme/m", "for everybody"))});
  ASSERT_TRUE(first_.has_uploaded(1));
  EXPECT_EQ(s3_.objects("sha256/").size(), 1U);
  second_.start_with(s3_);
  EXPECT_TRUE(second_.curl({url}).has("401"));
}

TEST_F(ForwardTier, WhatOurOwnLoginBroughtIsNotSharedEither) {
  FakeRegistry closed({.auth = FakeAuth::basic, .username = "ann", .password = "hush"});
  const auto digest = closed.push_blob("acme/m", bytes_);
  first_.start_with(s3_, fmt::format("mirror: {{enabled: true, upstreams: [{{name: docker.io, url: '{}', credentials: "
                                     "{{username: ann, password: hush}}}}]}}\n",
                                     closed.url()));
  const auto got = first_.curl({"-x", "", "http://" + first_.mirror() + "/v2/acme/m/blobs/" + digest});
  EXPECT_EQ(body_of(got), bytes_);
  (void)first_.curl({url_of(hub_.push_blob("acme/m", "for everybody"))});
  ASSERT_TRUE(first_.has_uploaded(1));
  EXPECT_EQ(s3_.objects("sha256/").size(), 1U);
  EXPECT_EQ(first_.metric("propeller_tier_misses_total"), 1) << "nor looked for";
}

// That it is public under one name is no right to it under another.
TEST_F(ForwardTier, ADigestIsNoRightToIt) {
  FakeRegistry closed({.auth = FakeAuth::basic, .username = "ann", .password = "hush"});
  const auto digest = hub_.push_blob("acme/m", bytes_);
  (void)closed.push_blob("acme/m", bytes_);
  first_.start_with(s3_);
  (void)first_.curl({url_of(digest)});
  ASSERT_TRUE(first_.has_uploaded(1));
  second_.start_with(s3_);
  EXPECT_TRUE(second_.curl({closed.url() + "/v2/acme/m/blobs/" + digest}).has("401"));
}

TEST_F(ForwardTier, ItsEndIsFeltByNobody) {
  first_.start_with(s3_);
  s3_.stop();
  for (const auto* text : {"one", "two", "three"})
    EXPECT_EQ(body_of(first_.curl({url_of(hub_.push_blob("acme/m", text))})), text);
  EXPECT_EQ(first_.metric("propeller_tier_up"), 0);
  EXPECT_EQ(first_.metric("propeller_tier_skipped_total"), 2) << "the first one's answer is enough";
  EXPECT_THAT(first_.log(), HasSubstr("the second tier is out"));
  EXPECT_THAT(first_.api("/api/status").output, HasSubstr(R"("is_up":false)"));
  s3_.start();
  EXPECT_TRUE(wait_until([&] { return first_.metric("propeller_tier_up") == 1; }));
  EXPECT_THAT(first_.log(), HasSubstr("the second tier is back"));
  first_.stop();
}

TEST_F(ForwardTier, WhileItHangsTheRegistryAnswers) {
  FakeRegistry bucket({.is_bucket = true});
  first_.start_behind(fmt::format("endpoint: '{}', bucket: edge, access_key: any, secret_key: secret", bucket.url()));
  ASSERT_TRUE(wait_until([&] { return first_.metric("propeller_tier_up") == 1; })) << first_.log();
  const auto asked = bucket.requests().size();
  bucket.inject("/", {.kind = support::FaultKind::hang});
  for (const auto* bytes : {"one", "two", "three"}) {
    const auto began = std::chrono::steady_clock::now();
    EXPECT_EQ(body_of(first_.curl({url_of(hub_.push_blob("acme/m", bytes))})), bytes) << first_.log();
    EXPECT_LT(std::chrono::steady_clock::now() - began, std::chrono::seconds(10)) << "its own limit is a second";
  }
  EXPECT_GT(bucket.requests().size(), asked) << "the first pull has asked it";
  EXPECT_TRUE(wait_until([&] { return first_.metric("propeller_tier_up") == 0; })) << first_.log();
  EXPECT_EQ(first_.metric("propeller_tier_skipped_total"), 2) << "which nobody else does";
  first_.stop();
}

TEST_F(ForwardTier, AProgramWithoutItStartsAndStopsAllTheSame) {
  s3_.stop();
  first_.start_behind(TierProxy::keys_of(s3_));
  EXPECT_EQ(body_of(first_.curl({url_of(hub_.push_blob("acme/m", bytes_))})), bytes_);
  first_.stop();
}

TEST_F(ForwardTier, AWrongObjectIsNeitherServedNorLeftThere) {
  const auto url = url_of(hub_.push_blob("acme/m", bytes_));
  first_.start_with(s3_);
  (void)first_.curl({url});
  ASSERT_TRUE(first_.has_uploaded(1));
  for (const auto& object : s3_.objects("/sha256/")) {
    std::fstream file(object, std::ios::in | std::ios::out);
    file.seekp(200'000);
    file.put('X');
  }
  second_.start_with(s3_);
  EXPECT_EQ(body_of(second_.curl({url})), bytes_);
  EXPECT_EQ(second_.metric("propeller_tier_wrong_total"), 1);
  EXPECT_THAT(second_.log(), HasSubstr("the second tier has a wrong object"));
  ASSERT_TRUE(second_.has_uploaded(1));
  EXPECT_EQ(support::read_file(s3_.objects("/sha256/").at(0)), bytes_);
}

TEST_F(ForwardTier, AWrongSecretIsSaidAndPullsGoOn) {
  first_.start_behind(TierProxy::keys_of(s3_, "wrong"));
  ASSERT_TRUE(first_.process_->wait_line("the second tier is out"));
  EXPECT_EQ(body_of(first_.curl({url_of(hub_.push_blob("acme/m", bytes_))})), bytes_);
  EXPECT_EQ(first_.metric("propeller_tier_up"), 0);
  EXPECT_GE(first_.metric("propeller_tier_errors_total{kind=\"read\"}"), 1);
  EXPECT_THAT(first_.api("/api/status").output, HasSubstr("403 SignatureDoesNotMatch"));
  EXPECT_THAT(s3_.objects(""), testing::IsEmpty());
  EXPECT_THAT(first_.log(), testing::Not(HasSubstr("wrong")));
}

TEST_F(ForwardTier, ItsKeysSayWhereItIsAndWhoWeAre) {
  FakeRegistry bucket({.tls = &first_.tls_, .is_bucket = true});
  const support::TempDir files;
  support::write_file(files / "secret", "hush\n");
  first_.start_behind(
      fmt::format("endpoint: '{}', bucket: the-bucket, region: eu-test-1, prefix: a/b, access_key: AK, "
                  "secret_key_file: {}, ca: {}",
                  bucket.url(), (files / "secret").string(), first_.tls_.ca().string()));
  EXPECT_EQ(body_of(first_.curl({url_of(hub_.push_blob("acme/m", bytes_))})), bytes_);
  ASSERT_TRUE(first_.has_uploaded(1)) << first_.log();
  for (const auto& request : bucket.requests()) {
    EXPECT_THAT(request.target, testing::StartsWith("/the-bucket/a/b/"));
    EXPECT_THAT(request.field("authorization"), HasSubstr("Credential=AK/"));
    EXPECT_THAT(request.field("authorization"), HasSubstr("/eu-test-1/s3/aws4_request"));
  }
}

}  // namespace
}  // namespace propeller::cmd
