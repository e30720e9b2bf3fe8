// Nothing a request says can crash, block or grow the bridge.
#include <set>

#include "integration/site.hpp"

namespace propeller::integration {
namespace {

constexpr std::uint64_t kMiB = 1024 * 1024;

class HostileRequests : public Site {
 protected:
  HostileRequests() : Site({.is_log_verbose = false, .extra = "max_queued_messages 0\n"}) {}

  void expect_still_serving() {
    const std::string module = wasm_module(700, 9);
    const std::string name = push("alive", module);
    support::RustProplet device(device_options(), topics);
    device.request(name);
    EXPECT_TRUE(device.wait_module(name, kPatience) == module);
    EXPECT_TRUE(bridge->process().is_running());
    EXPECT_EQ(bridge->get("/health").status, 200);
  }
};

TEST_F(HostileRequests, WhatIsNoRequestIsABadRequest) {
  start_bridge();
  ChannelWatch watch(device_options(), topics);
  const std::string deep(5'000, '[');
  for (const std::string& text :
       {std::string("not JSON"), std::string(""), std::string("{"), std::string("[]"), std::string("null"),
        std::string("42"), std::string("{}"), std::string(R"({"app_name":42})"), std::string(R"({"app_name":null})"),
        std::string(R"({"app_name":["x"]})"), std::string("\xff\xfe\x00\x01", 4), std::string(R"({"app_name":""})"),
        deep, R"({"x":)" + deep}) {
    watch.clear();
    watch.client().publish(topics.request(), text);
    EXPECT_EQ(failure_code(watch, ""), "bad_request") << text.substr(0, 60);
  }
  expect_still_serving();
}

TEST_F(HostileRequests, WrongTypesOfOptionsAreABadRequestUnderTheNameAsked) {
  start_bridge();
  ChannelWatch watch(device_options(), topics);
  for (const char* option : {R"("deliver":"carrier pigeon")", R"("encoding":7)", R"("compression":"rar")",
                             R"("chunk_size":-1)", R"("chunk_size":"big")", R"("window":1e300)", R"("missing":"9-3")",
                             R"("missing":{})", R"("digest":"md5:1")", R"("deadline_ms":-5)", R"("proplet_id":{})"}) {
    watch.clear();
    watch.client().publish(topics.request(), std::string(R"({"app_name":"acme/m",)") + option + "}");
    EXPECT_EQ(failure_code(watch, "acme/m"), "bad_request") << option;
  }
  expect_still_serving();
}

TEST_F(HostileRequests, UnknownFieldsAreIgnored) {
  const std::string name = push("m", wasm_module(600));
  start_bridge();
  ChannelWatch watch(device_options(), topics);
  watch.request(nlohmann::json{{"app_name", name}, {"colour", "blue"}, {"nested", {{"a", {1, 2, 3}}}}});
  EXPECT_TRUE(watch.wait_status(name, "done"));
}

TEST_F(HostileRequests, TenMegabytesOfGarbageAreRefusedInBoundedMemory) {
  start_bridge();
  ChannelWatch watch(device_options(), topics);
  const std::uint64_t before = bridge->process().memory_bytes();
  for (int i = 0; i < 5; ++i) {
    watch.clear();
    watch.client().publish(topics.request(), support::random_bytes(10'000'000, static_cast<std::uint64_t>(i)));
    EXPECT_EQ(failure_code(watch, ""), "bad_request");
  }
  watch.clear();
  watch.client().publish(topics.request(), R"({"app_name":")" + std::string(10'000'000, 'a') + "\"}");
  EXPECT_EQ(failure_code(watch, ""), "bad_request");
  expect_still_serving();
  if (!support::kIsSanitized) {
    EXPECT_LT(bridge->process().memory_bytes(), before + 40 * kMiB);
  }
}

TEST_F(HostileRequests, TenThousandAtOnceAreBoundedAndTheRestIsOverloaded) {
  constexpr int kRequests = 10'000;
  support::DelayRelay slow_registry({.target_port = registry.port()});
  slow_registry.stall();
  start_bridge({{"PROXY_REGISTRY_URL", "http://127.0.0.1:" + std::to_string(slow_registry.port())},
                {"PROXY_MAX_TRANSFERS", "100"},
                {"PROXY_LOG_LEVEL", "warn"}});
  ChannelWatch watch(device_options(), topics);
  support::MqttClient crowd(device_options());
  for (int i = 0; i < kRequests; ++i)
    crowd.publish_later(topics.request(), support::request_for("acme/m" + std::to_string(i)));
  EXPECT_TRUE(wait_until([&] { return bridge->metric("propeller_bridge_requests_total") >= kRequests; }));
  EXPECT_TRUE(watch.wait(
      [](const auto& event) { return event.status.is_object() && event.status.value("code", "") == "overloaded"; }));
  EXPECT_TRUE(bridge->process().is_running());
  if (!support::kIsSanitized) {
    EXPECT_LT(bridge->process().memory_peak_bytes(), 96 * kMiB);
  }
  slow_registry.resume();
  // Every one of them hears how it ended: what is in no registry as that, the others as overloaded.
  const auto answered = [&] {
    std::set<std::string> names;
    for (const auto& event : watch.events())
      if (event.status.is_object() && event.status.value("state", "") == "failed") names.insert(event.app_name);
    return names.size();
  };
  EXPECT_TRUE(wait_until([&] { return answered() == kRequests; })) << answered();
  EXPECT_EQ(bridge->metric("propeller_bridge_statuses_dropped_total"), 0);
  EXPECT_EQ(bridge->metric("propeller_bridge_messages_dropped_total"), 0);
  ASSERT_TRUE(wait_until([&] { return bridge->metric("propeller_bridge_transfers_waiting") == 0; }));
  const std::string module = wasm_module(700, 9);
  push("alive", module);
  support::RustProplet device(device_options(), topics);
  device.request("acme/alive");
  EXPECT_TRUE(device.wait_module("acme/alive", kPatience) == module);
}

TEST_F(HostileRequests, AcknowledgementsForNothingAreIgnored) {
  start_bridge();
  support::MqttClient device(device_options());
  for (const char* text :
       {R"({"transfer":"nothing","ack":5})", R"({"transfer":"x","missing":"0-18446744073709551615"})",
        R"({"transfer":"","ack":0})", R"({"transfer":"x","ack":-1})"})
    device.publish(topics.request(), text);
  expect_still_serving();
}

TEST_F(HostileRequests, NamesOfAThousandBytesAreHandled) {
  start_bridge();
  ChannelWatch watch(device_options(), topics);
  const std::string name = "acme/" + std::string(1'000, 'a');
  watch.request(name);
  const std::string code = failure_code(watch, name);
  EXPECT_TRUE(code == "bad_reference" || code == "not_found") << code;
  expect_still_serving();
}

}  // namespace
}  // namespace propeller::integration
