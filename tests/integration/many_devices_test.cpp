// Several devices at once: one download, nothing missed, nobody kept waiting behind a large image.
#include <algorithm>
#include <csignal>
#include <ranges>

#include "integration/site.hpp"
#include "support/fake_registry.hpp"

namespace propeller::integration {
namespace {

class ManyDevices : public Site {
 protected:
  [[nodiscard]] std::size_t blob_downloads(std::string_view module) const {
    return registry.requests("GET", "/blobs/" + support::sha256_digest(module));
  }
};

TEST_F(ManyDevices, TwentyOnThreeChannelsCostOneDownload) {
  const std::string module = wasm_module(3'000'000);
  const std::string name = push("m", module);
  start_bridge({{"PROXY_CHANNEL_ID", "c1,c2,c3"}});
  std::vector<std::unique_ptr<support::RustProplet>> devices;
  for (int i = 0; i < 20; ++i)
    devices.push_back(std::make_unique<support::RustProplet>(
        device_options(), support::domain_topics("t1", "c" + std::to_string(i % 3 + 1))));
  for (const auto& device : devices) device->request(name);
  for (const auto& device : devices) EXPECT_TRUE(device->wait_module(name) == module);
  ASSERT_TRUE(wait_until([&] { return blob_downloads(module) >= 1; }));
  EXPECT_EQ(blob_downloads(module), 1U);
}

TEST_F(ManyDevices, TwoTagsOfOneDigestCostOneDownload) {
  const std::string module = wasm_module(3'000'000);
  push_raw(pusher, "acme/m", "v1", module);
  push_raw(pusher, "acme/m", "stable", module);
  start_bridge();
  support::RustProplet device(device_options(), topics);
  for (const char* tag : {"acme/m:v1", "acme/m:stable"}) device.request(named(tag));
  for (const char* tag : {"acme/m:v1", "acme/m:stable"}) EXPECT_TRUE(device.wait_module(named(tag)) == module) << tag;
  ASSERT_TRUE(wait_until([&] { return blob_downloads(module) >= 1; }));
  EXPECT_EQ(blob_downloads(module), 1U);
}

TEST_F(ManyDevices, RequestsWhileOneIsServedDoNotRepeatItForEach) {
  const std::string module = wasm_module(600'000);
  const std::string name = push("m", module);
  start_slow_bridge({{"PROXY_CHUNK_SIZE", "10000"}});
  ChannelWatch watch(device_options(), topics);
  watch.request(name);
  ASSERT_TRUE(watch.wait_chunk(name, 5));
  for (int i = 0; i < 10; ++i) watch.request(name);
  ASSERT_TRUE(watch.wait_status(name, "done"));
  EXPECT_LT(watch.indices(name).size(), 3U * 60U);
}

TEST_F(ManyDevices, ALateIndexBasedDeviceGetsWhatItMissedAsTheSequenceWrapsAround) {
  const std::string module = wasm_module(1'000'000);
  const std::string name = push("m", module);
  constexpr std::uint64_t kTotal = 50;
  start_slow_bridge({{"PROXY_CHUNK_SIZE", "20000"}});
  ChannelWatch watch(device_options(), topics);
  support::RustProplet early(device_options(), topics);
  early.request(name);
  ASSERT_TRUE(watch.wait_chunk(name, 20));
  support::RustProplet late(device_options(), topics);
  late.request(name);
  EXPECT_TRUE(early.wait_module(name) == module);
  EXPECT_TRUE(late.wait_module(name) == module);
  const auto indices = watch.indices(name);
  ASSERT_GE(indices.size(), kTotal);
  EXPECT_LT(indices.size(), 2 * kTotal) << "only what was missed comes again";
  for (std::uint64_t i = 0; i < indices.size(); ++i) EXPECT_EQ(indices[i], i % kTotal);
}

TEST_F(ManyDevices, ALateDeviceOnAClassicChannelGetsASecondOrderedPass) {
  const std::string module = wasm_module(500'000);
  const std::string name = push("m", module);
  constexpr std::uint64_t kTotal = 25;
  const auto classic = support::classic_topics("c1");
  start_slow_bridge({{"PROXY_CHUNK_SIZE", "20000"}, {"PROXY_DOMAIN_ID", ""}});
  ChannelWatch watch(device_options(), classic);
  support::GoProplet device(device_options(), classic);
  device.request(name);
  ASSERT_TRUE(watch.wait_chunk(name, 10));
  watch.request(name);
  EXPECT_TRUE(device.wait_module(name, 1) == module);
  EXPECT_TRUE(device.wait_module(name, 2) == module);
  std::size_t chunks = 0;  // the watch may hear the last one later than the device
  watch.wait([&](const ChannelWatch::Event& event) { return event.index && ++chunks == 2 * kTotal; });
  const auto indices = watch.indices(name);
  ASSERT_EQ(indices.size(), 2 * kTotal);
  for (std::uint64_t i = 0; i < indices.size(); ++i) EXPECT_EQ(indices[i], i % kTotal);
}

// On one channel two classic sequences of one name must never mix; of two names they may.
TEST_F(ManyDevices, TwoImagesAtOnceEachArriveInOrder) {
  const std::string first = wasm_module(400'000, 1), second = wasm_module(400'000, 2);
  const std::string first_name = push("one", first), second_name = push("two", second);
  start_slow_bridge({{"PROXY_CHUNK_SIZE", "20000"}, {"PROXY_DOMAIN_ID", ""}}, milliseconds(5));
  support::GoProplet device(device_options(), support::classic_topics("c1"));
  device.request(first_name);
  device.request(second_name);
  EXPECT_TRUE(device.wait_module(first_name) == first);
  EXPECT_TRUE(device.wait_module(second_name) == second);
}

TEST_F(ManyDevices, ASmallModuleDoesNotWaitBehindALargeOne) {
  const std::string large = wasm_module(50'000'000, 1), small = wasm_module(600, 2);
  const std::string large_name = push("large", large), small_name = push("small", small);
  start_slow_bridge({{"PROXY_MQTT_INFLIGHT", "4"}}, milliseconds(20));
  ChannelWatch watch(device_options(), topics);
  watch.request(large_name);
  ASSERT_TRUE(watch.wait_chunk(large_name, 3));
  watch.request(small_name);
  ASSERT_TRUE(watch.wait_chunk(small_name, 0));
  // The large one has 98 chunks; a few are on their way when the small one is asked for, more under a sanitizer.
  EXPECT_LT(watch.indices(large_name).size(), support::kIsSanitized ? 90U : 40U);
  EXPECT_TRUE(watch.wait_status(large_name, "done", milliseconds(90'000)));
}

// The places for downloads are few, and a registry may be slow: a module of one chunk has places of its own.
TEST_F(ManyDevices, ASmallModuleDoesNotWaitForDownloadsOfLargeOnes) {
  constexpr int kLarge = 12;
  support::FakeRegistry fake;
  start_bridge({{"PROXY_REGISTRY_URL", fake.url()}});
  ChannelWatch watch(device_options(), topics);
  fake.inject("/acme/large", {.kind = support::FaultKind::trickle, .bytes = 2'000, .pause = milliseconds(10)});
  for (int i = 0; i < kLarge; ++i) {
    const std::string name = "acme/large" + std::to_string(i);
    fake.push_module(name, "latest", wasm_module(5'000'000, static_cast<std::uint64_t>(i)));
    watch.request(name);
  }
  ASSERT_TRUE(wait_until([&] { return fake.requests_with("/blobs/") >= 8; }));
  const std::string small = wasm_module(600, 99);
  fake.push_module("acme/small", "latest", small);
  support::RustProplet device(device_options(), topics);
  device.request("acme/small");
  EXPECT_TRUE(device.wait_module("acme/small", milliseconds(support::kIsSanitized ? 10'000 : 2'000)) == small);
  EXPECT_EQ(fake.requests_with("/acme/large11/blobs/"), 0) << "the test is one only while places are taken";
  bridge->process().signal(SIGKILL);
  ASSERT_TRUE(bridge->process().wait_exit());
}

TEST_F(ManyDevices, ANewVersionUnderTheSameNameDoesNotMixWithTheOneInProgress) {
  const std::string old_module = wasm_module(500'000, 1), new_module = wasm_module(500'000, 2);
  const std::string name = push("m", old_module);
  start_slow_bridge({{"PROXY_CHUNK_SIZE", "20000"}});
  ChannelWatch watch(device_options(), topics);
  support::RustProplet device(device_options(), topics);
  device.request(name);
  ASSERT_TRUE(watch.wait_chunk(name, 5));
  push("m", new_module);
  watch.request(name);
  EXPECT_TRUE(device.wait_module(name) == old_module);
  support::RustProplet next(device_options(), topics);
  next.request(name);
  const auto got = next.wait_module(name);
  EXPECT_TRUE(got == old_module || got == new_module) << "never a mixture";
}

// At 20 kB a round trip of 40 ms both together would take 80 s, and nobody waits so long.
TEST_F(ManyDevices, OnASlowLinkOneBroadcastWaitsForTheOther) {
  const std::string first = push("first", wasm_module(20'000'000, 1)),
                    second = push("second", wasm_module(20'000'000, 2));
  start_slow_bridge({{"PROXY_CHUNK_SIZE", "20000"}}, milliseconds(20));
  ChannelWatch watch(device_options(), topics);
  watch.request(first);
  ASSERT_TRUE(watch.wait_chunk(first, 80)) << "long enough to have measured the rate";
  watch.request(second);
  ASSERT_TRUE(watch.wait_chunk(first, 150));
  const auto is_told_to_wait = [&](const ChannelWatch::Event& event) {
    return event.status.is_object() && event.app_name == second && event.status.value("state", "") == "accepted" &&
           event.status.contains("size");
  };
  EXPECT_TRUE(watch.wait(is_told_to_wait)) << "known, and waiting for its turn";
  EXPECT_TRUE(watch.indices(second).empty());
}

}  // namespace
}  // namespace propeller::integration
