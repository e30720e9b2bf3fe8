// Bridge and forward proxy in one process: one store, one download, whoever asks first.
#include <fmt/format.h>

#include <future>

#include "integration/site.hpp"
#include "support/fake_registry.hpp"

namespace propeller::integration {
namespace {

using support::FakeRegistry;
using support::FaultKind;
using support::HttpResponse;

class SharedStore : public Site {
 protected:
  /// Both planes, with a mirror of this registry.
  [[nodiscard]] Environment both(const std::string& registry_url, const Environment& more = {},
                                 const std::string& cache_keys = "") {
    const auto file = spool / "propeller-proxy.yaml";
    support::write_file(
        file, fmt::format("proxy:\n  port: {}\n  api_port: {}\n  allow_targets: [127.0.0.0/8]\n"
                          "tls: {{cert_dir: {}}}\n"
                          "cache: {{enabled: true, min_free: 0, dir: {}{}}}\n"
                          "mirror: {{enabled: true, default: a.test, upstreams: [{{name: a.test, url: '{}'}}]}}\n",
                          port, support::free_port(), (spool / "certs").string(), (spool / "store").string(),
                          cache_keys, registry_url));
    Environment all{{"CONFIG_FILE", file.string()}, {"PROXY_REGISTRY_URL", registry_url}};
    for (const auto& [name, value] : more) all[name] = value;
    return all;
  }
  /// What a client of the mirror gets.
  [[nodiscard]] HttpResponse pull(const std::string& what, const std::string& repository = "acme/m") const {
    try {
      return support::http_request({.url = fmt::format("http://127.0.0.1:{}/v2/{}/{}", port, repository, what),
                                    .headers = {"Accept: application/vnd.oci.image.manifest.v1+json"}});
    } catch (const std::runtime_error&) {
      return {};
    }
  }
  [[nodiscard]] HttpResponse pull_blob(std::string_view bytes) const {
    return pull("blobs/" + support::sha256_digest(std::string(bytes)));
  }
  [[nodiscard]] std::future<HttpResponse> pull_meanwhile(const std::string& bytes) const {
    return std::async(std::launch::async, [this, bytes] { return pull_blob(bytes); });
  }
  std::string delivered(const std::string& name) {
    support::RustProplet device(device_options(), topics);
    device.request(name);
    return device.wait_module(name, kPatience).value_or("");
  }
  [[nodiscard]] static std::string blob_path(const std::string& bytes) {
    return "/blobs/" + support::sha256_digest(bytes);
  }

  /// `large` as acme/m, from a registry with this fault.
  void serve_with(support::Fault fault) {
    fake.push_module("acme/m", "latest", large);
    fake.inject("/blobs/", std::move(fault));
  }
  /// In a second or so: who asks meanwhile rides along.
  void serve_slowly() { serve_with({.kind = FaultKind::trickle, .bytes = 32 * 1024, .pause = milliseconds(10)}); }

  const std::uint16_t port = support::free_port();
  const std::string module = wasm_module(700'000);
  const std::string large = wasm_module(3'000'000);
  FakeRegistry fake;
};

TEST_F(SharedStore, WhatADeviceFetchedAMirrorsClientGetsWhileTheRegistryIsDown) {
  const std::string digest = push_raw(pusher, "acme/m", "latest", module);
  start_bridge(both(registry.url()));
  ASSERT_TRUE(delivered(named("acme/m")) == module);
  // Published a moment after the last byte was delivered.
  ASSERT_TRUE(wait_until([&] { return bridge->metric("propeller_store_blobs") >= 2; }));
  registry.stop();
  const auto blob = pull_blob(module);
  EXPECT_EQ(blob.status, 200);
  EXPECT_TRUE(blob.body == module);
  const auto manifest = pull("manifests/" + digest);
  EXPECT_EQ(manifest.status, 200);
  EXPECT_EQ(manifest.headers.at("content-type"), "application/vnd.oci.image.manifest.v1+json");
  EXPECT_EQ(manifest.headers.at("docker-content-digest"), digest);
  EXPECT_EQ(support::sha256_digest(manifest.body), digest);
}

TEST_F(SharedStore, WhatAMirrorsClientFetchedADeviceGetsWhileTheRegistryIsDown) {
  const std::string digest = push_raw(pusher, "acme/m", "latest", module);
  start_bridge(both(registry.url()));
  ASSERT_EQ(pull("manifests/" + digest).status, 200);
  ASSERT_EQ(pull_blob(module).status, 200);
  ASSERT_TRUE(wait_until([&] { return bridge->metric("propeller_store_blobs") >= 2; }));
  registry.stop();
  EXPECT_TRUE(delivered(named("acme/m@" + digest)) == module);
  EXPECT_EQ(bridge->metric("propeller_bridge_store_hits_total"), 1);
}

TEST_F(SharedStore, ATagThatAMirrorsClientPulledADeviceGetsWhileTheRegistryIsDown) {
  push_raw(pusher, "acme/m", "latest", module);
  start_bridge(both(registry.url()));
  ASSERT_EQ(pull("manifests/latest").status, 200);
  ASSERT_EQ(pull_blob(module).status, 200);
  ASSERT_TRUE(wait_until([&] { return bridge->metric("propeller_store_blobs") >= 2; }));
  registry.stop();
  EXPECT_TRUE(delivered(named("acme/m")) == module);
}

TEST_F(SharedStore, ATagThatTheRegistryTookAwayIsForgottenAlsoWhereAClientPulledIt) {
  fake.push_module("acme/m", "latest", module);
  start_bridge(both(fake.url()));
  ASSERT_EQ(pull("manifests/latest").status, 200);
  ASSERT_EQ(pull_blob(module).status, 200);
  ASSERT_TRUE(wait_until([&] { return bridge->metric("propeller_store_blobs") >= 2; }));
  const auto code_with = [&](int status) {
    fake.clear_faults();
    fake.inject("/manifests/latest", {.kind = FaultKind::status, .status = status});
    ChannelWatch watch(device_options(), topics);
    watch.request(std::string("acme/m"));
    return failure_code(watch, "acme/m");
  };
  EXPECT_EQ(code_with(404), "not_found");
  EXPECT_EQ(code_with(503), "registry_unavailable") << "it was there, and is not any more";
}

TEST_F(SharedStore, AClientThatAsksWhileADeviceFetchesSharesItsDownload) {
  serve_slowly();
  start_bridge(both(fake.url()));
  support::RustProplet device(device_options(), topics);
  device.request(fake.host() + "/acme/m");
  ASSERT_TRUE(wait_until([&] { return fake.requests_with(blob_path(large)) == 1; }));
  const auto blob = pull_blob(large);
  EXPECT_EQ(blob.status, 200);
  EXPECT_TRUE(blob.body == large);
  EXPECT_TRUE(device.wait_module(fake.host() + "/acme/m", kPatience) == large);
  EXPECT_EQ(fake.requests_with(blob_path(large)), 1);
}

TEST_F(SharedStore, ADeviceThatAsksWhileAClientFetchesSharesItsDownload) {
  serve_slowly();
  start_bridge(both(fake.url()));
  auto pulled = pull_meanwhile(large);
  ASSERT_TRUE(wait_until([&] { return fake.requests_with(blob_path(large)) == 1; }));
  EXPECT_TRUE(delivered(fake.host() + "/acme/m") == large);
  EXPECT_TRUE(pulled.get().body == large);
  EXPECT_EQ(fake.requests_with(blob_path(large)), 1);
  EXPECT_EQ(bridge->metric("propeller_bridge_downloads_total"), 0) << "it was the client's";
  EXPECT_EQ(bridge->metric("propeller_bridge_downloaded_bytes_total"), 0);
}

TEST_F(SharedStore, AHundredDevicesAndAPullOfSkopeoThatWantOneDigestAtOnceCostOneDownload) {
  fake.push_blob("acme/m", "{}");
  fake.push_module("acme/m", "latest", module);
  fake.inject(blob_path(module), {.kind = FaultKind::trickle, .bytes = 8 * 1024, .pause = milliseconds(10)});
  start_bridge(both(fake.url()));
  std::vector<std::unique_ptr<support::RustProplet>> devices;
  for (int i = 0; i < 100; ++i) devices.push_back(std::make_unique<support::RustProplet>(device_options(), topics));
  const auto copy = spool / "copy";
  support::Subprocess skopeo(
      {.arguments = {"skopeo", "--insecure-policy", "copy", "--src-tls-verify=false",
                     fmt::format("docker://127.0.0.1:{}/acme/m:latest", port), "dir:" + copy.string()},
       .environment = {{"HOME", spool.path().string()}}});
  for (const auto& device : devices) device->request(fake.host() + "/acme/m");
  for (const auto& device : devices) EXPECT_TRUE(device->wait_module(fake.host() + "/acme/m", kPatience) == module);
  EXPECT_EQ(skopeo.wait_exit(), 0) << skopeo.output();
  EXPECT_TRUE(support::read_file(copy / support::sha256_digest(module).substr(7)) == module);
  EXPECT_EQ(fake.requests_with(blob_path(module)), 1);
}

TEST_F(SharedStore, ADownloadThatBreaksUnderAClientReachesTheDevice) {
  serve_with({.kind = FaultKind::hang_after, .bytes = 400'000, .times = 1});
  start_bridge(both(fake.url(), {{"PROXY_REGISTRY_STALL_TIMEOUT", "2s"}}));
  auto pulled = pull_meanwhile(large);
  ASSERT_TRUE(wait_until([&] { return fake.requests_with(blob_path(large)) == 1; }));
  support::RustProplet device(device_options(), topics);
  device.request(fake.host() + "/acme/m");
  EXPECT_TRUE(device.wait_module(fake.host() + "/acme/m") == large);
  (void)pulled.get();
}

TEST_F(SharedStore, AClientDoesNotWaitForASlowBroker) {
  const std::string larger = wasm_module(6'000'000);
  push_raw(pusher, "acme/m", "latest", larger);
  start_slow_bridge(both(registry.url(), {{"PROXY_CHUNK_SIZE", "20000"}}), milliseconds(20));
  ChannelWatch watch(device_options(), topics);
  watch.request(named("acme/m"));
  ASSERT_TRUE(wait_until([&] { return bridge->metric("propeller_bridge_downloads_paused_total") >= 1; }));
  const auto blob = pull_blob(larger);
  EXPECT_EQ(blob.status, 200);
  EXPECT_TRUE(blob.body == larger);
  EXPECT_FALSE(watch.wait_status(named("acme/m"), "done", milliseconds(0))) << "the device has not got it yet";
  EXPECT_EQ(registry.requests("GET", blob_path(larger)), 1U);
}

TEST_F(SharedStore, WhatTheBridgesLoginBroughtIsNotForClients) {
  support::DockerRegistry closed({.users = {{"ann", "secret"}}});
  Pusher ann({.url = closed.url(), .username = "ann", .password = "secret"});
  const std::string digest = push_raw(ann, "acme/m", "latest", module);
  start_bridge(both(
      closed.url(),
      {{"PROXY_AUTHENTICATE", "true"}, {"PROXY_REGISTRY_USERNAME", "ann"}, {"PROXY_REGISTRY_PASSWORD", "secret"}}));
  ASSERT_TRUE(delivered("acme/m") == module);
  EXPECT_EQ(pull_blob(module).status, 401);
  EXPECT_EQ(pull("manifests/" + digest).status, 401);
  closed.stop();
  EXPECT_EQ(pull_blob(module).status, 502);
  EXPECT_EQ(pull("manifests/" + digest).status, 502);
}

TEST_F(SharedStore, WhatAClientsLoginBroughtIsNotForDevices) {
  support::DockerRegistry closed({.users = {{"ann", "secret"}}});
  Pusher ann({.url = closed.url(), .username = "ann", .password = "secret"});
  const std::string digest = push_raw(ann, "acme/m", "latest", module);
  start_bridge(both(closed.url()));
  const auto pulled =
      support::http_request({.url = fmt::format("http://127.0.0.1:{}/v2/acme/m/manifests/{}", port, digest),
                             .headers = {"Accept: application/vnd.oci.image.manifest.v1+json"},
                             .username = "ann",
                             .password = "secret"});
  ASSERT_EQ(pulled.status, 200);
  ChannelWatch watch(device_options(), topics);
  watch.request("acme/m@" + digest);
  EXPECT_EQ(failure_code(watch, "acme/m@" + digest), "unauthorized");
}

TEST_F(SharedStore, TheVariablesOfTheStoreAreNotForBothPlanes) {
  start_bridge(both(registry.url(), {{"PROXY_CACHE_DIR", (spool / "elsewhere").string()}}));
  EXPECT_TRUE(bridge->process().wait_line("PROXY_CACHE_DIR is not used"));
  EXPECT_FALSE(std::filesystem::exists(spool / "elsewhere"));
  EXPECT_TRUE(std::filesystem::exists(spool / "store"));
}

// Another site's proxy is as good as ours: neither the mirror's clients nor the devices ask the registry then.
TEST_F(SharedStore, ADeviceGetsFromTheSecondTierWhatAnotherSiteFetched) {
  FakeRegistry bucket({.is_bucket = true});
  const auto tier =
      fmt::format(", second_tier: {{endpoint: '{}', bucket: site, access_key: key, secret_key: secret}}", bucket.url());
  const auto is_up = [&] { return bridge->metric("propeller_tier_up") == 1; };
  const auto blob_requests = [&] { return registry.requests("GET", "/blobs/sha256:"); };
  push_raw(pusher, "acme/m", "latest", module);
  start_bridge(both(registry.url(), {}, tier));
  ASSERT_TRUE(wait_until(is_up));
  ASSERT_TRUE(delivered(named("acme/m")) == module);
  ASSERT_TRUE(wait_until([&] { return bridge->metric("propeller_tier_uploads_total") == 1; }));
  EXPECT_EQ(blob_requests(), 1U);
  bridge.reset();
  std::filesystem::remove_all(spool.path());
  std::filesystem::create_directories(spool.path());
  start_bridge(both(registry.url(), {}, tier));
  ASSERT_TRUE(wait_until(is_up));
  ASSERT_TRUE(delivered(named("acme/m")) == module);
  EXPECT_EQ(blob_requests(), 1U);
  EXPECT_EQ(bridge->metric("propeller_tier_hits_total"), 1);
  EXPECT_EQ(bridge->metric("propeller_bridge_downloads_total"), 0);
}

}  // namespace
}  // namespace propeller::integration
