// PROTOCOL 1.1 and 1.2: which topics, which quality of service, which client id, and the exact text of a chunk.
#include "integration/site.hpp"
#include "support/base64.hpp"

namespace propeller::integration {
namespace {

class TopicFamilies : public Site {
 protected:
  /// Starts a bridge, asks on these topics and returns the one chunk that comes.
  ChannelWatch::Event fetch_small(const Environment& overrides, const ChannelTopics& family) {
    const std::string name = push("add", wasm_module(600));
    start_bridge(overrides);
    ChannelWatch watch(device_options(), family);
    watch.request(name);
    const auto chunk = watch.wait_chunk(name, 0);
    EXPECT_TRUE(chunk);
    return chunk.value_or(ChannelWatch::Event{});
  }
};

TEST_F(TopicFamilies, OnlyAChannelIdMeansClassicWithQos1) {
  const auto chunk = fetch_small({{"PROXY_DOMAIN_ID", ""}}, support::classic_topics("c1"));
  EXPECT_EQ(chunk.qos, 1);
  EXPECT_FALSE(chunk.is_retained);
  EXPECT_NE(broker.log().find("as Proplet-bridge "), std::string::npos);
}

TEST_F(TopicFamilies, ADomainIdMeansDomainTopicsWithQos2) {
  const auto chunk = fetch_small({}, support::domain_topics("t1", "c1"));
  EXPECT_EQ(chunk.qos, 2);
  EXPECT_FALSE(chunk.is_retained);
  EXPECT_NE(broker.log().find("as bridge (p2, c1, k30, u'bridge')"), std::string::npos)
      << "MQTT 3.1.1, a clean session, keep-alive 30 s: " << broker.log();
  EXPECT_NE(broker.log().find("No will message specified"), std::string::npos);
}

TEST_F(TopicFamilies, DomainMessagesIsAnExplicitChoice) {
  const auto chunk =
      fetch_small({{"PROXY_TOPIC_FAMILY", "domain-messages"}}, support::domain_messages_topics("t1", "c1"));
  EXPECT_EQ(chunk.total, 1U);
}

TEST_F(TopicFamilies, QosIsAsConfigured) {
  const auto chunk = fetch_small({{"PROXY_MQTT_QOS", "1"}}, topics);
  EXPECT_EQ(chunk.qos, 1);
}

TEST_F(TopicFamilies, LaterNamesOfTheIdsAreUnderstood) {
  const auto chunk = fetch_small({{"PROXY_PROPLET_ID", ""},
                                  {"PROXY_PROPLET_KEY", ""},
                                  {"PROXY_DOMAIN_ID", ""},
                                  {"PROXY_CLIENT_ID", "other"},
                                  {"PROXY_CLIENT_KEY", "key"},
                                  {"PROXY_TENANT_ID", "t1"}},
                                 topics);
  EXPECT_EQ(chunk.index, 0U);
  EXPECT_NE(broker.log().find("as other "), std::string::npos);
}

TEST_F(TopicFamilies, IdsComeFromConfigTomlWhenTheVariablesAreEmpty) {
  const std::string name = push("add", wasm_module(600));
  const support::TempDir directory;
  support::write_file(
      directory / "config.toml",
      "[proxy]\ndomain_id = \"t1\"\nchannel_id = \"c1\"\nclient_id = \"from-file\"\nclient_key = \"key\"\n");
  auto variables = environment(
      {{"PROXY_PROPLET_ID", ""}, {"PROXY_PROPLET_KEY", ""}, {"PROXY_DOMAIN_ID", ""}, {"PROXY_CHANNEL_ID", ""}});
  Bridge from_file(variables, directory.path());
  ASSERT_TRUE(from_file.wait_healthy()) << from_file.process().output();
  ChannelWatch watch(device_options(), topics);
  watch.request(name);
  EXPECT_TRUE(watch.wait_chunk(name, 0));
}

TEST_F(TopicFamilies, SeveralChannelsAreServedByOneProcessEachForItself) {
  const std::string name = push("add", wasm_module(600));
  start_bridge({{"PROXY_CHANNEL_ID", "c1,c2,c3"}});
  ChannelWatch second(device_options(), support::domain_topics("t1", "c2"));
  ChannelWatch third(device_options(), support::domain_topics("t1", "c3"));
  third.request(name);
  ASSERT_TRUE(third.wait_status(name, "done"));
  ASSERT_TRUE(third.wait_chunk(name, 0)) << "which a status may overtake";
  second.request(name);
  ASSERT_TRUE(second.wait_chunk(name, 0));
  EXPECT_EQ(third.indices(name).size(), 1U);
}

TEST_F(TopicFamilies, AChunkIsCompactJsonInThisKeyOrder) {
  const std::string module = wasm_module(1000);
  const std::string name = push("add", module);
  start_bridge({{"PROXY_CHUNK_SIZE", "600"}});
  support::MqttClient device(device_options());
  device.subscribe(topics.chunks());
  device.publish(topics.request(), support::request_for(name));
  const auto first = device.wait_topic(topics.chunks()), second = device.wait_topic(topics.chunks());
  ASSERT_TRUE(first && second);
  EXPECT_EQ(first->payload, R"({"app_name":")" + name + R"(","chunk_idx":0,"total_chunks":2,"data":")" +
                                support::encode_base64(module.substr(0, 600)) + "\"}");
  EXPECT_EQ(second->payload, R"({"app_name":")" + name + R"(","chunk_idx":1,"total_chunks":2,"data":")" +
                                 support::encode_base64(module.substr(600)) + "\"}");
}

TEST_F(TopicFamilies, TheNameComesBackAsItWasAskedFor) {
  push("add", wasm_module(600));
  start_bridge();
  ChannelWatch watch(device_options(), topics);
  for (const std::string& name :
       {std::string("acme/add"), std::string("acme/add:latest"), "http://" + registry.host() + "/acme/add"}) {
    watch.request(name);
    EXPECT_TRUE(watch.wait_chunk(name, 0)) << name;
  }
}

}  // namespace
}  // namespace propeller::integration
