// The bridge itself ends: killed, told to, or with a spool that somebody has damaged.
#include <signal.h>

#include <filesystem>
#include <fstream>

#include "integration/site.hpp"

namespace propeller::integration {
namespace {

class Restart : public Site {
 protected:
  /// Files of the spool that may hold an image.
  [[nodiscard]] std::vector<std::filesystem::path> image_files(std::uintmax_t size_min) const {
    std::vector<std::filesystem::path> files;
    for (const auto& entry : std::filesystem::recursive_directory_iterator(spool.path()))
      if (entry.is_regular_file() && entry.file_size() >= size_min) files.push_back(entry.path());
    return files;
  }
  const support::TempDir cache;

  void kill_bridge() {
    bridge->process().signal(SIGKILL);
    ASSERT_TRUE(bridge->process().wait_exit());
  }
};

TEST_F(Restart, ASetThatWasBegunIsFinishedFromTheSameDigestFirst) {
  const std::string old_module = wasm_module(1'000'000, 1), new_module = wasm_module(1'000'000, 2);
  const std::string name = push("m", old_module);
  start_slow_bridge({{"PROXY_CHUNK_SIZE", "20000"}});
  ChannelWatch watch(device_options(), topics);
  support::RustProplet device(device_options(), topics);
  device.request(name);
  ASSERT_TRUE(watch.wait_chunk(name, 20));
  kill_bridge();
  push("m", new_module);
  start_bridge({{"PROXY_CHUNK_SIZE", "20000"}});
  EXPECT_TRUE(device.wait_module(name) == old_module) << "without asking again";
  support::RustProplet next(device_options(), topics);
  ASSERT_TRUE(watch.wait_status(name, "done"));
  next.request(name);
  EXPECT_TRUE(next.wait_module(name) == new_module);
}

TEST_F(Restart, ABegunSetIsFinishedFromTheSpoolWithoutTheRegistry) {
  const std::string module = wasm_module(1'000'000, 1);
  const std::string name = push("m", module);
  start_bridge({{"PROXY_CHUNK_SIZE", "20000"}});
  ChannelWatch watch(device_options(), topics);
  watch.request(name);
  ASSERT_TRUE(watch.wait_status(name, "done")) << "whole, in the spool";
  start_slow_bridge({{"PROXY_CHUNK_SIZE", "20000"}});
  watch.clear();
  support::RustProplet device(device_options(), topics);
  device.request(name);
  ASSERT_TRUE(watch.wait_chunk(name, 20));
  kill_bridge();
  registry.stop();
  start_bridge({{"PROXY_CHUNK_SIZE", "20000"}});
  EXPECT_TRUE(device.wait_module(name) == module);
}

TEST_F(Restart, ASetThatCannotBeFinishedLeavesItsNameAlone) {
  const std::string name = push("m", wasm_module(1'000'000, 1));
  start_slow_bridge({{"PROXY_CHUNK_SIZE", "20000"}});
  ChannelWatch watch(device_options(), topics);
  watch.request(name);
  ASSERT_TRUE(watch.wait_chunk(name, 20));
  kill_bridge();
  for (const auto& file : image_files(100'000)) std::filesystem::remove(file);
  registry.stop();
  watch.clear();
  start_bridge({{"PROXY_CHUNK_SIZE", "20000"}});
  EXPECT_NE(failure_code(watch, name), "done");
  registry.start();
  push("m", wasm_module(1'000'000, 2));
  watch.clear();
  watch.request(name);
  EXPECT_NE(failure_code(watch, name), "done") << "devices still hold a part of the other version";
  EXPECT_TRUE(watch.indices(name).empty());
}

TEST_F(Restart, SigtermLetsWhatIsInProgressFinish) {
  for (const int signal : {SIGTERM, SIGINT}) {
    const std::string module = wasm_module(600'000, static_cast<std::uint64_t>(signal));
    const std::string name = push("m" + std::to_string(signal), module);
    start_slow_bridge({{"PROXY_CHUNK_SIZE", "20000"}});
    ChannelWatch watch(device_options(), topics);
    support::RustProplet device(device_options(), topics);
    device.request(name);
    ASSERT_TRUE(watch.wait_chunk(name, 5));
    bridge->process().signal(signal);
    EXPECT_TRUE(device.wait_module(name) == module);
    EXPECT_EQ(bridge->process().wait_exit(), 0);
  }
}

TEST_F(Restart, WhatDoesNotFinishInTimeIsToldSoAndGoesOnAfterTheRestart) {
  const std::string module = wasm_module(2'000'000);
  const std::string name = push("m", module);
  start_slow_bridge({{"PROXY_CHUNK_SIZE", "10000"}, {"PROXY_SHUTDOWN_TIMEOUT", "1s"}}, milliseconds(20));
  ChannelWatch watch(device_options(), topics);
  support::RustProplet device(device_options(), topics);
  device.request(name);
  ASSERT_TRUE(watch.wait_chunk(name, 5));
  bridge->process().signal(SIGTERM);
  EXPECT_EQ(failure_code(watch, name), "shutting_down");
  EXPECT_EQ(bridge->process().wait_exit(), 0);
  start_bridge({{"PROXY_CHUNK_SIZE", "10000"}});
  EXPECT_TRUE(device.wait_module(name) == module);
}

TEST_F(Restart, AnIdleBridgeEndsAtOnce) {
  start_bridge();
  bridge->process().signal(SIGTERM);
  EXPECT_EQ(bridge->process().wait_exit(milliseconds(10'000)), 0);
}

TEST_F(Restart, ADamagedSpoolFileIsFetchedAnew) {
  const std::string module = wasm_module(700'000);
  const std::string name = push("m", module);
  start_bridge();
  support::RustProplet device(device_options(), topics);
  device.request(name);
  ASSERT_TRUE(device.wait_module(name) == module);
  bridge->process().signal(SIGTERM);
  ASSERT_EQ(bridge->process().wait_exit(), 0);
  const auto files = image_files(700'000);
  ASSERT_FALSE(files.empty()) << "the image is in the spool";
  for (const auto& path : files) {
    std::fstream file(path, std::ios::in | std::ios::out | std::ios::binary);
    file.seekp(350'000);
    file.write("damaged", 7);
  }
  start_bridge();
  device.request(name);
  EXPECT_TRUE(device.wait_module(name) == module);
}

TEST_F(Restart, TheSpoolServesWhatItHoldsAfterARestart) {
  const std::string module = wasm_module(700'000);
  const std::string name = push("m", module);
  for (int round = 0; round < 2; ++round) {
    start_bridge();
    support::RustProplet device(device_options(), topics);
    device.request(name);
    ASSERT_TRUE(device.wait_module(name) == module);
    bridge->process().signal(SIGTERM);
    ASSERT_EQ(bridge->process().wait_exit(), 0);
  }
  EXPECT_EQ(registry.requests("GET", "/blobs/" + support::sha256_digest(module)), 1U);
}

TEST_F(Restart, TheSpoolStaysWithinItsSize) {
  start_bridge({{"PROXY_SPOOL_SIZE", "5MB"}, {"PROXY_CACHE_DIR", (cache / "cache").string()}});
  support::RustProplet device(device_options(), topics);
  for (std::uint64_t i = 0; i < 6; ++i) {
    const std::string module = wasm_module(1'500'000, i);
    const std::string name = push("m" + std::to_string(i), module);
    device.request(name);
    ASSERT_TRUE(device.wait_module(name) == module) << i;
  }
  std::uintmax_t bytes = 0;
  for (const auto& file : image_files(1)) bytes += std::filesystem::file_size(file);
  EXPECT_LE(bytes, 5'100'000U);
}

TEST_F(Restart, ASecondBridgeOnTheSameSpoolDoesNotStart) {
  start_bridge();
  Bridge second(environment());
  const auto code = second.process().wait_exit();
  ASSERT_TRUE(code);
  EXPECT_EQ(*code, 1);
}

TEST_F(Restart, WhoAsksAnOldChannelWhileABegunSetIsFetchedGetsAWholePass) {
  const std::string module = wasm_module(200'000);
  push("m", module);
  const auto classic = support::classic_topics("c1");
  support::DelayRelay registry_relay({.target_port = registry.port()});
  const Environment old_channel{{"PROXY_CHUNK_SIZE", "20000"},
                                {"PROXY_DOMAIN_ID", ""},
                                {"PROXY_REGISTRY_URL", "http://127.0.0.1:" + std::to_string(registry_relay.port())}};
  start_slow_bridge(old_channel);
  ChannelWatch watch(device_options(), classic);
  watch.request(std::string("acme/m"));
  ASSERT_TRUE(watch.wait_chunk("acme/m", 4));
  kill_bridge();
  for (const auto& file : image_files(100'000)) std::filesystem::remove(file);
  registry_relay.stall();
  start_bridge(old_channel);
  support::GoProplet device(device_options(), classic);
  watch.clear();
  device.request("acme/m");
  ASSERT_TRUE(wait_until([&] { return bridge->metric("propeller_bridge_requests_total") == 1; }));
  registry_relay.resume();
  ASSERT_TRUE(watch.wait_status("acme/m", "done"));
  const auto indices = watch.indices("acme/m");
  ASSERT_GT(indices.size(), 10U);
  EXPECT_GT(indices.front(), 0U) << "the rest of the set that was begun";
  const std::vector<std::uint64_t> last(indices.end() - 10, indices.end());
  EXPECT_EQ(last, (std::vector<std::uint64_t>{0, 1, 2, 3, 4, 5, 6, 7, 8, 9}));
}

}  // namespace
}  // namespace propeller::integration
