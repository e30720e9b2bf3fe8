// A bridge that is configured by its environment alone remembers what registries said and sent, for when they are down.
#include <signal.h>

#include <filesystem>

#include "integration/site.hpp"
#include "support/fake_registry.hpp"

namespace propeller::integration {
namespace {

namespace fs = std::filesystem;
using support::FakeRegistry;
using support::FaultKind;

class Remembering : public Site {
 protected:
  /// By a device of its own; empty when it does not come.
  std::string delivered(const std::string& name) {
    support::RustProplet device(device_options(), topics);
    device.request(name);
    return device.wait_module(name, kPatience).value_or("");
  }
  std::string code_of(const std::string& name) {
    ChannelWatch watch(device_options(), topics);
    watch.request(name);
    return failure_code(watch, name);
  }
  [[nodiscard]] fs::path store() const { return spool / "spool" / "cache"; }
  [[nodiscard]] static std::uintmax_t bytes_in(const fs::path& directory) {
    std::uintmax_t bytes = 0;
    for (const auto& entry : fs::recursive_directory_iterator(directory))
      if (entry.is_regular_file()) bytes += entry.file_size();
    return bytes;
  }
  /// What was delivered a moment ago is still being written: SIGTERM waits for that, SIGKILL does not.
  void stop_bridge() {
    bridge->process().signal(SIGTERM);
    ASSERT_EQ(bridge->process().wait_exit(), 0);
    bridge.reset();
  }
  void forget_spool() {
    stop_bridge();
    fs::remove_all(spool / "spool" / "blobs");
  }

  const std::string module = wasm_module(700'000);
};

TEST_F(Remembering, WhatWasFetchedOnceIsDeliveredAfterARestartWhileTheRegistryIsDown) {
  const std::string name = push("m", module);
  start_bridge();
  ASSERT_TRUE(delivered(name) == module);
  stop_bridge();
  registry.stop();
  start_bridge();
  EXPECT_TRUE(delivered(name) == module);
  EXPECT_EQ(bridge->metric("propeller_bridge_remembered_manifests_total"), 1);
  EXPECT_EQ(bridge->metric("propeller_bridge_spool_hits_total"), 1);
}

TEST_F(Remembering, WhatTheSpoolHasLostComesFromTheStore) {
  const std::string name = push("m", module);
  start_bridge();
  ASSERT_TRUE(delivered(name) == module);
  forget_spool();
  registry.stop();
  start_bridge();
  EXPECT_TRUE(delivered(name) == module);
  EXPECT_EQ(bridge->metric("propeller_bridge_store_hits_total"), 1);
}

TEST_F(Remembering, AnArchiveOfAnIndexIsRememberedWithAllThatBelongsToIt) {
  const auto image = support::docker_image({{"a.wasm", module}, {"b.wasm", wasm_module(1000)}}, support::Packing::gzip,
                                           false, "b.wasm");
  support::push_index(pusher, "acme/index", "latest", {{.image = image, .platform = {"wasip1", "wasm"}}});
  const auto name = named("acme/index");
  start_bridge();
  ASSERT_EQ(delivered(name), wasm_module(1000));
  forget_spool();
  registry.stop();
  start_bridge();
  EXPECT_EQ(delivered(name), wasm_module(1000)) << "index, manifest, configuration and layer";
}

TEST_F(Remembering, ADigestThatIsKeptIsNotAskedForAgain) {
  const std::string digest = push_raw(pusher, "acme/m", "latest", module);
  start_bridge();
  ASSERT_TRUE(delivered(named("acme/m")) == module);
  const auto asked = registry.requests("GET", "/v2/acme/m/");
  EXPECT_TRUE(delivered(named("acme/m@" + digest)) == module);
  EXPECT_EQ(registry.requests("GET", "/v2/acme/m/"), asked);
}

TEST_F(Remembering, AnErrorOfTheRegistryIsNoNewVersionAndATagThatMovesIs) {
  FakeRegistry fake;
  const std::string name = fake.host() + "/acme/m";
  fake.push_module("acme/m", "latest", module);
  start_bridge({{"PROXY_REGISTRY_URL", fake.url()}});
  ASSERT_TRUE(delivered(name) == module);
  for (const int status : {429, 500, 503}) {
    fake.inject("/manifests/latest", {.kind = FaultKind::status, .status = status, .value = "7"});
    EXPECT_TRUE(delivered(name) == module) << status;
    fake.clear_faults();
  }
  const std::string next = wasm_module(5000, 2);
  fake.push_module("acme/m", "latest", next);
  EXPECT_TRUE(delivered(name) == next);
}

TEST_F(Remembering, WhatTheRegistryTakesAwayIsForgotten) {
  FakeRegistry fake;
  const std::string name = fake.host() + "/acme/m";
  fake.push_module("acme/m", "latest", module);
  start_bridge({{"PROXY_REGISTRY_URL", fake.url()}});
  ASSERT_TRUE(delivered(name) == module);
  fake.inject("/manifests/latest", {.kind = FaultKind::status, .status = 404, .times = 1});
  EXPECT_EQ(code_of(name), "not_found");
  fake.inject("/manifests/latest", {.kind = FaultKind::status, .status = 503});
  EXPECT_EQ(code_of(name), "registry_unavailable") << "it was there, and is not any more";
}

TEST_F(Remembering, OffMeansThatNothingIsRememberedOrKept) {
  const std::string name = push("m", module);
  const Environment off{{"PROXY_CACHE", "off"}};
  start_bridge(off);
  ASSERT_TRUE(delivered(name) == module);
  stop_bridge();
  registry.stop();
  start_bridge(off);
  EXPECT_EQ(code_of(name), "registry_unavailable");
  EXPECT_FALSE(fs::exists(store()));
}

TEST_F(Remembering, TheDirectoryAndItsSizeCanBeChosen) {
  const std::string large = wasm_module(3'000'000);
  const std::string name = push("m", large);
  start_bridge({{"PROXY_CACHE_DIR", (spool / "elsewhere").string()}, {"PROXY_CACHE_SIZE", "2MiB"}});
  ASSERT_TRUE(delivered(name) == large);
  stop_bridge();
  EXPECT_FALSE(fs::exists(store()));
  EXPECT_LT(bytes_in(spool / "elsewhere" / "blobs"), 2'100'000U) << "what is larger is delivered, and not kept";
  EXPECT_GT(bytes_in(spool / "elsewhere" / "blobs"), 0U) << "the manifest is";
}

TEST_F(Remembering, ADirectoryThatCannotBeWrittenIsAWarning) {
  const std::string name = push("m", module);
  start_bridge({{"PROXY_CACHE_DIR", "/proc/nowhere"}});
  EXPECT_TRUE(bridge->process().wait_line("the content store cannot be opened"));
  EXPECT_TRUE(delivered(name) == module);
}

TEST_F(Remembering, WhatALoginBroughtIsThatLoginsAlone) {
  support::DockerRegistry closed({.users = {{"ann", "secret"}, {"bob", "secret"}}});
  Pusher ann({.url = closed.url(), .username = "ann", .password = "secret"});
  push_raw(ann, "acme/m", "latest", module);
  const auto login = [&](const std::string& user) {
    return Environment{{"PROXY_REGISTRY_URL", closed.url()},
                       {"PROXY_AUTHENTICATE", "true"},
                       {"PROXY_REGISTRY_USERNAME", user},
                       {"PROXY_REGISTRY_PASSWORD", "secret"}};
  };
  start_bridge(login("ann"));
  ASSERT_TRUE(delivered("acme/m") == module);
  stop_bridge();
  EXPECT_LT(bytes_in(store() / "blobs"), module.size()) << "the image is in the spool alone";
  closed.stop();
  start_bridge(login("ann"));
  EXPECT_TRUE(delivered("acme/m") == module);
  start_bridge(login("bob"));
  EXPECT_EQ(code_of("acme/m"), "registry_unavailable");
  start_bridge({{"PROXY_REGISTRY_URL", closed.url()}});
  EXPECT_EQ(code_of("acme/m"), "registry_unavailable");
}

// Whoever names a digest has not got its bytes: a manifest may name any.
TEST_F(Remembering, ARegistryThatNamesAPrivateLayerHasToGiveIt) {
  support::DockerRegistry closed({.users = {{"ann", "secret"}}});
  Pusher ann({.url = closed.url(), .username = "ann", .password = "secret"});
  push_raw(ann, "acme/m", "latest", module);
  FakeRegistry other;
  other.push_module("acme/copy", "latest", module);
  const std::string copy = "http://" + other.host() + "/acme/copy";
  const std::string layer = "/blobs/" + support::sha256_digest(module);
  other.inject(layer, {.kind = FaultKind::status, .status = 404});
  const Environment login{{"PROXY_REGISTRY_URL", closed.url()},
                          {"PROXY_REGISTRY_ALLOW", other.host()},
                          {"PROXY_AUTHENTICATE", "true"},
                          {"PROXY_REGISTRY_USERNAME", "ann"},
                          {"PROXY_REGISTRY_PASSWORD", "secret"}};
  start_bridge(login);
  ASSERT_TRUE(delivered("acme/m") == module);
  EXPECT_EQ(code_of(copy), "not_found");
  EXPECT_TRUE(delivered("acme/m") == module);
  EXPECT_EQ(closed.requests("GET", layer), 1U) << "its own registry has given it";
  stop_bridge();
  start_bridge(login);
  EXPECT_EQ(code_of(copy), "not_found");
  EXPECT_TRUE(delivered("acme/m") == module);
  EXPECT_EQ(closed.requests("GET", layer), 1U) << "also before the restart";

  other.clear_faults();
  EXPECT_TRUE(delivered(copy) == module);
  EXPECT_TRUE(delivered(copy) == module);
  EXPECT_EQ(other.requests_with(layer), 3) << "refused twice, given once";
}

TEST_F(Remembering, AnotherLoginHasToBeGivenALayerAnew) {
  support::DockerRegistry closed({.users = {{"ann", "secret"}, {"bob", "secret"}}});
  Pusher ann({.url = closed.url(), .username = "ann", .password = "secret"});
  push_raw(ann, "acme/m", "latest", module);
  for (const char* user : {"ann", "bob", "ann"}) {
    start_bridge({{"PROXY_REGISTRY_URL", closed.url()},
                  {"PROXY_AUTHENTICATE", "true"},
                  {"PROXY_REGISTRY_USERNAME", user},
                  {"PROXY_REGISTRY_PASSWORD", "secret"}});
    EXPECT_TRUE(delivered("acme/m") == module) << user;
    stop_bridge();
  }
  EXPECT_EQ(closed.requests("GET", "/blobs/" + support::sha256_digest(module)), 2U);
}

// What nobody needed a login for, a device may ask for at the registry that gave it: no need to carry it twice.
TEST_F(Remembering, WhatAnybodyMayHaveIsCarriedOnceForAllRegistriesThatNameIt) {
  const std::string name = push("m", module);
  FakeRegistry other;
  other.push_module("acme/copy", "latest", module);
  start_bridge({{"PROXY_REGISTRY_ALLOW", other.host()}});
  ASSERT_TRUE(delivered(name) == module);
  EXPECT_TRUE(delivered("http://" + other.host() + "/acme/copy") == module);
  EXPECT_EQ(other.requests_with("/blobs/"), 0);
}

TEST_F(Remembering, AStoreThatIsDamagedIsNotDelivered) {
  const std::string name = push("m", module);
  start_bridge();
  ASSERT_TRUE(delivered(name) == module);
  forget_spool();
  for (const auto& entry : fs::recursive_directory_iterator(store() / "blobs")) {
    if (entry.is_regular_file() && entry.file_size() >= module.size())
      support::write_file(entry.path(), std::string(module.size(), 'x'));
  }
  start_bridge();
  EXPECT_TRUE(delivered(name) == module);
  EXPECT_EQ(registry.requests("GET", "/blobs/" + support::sha256_digest(module)), 2U) << "fetched anew";
}

}  // namespace
}  // namespace propeller::integration
