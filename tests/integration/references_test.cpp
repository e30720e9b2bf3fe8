// PROTOCOL 1.3: what a name points at.
#include <algorithm>

#include "integration/site.hpp"
#include "support/fake_registry.hpp"

namespace propeller::integration {
namespace {

class References : public Site {
 protected:
  std::string fetch(const std::string& name, const Environment& overrides = {}) {
    if (!bridge) start_bridge(overrides);
    support::RustProplet device(device_options(), topics);
    device.request(name);
    return device.wait_module(name, kPatience).value_or("nothing");
  }
  std::string one = wasm_module(700, 1), two = wasm_module(800, 2), three = wasm_module(900, 3);
};

TEST_F(References, WithoutAHostTheConfiguredRegistryIsAsked) {
  push_raw(pusher, "acme/add", "latest", one);
  EXPECT_TRUE(fetch("acme/add") == one);
}

TEST_F(References, AHostInTheNameWinsOverTheConfiguredRegistry) {
  support::DockerRegistry other;
  Pusher other_pusher({.url = other.url()});
  push_raw(pusher, "acme/add", "latest", one);
  push_raw(other_pusher, "acme/add", "latest", two);
  EXPECT_TRUE(fetch("http://" + other.host() + "/acme/add", {{"PROXY_REGISTRY_ALLOW", other.host()}}) == two);
}

TEST_F(References, TagsAndLatest) {
  push_raw(pusher, "acme/add", "latest", one);
  push_raw(pusher, "acme/add", "v1.2.3", two);
  EXPECT_TRUE(fetch(named("acme/add:v1.2.3")) == two);
  EXPECT_TRUE(fetch(named("acme/add:latest")) == one);
  EXPECT_TRUE(fetch(named("acme/add")) == one);
}

TEST_F(References, ADigestNamesOneManifestForEver) {
  const std::string digest = push_raw(pusher, "acme/add", "latest", one);
  push_raw(pusher, "acme/add", "latest", two);
  EXPECT_TRUE(fetch(named("acme/add@" + digest)) == one);
  EXPECT_TRUE(fetch(named("acme/add:latest@" + digest)) == one);
}

TEST_F(References, ATagThatMovesIsFollowed) {
  push_raw(pusher, "acme/add", "latest", one);
  EXPECT_TRUE(fetch(named("acme/add")) == one);
  push_raw(pusher, "acme/add", "latest", two);
  EXPECT_TRUE(fetch(named("acme/add")) == two);
}

TEST_F(References, APathChoosesOneOfSeveralModules) {
  push_image(pusher, "acme/spin", "latest", support::spin_image({{"a.wasm", one}, {"b.wasm", two}}));
  push_image(
      pusher, "acme/tar", "latest",
      support::docker_image({{"bin/a.wasm", one}, {"bin/b.wasm", two}, {"c.txt", "x"}}, support::Packing::gzip, false));
  EXPECT_TRUE(fetch(named("acme/spin#b.wasm")) == two);
  EXPECT_TRUE(fetch(named("acme/tar#bin/a.wasm")) == one);
  EXPECT_TRUE(fetch(named("acme/tar#bin/b.wasm")) == two);
}

TEST_F(References, TheConfiguredRegistryMayHaveAPath) {
  push_raw(pusher, "mirror/acme/add", "latest", three);
  EXPECT_TRUE(fetch("acme/add", {{"PROXY_REGISTRY_URL", registry.url() + "/mirror"}}) == three);
}

TEST_F(References, AMissingTagIsLatestOnlyWhenThatIsSwitchedOn) {
  push_raw(pusher, "acme/add", "latest", one);
  start_bridge();
  ChannelWatch watch(device_options(), topics);
  watch.request(named("acme/add:v9"));
  EXPECT_EQ(failure_code(watch, named("acme/add:v9")), "not_found");
  bridge.reset();
  EXPECT_TRUE(fetch(named("acme/add:v9"), {{"PROXY_REGISTRY_FALLBACK_LATEST", "true"}}) == one);
  const auto warning = bridge->process().wait_line("the tag does not exist");
  ASSERT_TRUE(warning);
  EXPECT_NE(warning->find(" transfer="), std::string::npos) << *warning;
}

// Seen by the proxy on the way: nothing here can reach the registry itself.
TEST_F(References, DockerIoIsItsRegistryAndPlainNamesThereAreInLibrary) {
  support::FakeRegistry proxy;
  start_bridge({{"PROXY_REGISTRY_PROXY", proxy.url()}, {"PROXY_REGISTRY_ATTEMPTS", "1"}});
  ChannelWatch watch(device_options(), topics);
  const auto was_asked = [&](const std::string& method, const std::string& part) {
    return std::ranges::any_of(proxy.requests(), [&](const auto& request) {
      return request.method == method && request.target.find(part) != std::string::npos;
    });
  };
  watch.request(std::string("docker.io/acme/add"));
  EXPECT_TRUE(wait_until([&] { return was_asked("CONNECT", "registry-1.docker.io:443"); }));
  watch.request(std::string("http://docker.io/add"));
  EXPECT_TRUE(wait_until([&] { return was_asked("GET", "registry-1.docker.io/v2/library/add/manifests/latest"); }));
  watch.request(std::string("http://docker.io/acme/add:v1"));
  EXPECT_TRUE(wait_until([&] { return was_asked("GET", "registry-1.docker.io/v2/acme/add/manifests/v1"); }));
}

}  // namespace
}  // namespace propeller::integration
