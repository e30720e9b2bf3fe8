// PROTOCOL 2.2 to 2.4: direct delivery with acknowledgements, its options, and asking with MQTT 5.
#include <zstd.h>

#include <algorithm>
#include <set>

#include "integration/site.hpp"

namespace propeller::integration {
namespace {

using nlohmann::json;
using support::MqttMessage;

std::string unpack_zstd(std::string_view packed) {
  std::string out;
  const std::unique_ptr<ZSTD_DStream, decltype(&ZSTD_freeDStream)> stream(ZSTD_createDStream(), &ZSTD_freeDStream);
  ZSTD_inBuffer input{packed.data(), packed.size(), 0};
  std::string buffer(1 << 17, '\0');
  while (input.pos < input.size) {
    ZSTD_outBuffer output{buffer.data(), buffer.size(), 0};
    if (ZSTD_isError(ZSTD_decompressStream(stream.get(), &output, &input)) != 0U) return "broken zstd";
    out.append(buffer.data(), output.pos);
  }
  return out;
}

/// A device that takes part in a direct delivery by hand, so that a test decides what it acknowledges.
class DirectDelivery : public Site {
 protected:
  void listen() { device.subscribe(topics.chunks() + "/dev1/#", 1); }

  json ask(const std::string& name, json options = json::object()) {
    options["app_name"] = name;
    options["proplet_id"] = "dev1";
    options["deliver"] = "direct";
    device.publish(topics.request(), options.dump());
    return wait_manifest();
  }
  json wait_manifest() {
    const auto message = device.wait_topic(topics.chunks() + "/dev1/manifest");
    return message ? json::parse(message->payload, nullptr, false) : json("no manifest");
  }
  std::optional<MqttMessage> wait_chunk(const json& manifest, std::uint64_t index, milliseconds limit = kPatience) {
    return device.wait_topic(
        topics.chunks() + "/dev1/" + manifest.at("transfer").get<std::string>() + "/" + std::to_string(index), limit);
  }
  void acknowledge(const json& manifest, std::uint64_t count) {
    device.publish(topics.request(), json{{"transfer", manifest.at("transfer")}, {"ack", count}}.dump());
  }
  std::string receive_all(const json& manifest) {
    std::string bytes;
    const std::uint64_t total = manifest.at("total_chunks");
    for (std::uint64_t i = 0; i < total; ++i) {
      const auto chunk = wait_chunk(manifest, i);
      if (!chunk) return "chunk " + std::to_string(i) + " is missing";
      bytes += chunk->payload;
      acknowledge(manifest, i + 1);
    }
    return bytes;
  }

  support::MqttClient device{device_options()};
};

TEST_F(DirectDelivery, TheManifestDescribesWhatFollows) {
  const std::string module = wasm_module(25'000);
  const std::string name = push("m", module);
  start_bridge();
  listen();
  ChannelWatch watch(device_options(), topics);
  const auto manifest = ask(name, {{"chunk_size", 10'000}});
  ASSERT_TRUE(manifest.is_object()) << manifest;
  EXPECT_EQ(manifest["app_name"], name);
  EXPECT_EQ(manifest["size"], module.size());
  EXPECT_EQ(manifest["chunk_size"], 10'000);
  EXPECT_EQ(manifest["total_chunks"], 3);
  EXPECT_EQ(manifest["compression"], "none");
  EXPECT_EQ(manifest["media_type"], "application/wasm");
  EXPECT_TRUE(receive_all(manifest) == module);
  const auto done = watch.wait_status(name, "done");
  ASSERT_TRUE(done);
  EXPECT_EQ((*done)["proplet_id"], "dev1");
  EXPECT_TRUE(watch.indices(name).empty()) << "a v1 client on the channel sees nothing of it";
}

// A device that gets a chunk first does not know what it is a part of.
TEST_F(DirectDelivery, NoChunkOvertakesItsManifestHoweverManyAreAskedForAtOnce) {
  constexpr int kDevices = 24;
  const std::string name = push("m", wasm_module(600));
  start_slow_bridge({{"PROXY_MQTT_INFLIGHT", "20"}}, milliseconds(15));
  ChannelWatch watch(device_options(), topics);
  for (int i = 0; i < kDevices; ++i)
    device.publish_later(
        topics.request(),
        json{{"app_name", name}, {"proplet_id", "d" + std::to_string(i)}, {"deliver", "direct"}}.dump());
  const auto is_direct = [&](const ChannelWatch::Event& event) {
    return event.topic.starts_with(topics.chunks() + "/");
  };
  ASSERT_TRUE(wait_until([&] { return watch.count(is_direct) >= 2 * kDevices; }));
  std::set<std::string> announced;
  for (const auto& event : watch.events()) {
    if (!is_direct(event)) continue;
    const std::string rest = event.topic.substr(topics.chunks().size() + 1);
    const std::string id = rest.substr(0, rest.find('/'));
    if (rest.ends_with("/manifest")) {
      announced.insert(id);
    } else {
      EXPECT_TRUE(announced.contains(id)) << "a chunk for " << id << " came before its manifest";
    }
  }
}

// The real 30 s: a device that was away for half a minute goes on where it was.
TEST_F(DirectDelivery, WithoutAcknowledgementItPausesAndGoesOnWithTheNext) {
  const std::string name = push("m", wasm_module(40'000));
  start_bridge();
  listen();
  const auto manifest = ask(name, {{"chunk_size", 10'000}, {"window", 2}});
  ASSERT_TRUE(wait_chunk(manifest, 0) && wait_chunk(manifest, 1));
  ASSERT_TRUE(bridge->process().wait_line("its delivery pauses", milliseconds(45'000)));
  EXPECT_FALSE(wait_chunk(manifest, 2, milliseconds(0)));
  acknowledge(manifest, 2);
  EXPECT_TRUE(wait_chunk(manifest, 2) && wait_chunk(manifest, 3));
}

TEST_F(DirectDelivery, FromTheSpoolEveryChunkHasItsHash) {
  const std::string module = wasm_module(25'000);
  const std::string name = push("m", module);
  start_bridge();
  listen();
  ASSERT_TRUE(receive_all(ask(name, {{"chunk_size", 10'000}})) == module);
  const auto manifest = ask(name, {{"chunk_size", 10'000}});
  EXPECT_EQ(manifest["digest"], support::sha256_digest(module));
  ASSERT_EQ(manifest["chunk_sha256"].size(), 3U);
  EXPECT_EQ("sha256:" + manifest["chunk_sha256"][2].get<std::string>(), support::sha256_digest(module.substr(20'000)));
  EXPECT_TRUE(receive_all(manifest) == module);
}

TEST_F(DirectDelivery, TheWindowWaitsForAcknowledgements) {
  const std::string module = wasm_module(100'000);
  const std::string name = push("m", module);
  start_bridge();
  listen();
  const auto manifest = ask(name, {{"chunk_size", 1'000}, {"window", 4}});
  ASSERT_TRUE(manifest.is_object());
  for (std::uint64_t i = 0; i < 4; ++i) ASSERT_TRUE(wait_chunk(manifest, i));
  EXPECT_FALSE(wait_chunk(manifest, 4, milliseconds(300)));
  acknowledge(manifest, 2);
  ASSERT_TRUE(wait_chunk(manifest, 4));
  ASSERT_TRUE(wait_chunk(manifest, 5));
  EXPECT_FALSE(wait_chunk(manifest, 6, milliseconds(300)));
}

TEST_F(DirectDelivery, AWindowBeyondTheLimitIsClippedAndTheManifestSaysSo) {
  const std::string name = push("m", wasm_module(100'000));
  start_bridge();
  listen();
  const auto manifest = ask(name, {{"chunk_size", 1'000}, {"window", 200}});
  ASSERT_TRUE(manifest.is_object());
  EXPECT_EQ(manifest["window"], 64);
  ASSERT_TRUE(wait_chunk(manifest, 63));
  EXPECT_FALSE(wait_chunk(manifest, 64, milliseconds(300)));
}

TEST_F(DirectDelivery, WhatIsMissingIsSentAgain) {
  const std::string module = wasm_module(10'000);
  const std::string name = push("m", module);
  start_bridge();
  listen();
  const auto manifest = ask(name, {{"chunk_size", 1'000}, {"window", 10}});
  ASSERT_TRUE(manifest.is_object());
  for (std::uint64_t i = 0; i < 10; ++i) ASSERT_TRUE(wait_chunk(manifest, i));
  device.publish(topics.request(), json{{"transfer", manifest["transfer"]}, {"missing", "3-4,9"}}.dump());
  for (const std::uint64_t i : {3U, 4U, 9U}) {
    const auto chunk = wait_chunk(manifest, i);
    ASSERT_TRUE(chunk) << i;
    EXPECT_TRUE(chunk->payload == module.substr(i * 1'000, 1'000));
  }
  EXPECT_FALSE(wait_chunk(manifest, 5, milliseconds(200)));
}

TEST_F(DirectDelivery, ADeviceThatWentAwayResumesWithDigestAndMissing) {
  const std::string module = wasm_module(20'000);
  const std::string name = push("m", module);
  start_bridge();
  listen();
  const auto first = ask(name, {{"chunk_size", 1'000}, {"window", 8}});
  for (std::uint64_t i = 0; i < 8; ++i) ASSERT_TRUE(wait_chunk(first, i));
  const auto second =
      ask(name, {{"chunk_size", 1'000}, {"digest", support::sha256_digest(module)}, {"missing", "8-19"}});
  ASSERT_TRUE(second.is_object());
  std::string rest;
  for (std::uint64_t i = 8; i < 20; ++i) {
    const auto chunk = wait_chunk(second, i);
    ASSERT_TRUE(chunk) << i;
    rest += chunk->payload;
    // "In order" counts from the beginning of the image: the device holds 0 to i.
    acknowledge(second, i + 1);
  }
  EXPECT_TRUE(rest == module.substr(8'000));
  EXPECT_FALSE(wait_chunk(second, 0, milliseconds(200)));
}

TEST_F(DirectDelivery, JsonEncodingCarriesChunksAsOnTheChannel) {
  const std::string module = wasm_module(3'000);
  const std::string name = push("m", module);
  start_bridge();
  listen();
  const auto manifest = ask(name, {{"chunk_size", 1'000}, {"encoding", "json"}});
  ASSERT_TRUE(manifest.is_object());
  std::string bytes;
  for (std::uint64_t i = 0; i < 3; ++i) {
    const auto message = wait_chunk(manifest, i);
    ASSERT_TRUE(message);
    const auto chunk = support::parse_chunk(message->payload);
    ASSERT_TRUE(chunk);
    EXPECT_EQ(chunk->index, i);
    bytes += chunk->data;
    acknowledge(manifest, i + 1);
  }
  EXPECT_TRUE(bytes == module);
}

TEST_F(DirectDelivery, ZstdSendsFewerBytesAndUnpacksToTheSame) {
  // Repetitive padding, so that there is something to gain.
  std::string module = wasm_module(16);
  module += std::string("\0\x87\xad\x4b\0", 5) + std::string(1'234'566, 'a');
  const std::string name = push("m", module);
  start_bridge();
  listen();
  const auto manifest = ask(name, {{"chunk_size", 100'000}, {"compression", "zstd"}});
  ASSERT_TRUE(manifest.is_object());
  EXPECT_EQ(manifest["compression"], "zstd");
  const std::string packed = receive_all(manifest);
  EXPECT_LT(packed.size(), module.size() / 2);
  EXPECT_TRUE(unpack_zstd(packed) == module);
}

TEST_F(DirectDelivery, WhatADeviceAsksForIsClippedAndTheManifestSaysSo) {
  const std::string name = push("m", wasm_module(30'000));
  start_bridge({{"PROXY_CHUNK_SIZE", "10000"}});
  listen();
  const auto manifest = ask(name, {{"chunk_size", 900'000'000}});
  ASSERT_TRUE(manifest.is_object());
  EXPECT_EQ(manifest["chunk_size"], 10'000);
  EXPECT_EQ(manifest["total_chunks"], 3);
}

TEST_F(DirectDelivery, ADeadlineEndsATransferThatNobodyAcknowledges) {
  const std::string name = push("m", wasm_module(30'000));
  start_bridge();
  listen();
  ChannelWatch watch(device_options(), topics);
  const auto manifest = ask(name, {{"chunk_size", 1'000}, {"window", 1}, {"deadline_ms", 1'500}});
  ASSERT_TRUE(manifest.is_object());
  EXPECT_EQ(failure_code(watch, name), "timeout");
}

TEST_F(DirectDelivery, AnIdThatWouldLeaveItsTopicIsABadRequest) {
  const std::string name = push("m", wasm_module(600));
  start_bridge();
  ChannelWatch watch(device_options(), topics);
  for (const char* id : {"../x", "a/b", "#", "+", ""}) {
    watch.clear();
    watch.request(json{{"app_name", name}, {"deliver", "direct"}, {"proplet_id", id}});
    EXPECT_EQ(failure_code(watch, name), "bad_request") << id;
  }
}

class Mqtt5 : public DirectDelivery {};

TEST_F(Mqtt5, ResponseTopicAndCorrelationDataAskForADirectDelivery) {
  const std::string module = wasm_module(2'500);
  const std::string name = push("m", module);
  start_bridge({{"PROXY_MQTT_VERSION", "5"}});
  support::MqttClient modern({.port = broker.port(), .is_v5 = true});
  const std::string answers = topics.prefix + "server/dev5";
  modern.subscribe(answers + "/#", 1);
  modern.subscribe(answers, 1);
  modern.publish_request(topics.request(),
                         json{{"app_name", name}, {"proplet_id", "dev5"}, {"chunk_size", 1'000}}.dump(), answers,
                         "id-42");
  std::set<std::string> chunks;
  for (int i = 0; i < 4; ++i) {
    const auto message = modern.wait([](const MqttMessage&) { return true; });
    ASSERT_TRUE(message) << i;
    EXPECT_EQ(message->correlation_data, "id-42") << message->topic;
    EXPECT_FALSE(message->content_type.empty()) << message->topic;
    if (message->topic.ends_with("/manifest")) continue;
    EXPECT_EQ(message->content_type, "application/wasm");
    EXPECT_TRUE(message->expiry_seconds.has_value());
    chunks.insert(message->payload);
  }
  EXPECT_TRUE(chunks.contains(module.substr(0, 1'000)));
  EXPECT_TRUE(chunks.contains(module.substr(2'000)));
}

TEST_F(Mqtt5, OldClientsAreServedByAnMqtt5Bridge) {
  const std::string module = wasm_module(600'000);
  const std::string name = push("m", module);
  start_bridge({{"PROXY_MQTT_VERSION", "5"}});
  support::RustProplet old(device_options(), topics);
  old.request(name);
  EXPECT_TRUE(old.wait_module(name) == module);
}

}  // namespace
}  // namespace propeller::integration
