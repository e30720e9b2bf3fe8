// A registry that misbehaves, in every way the bridge has to survive: each ends in a `failed` status with its code, or
// is overcome.
#include <algorithm>
#include <set>

#include "integration/site.hpp"
#include "support/fake_registry.hpp"

namespace propeller::integration {
namespace {

using support::FakeRegistry;
using support::Fault;
using support::FaultKind;

class RegistryFaults : public Site {
 protected:
  /// Starts a bridge on the fake registry and asks for acme/m.
  void ask(const Environment& overrides = {}, const nlohmann::json& options = nlohmann::json::object()) {
    Environment all = overrides;
    all.try_emplace("PROXY_REGISTRY_URL", fake.url());
    if (!bridge) start_bridge(all);
    watch = std::make_unique<ChannelWatch>(device_options(), topics);
    device = std::make_unique<support::RustProplet>(device_options(), topics);
    nlohmann::json wish = options;
    wish["app_name"] = "acme/m";
    watch->request(wish);
  }
  void push_fake(const std::string& bytes) { fake.push_module("acme/m", "latest", bytes); }
  void expect_delivered() { EXPECT_TRUE(device->wait_module("acme/m", milliseconds(60'000)) == module); }
  void expect_refused(const std::string& code, milliseconds = kPatience) {
    EXPECT_EQ(failure_code(*watch, "acme/m"), code);
  }
  void expect_still_serving() {
    fake.clear_faults();
    fake.push_module("acme/alive", "latest", wasm_module(700, 9));
    watch->request(std::string("acme/alive"));
    EXPECT_TRUE(watch->wait_status("acme/alive", "done"));
  }

  FakeRegistry fake;
  const std::string module = wasm_module(2'000'000, 3);
  std::unique_ptr<ChannelWatch> watch;
  std::unique_ptr<support::RustProplet> device;
};

TEST_F(RegistryFaults, HangingIsEndedByTheDeadlineOfTheRequest) {
  push_fake(module);
  fake.inject("/manifests/", {.kind = FaultKind::hang});
  ask({}, {{"deadline_ms", 1'500}});
  expect_refused("timeout");
  expect_still_serving();
}

// Deployed clients wait 55 s and name no deadline: what hangs has to end within that.
TEST_F(RegistryFaults, HangingEndsInTimeoutWithoutADeadlineToo) {
  push_fake(module);
  fake.inject("/manifests/", {.kind = FaultKind::hang});
  ask({{"PROXY_REGISTRY_FIRST_BYTE_TIMEOUT", "300ms"}, {"PROXY_REGISTRY_ATTEMPTS", "2"}});
  expect_refused("timeout");
  EXPECT_EQ(fake.requests_with("/manifests/"), 2);
  const auto retry = bridge->process().wait_line("asking the registry again");
  ASSERT_TRUE(retry);
  EXPECT_NE(retry->find("transfer="), std::string::npos) << *retry;
  expect_still_serving();
}

TEST_F(RegistryFaults, HangingInTheMiddleIsResumedAndForEverEndsInTimeout) {
  push_fake(module);
  fake.inject("/blobs/", {.kind = FaultKind::hang_after, .bytes = 700'000, .times = 1});
  const Environment impatient{{"PROXY_REGISTRY_STALL_TIMEOUT", "500ms"}, {"PROXY_REGISTRY_ATTEMPTS", "2"}};
  ask(impatient);
  expect_delivered();
  EXPECT_EQ(fake.requests_with("/blobs/"), 2);
  bridge.reset();
  fake.inject("/blobs/", {.kind = FaultKind::hang_after, .bytes = 10'000});
  ask({{"PROXY_REGISTRY_STALL_TIMEOUT", "500ms"},
       {"PROXY_REGISTRY_ATTEMPTS", "2"},
       {"PROXY_SPOOL_DIR", (spool / "second").string()}});
  expect_refused("timeout");
}

// Bytes come all the time, so nothing stalls: at this rate it would take a day, and keep its place.
TEST_F(RegistryFaults, TricklingForEverEndsInTimeout) {
  push_fake(module);
  fake.inject("/blobs/", {.kind = FaultKind::trickle, .bytes = 10, .pause = milliseconds(100)});
  ask({{"PROXY_REGISTRY_STALL_TIMEOUT", "1s"}, {"PROXY_REGISTRY_ATTEMPTS", "2"}});
  expect_refused("timeout");
  expect_still_serving();
}

TEST_F(RegistryFaults, AnAnswerThatIsNoHttpIsRegistryUnavailable) {
  push_fake(module);
  fake.inject("/manifests/", {.kind = FaultKind::garbage});
  ask();
  expect_refused("registry_unavailable");
  expect_still_serving();
}

TEST_F(RegistryFaults, AManifestThatIsNoManifestIsRefused) {
  fake.push_manifest("acme/m", "latest", "\x01\x02 no JSON");
  ask();
  const std::string code = failure_code(*watch, "acme/m");
  EXPECT_TRUE(code == "no_module" || code == "registry_unavailable" || code == "bad_reference") << code;
  expect_still_serving();
}

TEST_F(RegistryFaults, EndlessHeadersAndAnEndlessManifestAreCutOff) {
  push_fake(module);
  fake.inject("/manifests/", {.kind = FaultKind::endless_head});
  ask();
  expect_refused("registry_unavailable");
  if (!support::kIsSanitized) {
    EXPECT_LT(bridge->process().memory_peak_bytes(), 64U * 1024 * 1024);
  }
  expect_still_serving();
}

TEST_F(RegistryFaults, AConnectionClosedInTheMiddleIsResumedWithRange) {
  push_fake(module);
  fake.inject("/blobs/", {.kind = FaultKind::close_after, .bytes = 700'000, .times = 1});
  ask();
  expect_delivered();
  EXPECT_LT(fake.body_bytes_sent(), module.size() + 500'000) << "the second attempt asked for the rest only";
}

TEST_F(RegistryFaults, ARegistryThatIgnoresRangeIsReadFromTheStart) {
  push_fake(module);
  fake.inject("/blobs/", {.kind = FaultKind::close_after, .bytes = 700'000, .times = 1});
  fake.inject("/blobs/", {.kind = FaultKind::ignore_range});
  ask();
  expect_delivered();
}

TEST_F(RegistryFaults, ClosingForEverIsGivenUp) {
  push_fake(module);
  fake.inject("/blobs/", {.kind = FaultKind::close_after, .bytes = 10'000});
  ask();
  expect_refused("registry_unavailable");
  EXPECT_FALSE(watch->wait_chunk("acme/m", 3, milliseconds(0)));
}

TEST_F(RegistryFaults, ServerErrorsAndTooManyRequestsAreTriedAgain) {
  push_fake(module);
  fake.inject("/manifests/", {.kind = FaultKind::status, .status = 503, .times = 1});
  fake.inject("/manifests/", {.kind = FaultKind::status, .status = 429, .value = "1", .times = 1});
  fake.inject("/blobs/", {.kind = FaultKind::status, .status = 502, .times = 1});
  ask();
  expect_delivered();
  const auto summary = bridge->process().wait_line(" done transfer=");
  ASSERT_TRUE(summary);
  EXPECT_NE(summary->find("retries=3"), std::string::npos) << *summary;
  EXPECT_EQ(bridge->metric("propeller_bridge_registry_retries_total"), 3);
}

TEST_F(RegistryFaults, ContentLengthThatLiesEitherWay) {
  push_fake(module);
  fake.inject("/blobs/", {.kind = FaultKind::short_length, .bytes = 1'000});
  ask();
  EXPECT_NE(failure_code(*watch, "acme/m"), "done");
  bridge.reset();
  fake.clear_faults();
  fake.inject("/blobs/", {.kind = FaultKind::long_length, .bytes = 1'000});
  ask({{"PROXY_SPOOL_DIR", (spool / "second").string()}});
  // All that was promised by the manifest comes; what Content-Length says beyond is an error or is not waited for.
  const std::string code = failure_code(*watch, "acme/m");
  EXPECT_TRUE(code == "done" || code == "registry_unavailable" || code == "digest_mismatch") << code;
}

TEST_F(RegistryFaults, MoreBytesThanTheManifestSaysAreNotDelivered) {
  push_fake(module);
  fake.inject("/blobs/", {.kind = FaultKind::more_bytes, .bytes = 100'000});
  ask();
  const std::string code = failure_code(*watch, "acme/m");
  EXPECT_TRUE(code == "registry_unavailable" || code == "digest_mismatch" || code == "too_large") << code;
  EXPECT_FALSE(watch->wait_chunk("acme/m", 3, milliseconds(0)));
}

TEST_F(RegistryFaults, RedirectsForEverEnd) {
  push_fake(module);
  fake.inject("/blobs/", {.kind = FaultKind::redirect_loop});
  ask();
  expect_refused("registry_unavailable");
  EXPECT_LT(fake.requests_with("/blobs/"), 200);
  expect_still_serving();
}

TEST_F(RegistryFaults, ARedirectToAnotherHostIsFollowedWithoutTheCredentials) {
  FakeRegistry storage;
  storage.push_blob("acme/m", module);
  FakeRegistry front({.auth = support::FakeAuth::basic, .username = "bridge", .password = "secret"});
  front.push_module("acme/m", "latest", module);
  front.inject("/blobs/", {.kind = FaultKind::redirect,
                           .value = storage.url() + "/v2/acme/m/blobs/" + support::sha256_digest(module)});
  ask({{"PROXY_REGISTRY_URL", front.url()},
       {"PROXY_AUTHENTICATE", "true"},
       {"PROXY_REGISTRY_USERNAME", "bridge"},
       {"PROXY_REGISTRY_PASSWORD", "secret"}});
  expect_delivered();
  ASSERT_FALSE(storage.requests().empty());
  for (const auto& request : storage.requests()) EXPECT_EQ(request.field("authorization"), "");
}

TEST_F(RegistryFaults, WrongBytesNeverCompleteAtADeviceAndTheNameRests) {
  // Begins like the right one, and differs in its last byte only.
  std::string corrupt = module;
  corrupt.back() ^= 1;
  push_fake(module);
  const std::string other = fake.push_blob("acme/m", corrupt);
  fake.inject("/blobs/" + support::sha256_digest(module),
              {.kind = FaultKind::redirect, .value = fake.url() + "/v2/acme/m/blobs/" + other});
  ask({{"PROXY_MQTT_QOS", "1"}});  // as the statuses, so that what was sent before them comes before them
  expect_refused("digest_mismatch");
  EXPECT_FALSE(watch->wait_chunk("acme/m", 3, milliseconds(0))) << "the last chunk waits for the digest";
  fake.clear_faults();
  watch->request(std::string("acme/m"));
  ASSERT_TRUE(wait_until([&] {
    return watch->count([](const auto& event) {
      return event.status.is_object() && event.status.value("state", "") == "failed";
    }) == 2;
  }));
  // Devices may hold a part of the corrupt set for 300 s. What was in flight may come behind the status.
  const auto indices = watch->indices("acme/m");
  EXPECT_EQ(std::set(indices.begin(), indices.end()).size(), indices.size()) << "no second set";
  EXPECT_EQ(std::ranges::count(indices, 3U), 0);
  expect_still_serving();
}

TEST_F(RegistryFaults, AWrongByteInASmallModuleSendsNothingAtAll) {
  push_fake(wasm_module(600));
  fake.inject("/blobs/", {.kind = FaultKind::wrong_bytes});
  ask();
  const std::string code = failure_code(*watch, "acme/m");
  EXPECT_TRUE(code == "digest_mismatch" || code == "no_module") << code;
  EXPECT_TRUE(watch->indices("acme/m").empty());
}

TEST_F(RegistryFaults, AManifestThatIsNotWhatItsDigestSaysIsAMismatch) {
  const std::string digest = fake.push_module("acme/m", "latest", module);
  fake.inject("/manifests/", {.kind = FaultKind::wrong_bytes});
  start_bridge({{"PROXY_REGISTRY_URL", fake.url()}});
  ChannelWatch listener(device_options(), topics);
  const std::string name = "acme/m@" + digest;
  listener.request(name);
  EXPECT_EQ(failure_code(listener, name), "digest_mismatch");
}

TEST_F(RegistryFaults, RequestsWhileADownloadIsStuckAreServedFromElsewhere) {
  push_fake(module);
  fake.push_module("acme/other", "latest", wasm_module(800, 4));
  fake.inject("acme/m/blobs/", {.kind = FaultKind::hang_after, .bytes = 100'000});
  ask();
  ASSERT_TRUE(wait_until([&] { return fake.requests_with("acme/m/blobs/") > 0; }));
  watch->request(std::string("acme/other"));
  EXPECT_TRUE(watch->wait_status("acme/other", "done"));
}

TEST_F(RegistryFaults, AnExpiredTokenInTheMiddleIsReplaced) {
  FakeRegistry secured({.auth = support::FakeAuth::bearer});
  secured.push_module("acme/m", "latest", module);
  ask({{"PROXY_REGISTRY_URL", secured.url()}});
  ASSERT_TRUE(watch->wait_status("acme/m", "done"));
  secured.revoke_tokens();
  secured.push_module("acme/n", "latest", wasm_module(900, 8));
  secured.push_module("acme/m", "latest", wasm_module(900, 9));
  watch->clear();
  watch->request(std::string("acme/m"));
  EXPECT_TRUE(watch->wait_status("acme/m", "done"));
}

}  // namespace
}  // namespace propeller::integration
