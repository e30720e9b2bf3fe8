// What a registry can do to us, and what becomes of it: each ends in a code, in bounded time and memory.
#include <arpa/inet.h>
#include <gmock/gmock.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <thread>

#include "async/task_group.hpp"
#include "registry/blob_download.hpp"
#include "registry/client_fixture.hpp"
#include "support/name_server.hpp"

namespace propeller::registry {
namespace {

using namespace std::chrono_literals;
using support::FakeRegistry;
using support::Fault;
using support::FaultKind;
using testing::HasSubstr;

class ClientFault : public testing::Test {
 protected:
  ClientFault() { registry.push_module("acme/add", "v1", module); }

  void expect_failure(Code code, std::string_view detail = "") {
    const auto fetched = site.fetch("acme/add:v1");
    ASSERT_FALSE(fetched) << "was fetched";
    EXPECT_EQ(fetched.error().code, code) << fetched.error().detail;
    EXPECT_THAT(fetched.error().detail, HasSubstr(detail));
  }
  void expect_module() {
    const auto fetched = site.fetch("acme/add:v1");
    ASSERT_TRUE(fetched) << describe(fetched.error());
    EXPECT_TRUE(*fetched == module);
  }

  std::string module = large_module(1'000'000);
  FakeRegistry registry;
  Site site{registry};
};

TEST_F(ClientFault, NobodyListensIsRetriedAndThenUnavailable) {
  Site nowhere("http://127.0.0.1:" + std::to_string(support::free_port()));
  const auto fetched = nowhere.fetch("acme/add:v1");
  ASSERT_FALSE(fetched);
  EXPECT_EQ(fetched.error().code, Code::registry_unavailable);
  EXPECT_EQ(nowhere.client().retries(), nowhere.settings.attempts_max - 1);
}

TEST_F(ClientFault, HangingBeforeTheAnswerIsATimeout) {
  site.settings.first_byte_timeout = 50ms;
  site.settings.attempts_max = 2;
  registry.inject("/manifests/", {.kind = FaultKind::hang});
  expect_failure(Code::timeout, "did not answer");
  EXPECT_EQ(registry.requests_with("/manifests/"), 2);
}

// The system asks for IPv4 and IPv6 at once, and waits for both for longer than a connection may take.
TEST_F(ClientFault, ANameServerThatIsSilentAboutIpv6) {
  const support::NameServer names;
  if (!names.is_listening()) GTEST_SKIP() << "port 53 is not for this user";
  const support::TempDir directory;
  std::thread([&] {
    ASSERT_TRUE(names.take_over(directory.path() / "resolv.conf"));
    Site named("http://registry.test:" + std::to_string(registry.port()));
    named.settings.connect_timeout = 500ms;
    const auto fetched = named.fetch("acme/add:v1");
    ASSERT_TRUE(fetched) << describe(fetched.error());
    EXPECT_TRUE(*fetched == module);
    EXPECT_EQ(named.client().retries(), 1U);
    EXPECT_GE(names.unanswered(), 1);
  }).join();
}

TEST_F(ClientFault, AnAddressThatSwallowsPacketsIsATimeout) {
  // A listener whose queue is full drops further connection requests, as a firewall would.
  const int listener = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t length = sizeof address;
  ASSERT_EQ(::bind(listener, reinterpret_cast<sockaddr*>(&address), length), 0);
  ASSERT_EQ(::listen(listener, 0), 0);
  ASSERT_EQ(::getsockname(listener, reinterpret_cast<sockaddr*>(&address), &length), 0);
  std::vector<int> fillers;
  for (int i = 0; i < 3; ++i) {
    fillers.push_back(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
    ::connect(fillers.back(), reinterpret_cast<sockaddr*>(&address), length);
  }
  Site swallowed("http://127.0.0.1:" + std::to_string(ntohs(address.sin_port)));
  swallowed.settings.connect_timeout = 100ms;
  swallowed.settings.attempts_max = 1;
  const auto resolved = swallowed.resolve("acme/add:v1");
  for (const int filler : fillers) ::close(filler);
  ::close(listener);
  ASSERT_FALSE(resolved);
  EXPECT_EQ(resolved.error().code, Code::timeout);
  EXPECT_THAT(resolved.error().detail, HasSubstr("could not be reached"));
}

TEST_F(ClientFault, HangingInTheMiddleIsResumedFromThere) {
  site.settings.stall_timeout = 100ms;
  registry.inject("/blobs/", {.kind = FaultKind::hang_after, .bytes = 300'000, .times = 1});
  expect_module();
  EXPECT_EQ(registry.requests().back().field("range"), "bytes=300000-");
}

TEST_F(ClientFault, HangingAgainAndAgainWithoutProgressIsATimeout) {
  site.settings.stall_timeout = 50ms;
  registry.inject("/blobs/", {.kind = FaultKind::hang_after, .bytes = 0});
  expect_failure(Code::timeout, "stopped sending");
  EXPECT_EQ(registry.requests_with("/blobs/"), static_cast<int>(site.settings.attempts_max));
}

TEST_F(ClientFault, AClosedConnectionIsResumedAsOftenAsThereIsProgress) {
  registry.inject("/blobs/", {.kind = FaultKind::close_after, .bytes = 100'000, .times = 9});
  expect_module();
  EXPECT_EQ(registry.requests_with("/blobs/"), 10);
  EXPECT_EQ(site.client().retries(), 9u);
}

// Attempts begin anew with progress, so a registry that gives a little each time needs a bound of its own.
TEST_F(ClientFault, ARegistryThatGivesLittleEachTimeIsGivenUp) {
  registry.inject("/blobs/", {.kind = FaultKind::close_after, .bytes = 1});
  expect_failure(Code::registry_unavailable);
  EXPECT_EQ(registry.requests_with("/blobs/"), static_cast<int>(site.settings.attempts_max));
}

TEST_F(ClientFault, ResumesHaveALimitEvenWithProgress) {
  module = large_module((BlobDownload::kResumesMax + 2) * 66'000);
  registry.push_module("acme/add", "v1", module);
  registry.inject("/blobs/", {.kind = FaultKind::close_after, .bytes = 66'000});
  expect_failure(Code::registry_unavailable);
  EXPECT_EQ(registry.requests_with("/blobs/"), static_cast<int>(BlobDownload::kResumesMax) + 1);
}

TEST_F(ClientFault, ARegistryThatIgnoresRangeIsReadAgainFromTheBeginning) {
  registry.inject("/blobs/", {.kind = FaultKind::close_after, .bytes = 400'000, .times = 1});
  registry.inject("/blobs/", {.kind = FaultKind::ignore_range, .times = 1});
  expect_module();
}

TEST_F(ClientFault, AContentRangeFromElsewhereIsNotBelieved) {
  site.settings.attempts_max = 2;
  registry.inject("/blobs/", {.kind = FaultKind::close_after, .bytes = 40'000, .times = 1});
  registry.inject("/blobs/", {.kind = FaultKind::wrong_range});
  expect_failure(Code::registry_unavailable, "range");
}

TEST_F(ClientFault, AContentLengthThatIsTooLongIsNamed) {
  registry.inject("/blobs/", {.kind = FaultKind::long_length, .bytes = 5});
  expect_failure(Code::registry_unavailable, "announced a length of 1000005 bytes");
}

TEST_F(ClientFault, AContentLengthThatIsTooShortIsNamed) {
  registry.inject("/blobs/", {.kind = FaultKind::short_length, .bytes = 5});
  expect_failure(Code::registry_unavailable, "announced a length of 999995 bytes");
}

TEST_F(ClientFault, MoreBytesThanTheManifestSaysAreAMismatch) {
  const std::string padding = large_module(300'000);
  const auto digest = Digest::parse(registry.push_blob("acme/add", padding)).value();
  registry.inject("/blobs/", {.kind = FaultKind::no_length});
  const auto fetched = run(site.context, fetch_blob(site.client(), site.reference("acme/add"), digest, 200'000));
  ASSERT_FALSE(fetched);
  EXPECT_EQ(fetched.error().code, Code::digest_mismatch);
}

TEST_F(ClientFault, ABlobWithoutALengthIsTakenByTheManifestsSize) {
  registry.inject("/blobs/", {.kind = FaultKind::no_length});
  expect_module();
}

TEST_F(ClientFault, WrongBytesAreAMismatchAndTheEndIsNeverReported) {
  registry.inject("/blobs/", {.kind = FaultKind::wrong_bytes});
  expect_failure(Code::digest_mismatch);
  EXPECT_EQ(registry.requests_with("/blobs/"), 1);
}

TEST_F(ClientFault, GarbageInsteadOfHttpIsUnavailable) {
  registry.inject("/v2/", {.kind = FaultKind::garbage});
  expect_failure(Code::registry_unavailable);
}

TEST_F(ClientFault, AHeadWithoutEndIsCutOff) {
  registry.inject("/v2/", {.kind = FaultKind::endless_head});
  expect_failure(Code::registry_unavailable, "header fields");
}

TEST_F(ClientFault, RedirectLoopsEnd) {
  registry.inject("/blobs/", {.kind = FaultKind::redirect_loop});
  expect_failure(Code::registry_unavailable, "for ever");
  EXPECT_EQ(registry.requests_with("/blobs/"), Transport::kRedirectsMax + 1);
}

TEST_F(ClientFault, RedirectsToNoHttpAreRefused) {
  registry.inject("/blobs/", {.kind = FaultKind::redirect, .value = "file:///etc/hostname"});
  expect_failure(Code::registry_unavailable);
}

TEST_F(ClientFault, TooManyRequestsIsTriedAgainAfterTheTimeItAsksFor) {
  registry.inject("/manifests/", {.kind = FaultKind::status, .status = 429, .value = "1", .times = 1});
  const auto begin = std::chrono::steady_clock::now();
  expect_module();
  EXPECT_GE(std::chrono::steady_clock::now() - begin, 1s);
  EXPECT_EQ(site.client().retries(), 1u);
}

TEST_F(ClientFault, ServerErrorsAreTriedAgainUpToTheLimit) {
  registry.inject("/manifests/", {.kind = FaultKind::status, .status = 503, .times = 3});
  expect_module();
  EXPECT_EQ(site.client().retries(), 3u);
  registry.inject("/blobs/", {.kind = FaultKind::status, .status = 500});
  expect_failure(Code::registry_unavailable, "answered 500");
  EXPECT_EQ(registry.requests_with("/blobs/"), 1 + static_cast<int>(site.settings.attempts_max));
}

TEST_F(ClientFault, RefusalsAreNotTriedAgain) {
  for (const auto& [status, code] : std::vector<std::pair<int, Code>>{{403, Code::unauthorized},
                                                                      {404, Code::not_found},
                                                                      {400, Code::registry_unavailable},
                                                                      {501, Code::registry_unavailable}}) {
    registry.clear_faults();
    registry.inject("/manifests/", {.kind = FaultKind::status, .status = status});
    expect_failure(code);
  }
  EXPECT_EQ(site.client().retries(), 0u);
}

TEST_F(ClientFault, ATrickleIsNoStall) {
  site.settings.stall_timeout = 1s;
  module = large_module(2'000);
  registry.push_module("acme/add", "v1", module);
  registry.inject("/blobs/", {.kind = FaultKind::trickle, .bytes = 100, .pause = 5ms});
  expect_module();
  EXPECT_EQ(registry.requests_with("/blobs/"), 1);
}

// The memory promise: what the reader does not take stays with the registry. And the time we hold it back is no stall.
TEST_F(ClientFault, AReaderThatWaitsHoldsTheRegistryBackAndIsNoStall) {
  constexpr std::size_t kSize = 64 * 1024 * 1024;
  FakeRegistry slow({.send_buffer_bytes = 64 * 1024});
  module = large_module(kSize);
  const auto digest = Digest::parse(slow.push_blob("acme/large", module)).value();
  Site reader(slow);
  reader.settings.stall_timeout = 200ms;
  const auto blob = run(reader.context, reader.client().open_blob(reader.reference("acme/large"), digest, kSize));
  ASSERT_TRUE(blob);
  // The loop turns without anybody reading, for longer than the stall time-out.
  reader.context.restart();
  reader.context.run_for(600ms);
  EXPECT_LT(slow.body_bytes_sent(), kSize / 2);
  std::size_t received = 0;
  for (;;) {
    const auto bytes = run(reader.context, (*blob)->read(1 << 20));
    ASSERT_TRUE(bytes) << describe(bytes.error());
    if (bytes->empty()) break;
    received += bytes->size();
  }
  EXPECT_EQ(received, kSize);
  EXPECT_EQ(slow.requests().size(), 1u);
}

TEST_F(ClientFault, CancellationAtAnyAwaitLeavesTheClientUsable) {
  for (const char* path : {"/manifests/", "/blobs/"}) {
    for (const FaultKind kind : {FaultKind::hang, FaultKind::hang_after, FaultKind::status}) {
      registry.clear_faults();
      registry.inject(path, {.kind = kind, .bytes = 3, .status = 503, .value = "20"});
      const int before = registry.requests_with(path);
      async::TaskGroup group(site.context.get_executor());
      bool has_ended = false;
      const auto task = [](Client& client, Reference reference, bool& ended) -> async::awaitable<void> {
        [[maybe_unused]] const auto fetched = co_await fetch_image(client, reference);
        ended = true;
      };
      group.spawn(task(site.client(), site.reference("acme/add:v1"), has_ended));
      const auto deadline = std::chrono::steady_clock::now() + support::kPatience;
      site.context.restart();
      while (registry.requests_with(path) == before && std::chrono::steady_clock::now() < deadline)
        site.context.run_one_for(10ms);
      site.context.run_for(20ms);  // lets the answer's beginning arrive, so that different awaits are hit
      group.cancel();
      site.context.restart();
      while (group.size() > 0 && std::chrono::steady_clock::now() < deadline) site.context.run_one_for(10ms);
      EXPECT_EQ(group.size(), 0u);
      EXPECT_FALSE(has_ended);
    }
  }
  registry.clear_faults();
  expect_module();
}

TEST_F(ClientFault, ManyAtOnceEachGetTheirOwn) {
  constexpr int kImages = 20;
  std::vector<std::string> modules;
  for (int i = 0; i < kImages; ++i) {
    modules.push_back(large_module(50'000 + static_cast<std::size_t>(i) * 10'000) + std::to_string(i));
    registry.push_module("acme/many", "v" + std::to_string(i), modules.back());
  }
  registry.inject("/blobs/", {.kind = FaultKind::close_after, .bytes = 10'000, .times = 5});
  registry.inject("/blobs/", {.kind = FaultKind::status, .status = 503, .times = 5});
  async::TaskGroup group(site.context.get_executor());
  int right = 0;
  const auto task = [](Site& from, int n, const std::string& wanted, int& count) -> async::awaitable<void> {
    const auto fetched = co_await fetch_image(from.client(), from.reference("acme/many:v" + std::to_string(n)));
    if (fetched && *fetched == wanted) ++count;
  };
  for (int i = 0; i < kImages; ++i) group.spawn(task(site, i, modules[static_cast<std::size_t>(i)], right));
  site.context.restart();
  site.context.run_for(support::kPatience);
  EXPECT_EQ(right, kImages);
}

}  // namespace
}  // namespace propeller::registry
