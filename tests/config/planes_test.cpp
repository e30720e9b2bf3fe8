#include "config/planes.hpp"

#include <gtest/gtest.h>

#include "config/support.hpp"

namespace propeller::config {
namespace {

constexpr Planes kBridge{.has_bridge = true};
constexpr Planes kForward{.has_forward = true};
constexpr Planes kBoth{.has_bridge = true, .has_forward = true};
constexpr Planes kBuiltin{.has_forward = true, .is_builtin_default = true};

TEST(Planes, RunWhenTheyAreConfigured) {
  struct Case {
    PlanesGiven given;
    Planes planes;
  };
  const std::vector<Case> cases{
      {{}, kBuiltin},
      {{.has_mqtt = true}, kBridge},
      {{.has_mqtt = true, .has_bridge_use = true}, kBridge},
      {{.has_mqtt = true, .has_site_file = true}, kBridge},
      {{.has_site_file = true, .has_proxy_section = true}, kForward},
      {{.has_site_file = true, .has_cache_section = true}, kForward},
      {{.has_proxy_port = true}, kForward},
      {{.has_bridge_use = true, .has_proxy_port = true}, kForward},
      {{.has_mqtt = true, .has_site_file = true, .has_proxy_section = true}, kBoth},
      {{.has_mqtt = true, .has_site_file = true, .has_cache_section = true}, kBoth},
      {{.has_mqtt = true, .has_proxy_port = true}, kBoth},
      // Settings that only the bridge has a use for: without ids they stay the error they were.
      {{.has_bridge_use = true}, kBridge},
      {{.has_bridge_use = true, .has_site_file = true}, kForward},
      // A file without `proxy:` and `cache:`, as an existing one may be: rules for the proxy.
      {{.has_site_file = true}, kForward},
  };
  for (std::size_t i = 0; i < cases.size(); ++i) EXPECT_EQ(decide_planes(cases[i].given), cases[i].planes) << i;
}

Planes planes_of(const Environment& environment, const std::string& yaml = "", const std::string& toml = "") {
  const TemporaryDirectory files;
  if (!yaml.empty()) files.write("propeller-proxy.yaml", yaml);
  if (!toml.empty()) files.write("config.toml", toml);
  const Host host{.is_root = false, .working_directory = files.path()};
  return decide_planes(what_is_given(load(environment, {}, host), load_forward(environment, {}, host)));
}

TEST(Planes, AreDecidedByWhatTheLoadersFound) {
  EXPECT_EQ(planes_of({}), kBuiltin);
  EXPECT_EQ(planes_of({{"HOME", "/h"}, {"LOG_LEVEL", "debug"}, {"PROXY_HTTP_PORT", "0"}}), kBuiltin);
  EXPECT_EQ(planes_of({{"DOCKER_CONFIG", "/d"}}), kBuiltin);
  EXPECT_EQ(planes_of(complete()), kBridge);
  EXPECT_EQ(planes_of({{"PROXY_MQTT_ADDRESS", "tcp://b"}}), kBridge);
  EXPECT_EQ(planes_of({{"PROXY_SPOOL_SIZE", "1GiB"}}), kBridge);
  EXPECT_EQ(planes_of({{"PROXY_CACHE_SIZE", "1GiB"}}), kBuiltin) << "no more than where something would be kept";
  EXPECT_EQ(planes_of({}, "proxy: {port: 5}"), kForward);
  EXPECT_EQ(planes_of({{"PROXY_SPOOL_SIZE", "1GiB"}}, "cache: {enabled: true}"), kForward);
  EXPECT_EQ(planes_of({{"PROXY_PORT", "0"}}), kForward);
  EXPECT_EQ(planes_of(complete(), "proxy:\n"), kBoth);
  EXPECT_EQ(planes_of({}, "proxy:\n", "[proxy]\nchannel_id = \"c\"\n"), kBoth);
}

TEST(Planes, SomeMqttVariableButNotAllStaysAnError) {
  const TemporaryDirectory files;
  const Host host{.is_root = false, .working_directory = files.path()};
  const Environment environment{{"PROXY_MQTT_ADDRESS", "tcp://b"}, {"PROXY_PORT", "0"}};
  const auto bridge = load(environment, {}, host);
  EXPECT_EQ(decide_planes(what_is_given(bridge, load_forward(environment, {}, host))), kBoth);
  EXPECT_FALSE(bridge.problems.errors.empty());
}

}  // namespace
}  // namespace propeller::config
