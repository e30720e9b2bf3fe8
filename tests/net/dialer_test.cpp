#include "net/dialer.hpp"

#include <gtest/gtest.h>

#include <atomic>
#include <functional>
#include <optional>
#include <semaphore>

#include "async/task_group.hpp"
#include "net/dial.hpp"
#include "net/loopback.hpp"

namespace propeller::net {
namespace {

asio::ip::address address(const char* text) { return asio::ip::make_address(text); }
std::chrono::steady_clock::time_point in(std::chrono::milliseconds time) {
  return std::chrono::steady_clock::now() + time;
}

const Addresses kKnown{address("192.0.2.1")};

/// A system that knows every name.
struct System {
  Result<Addresses> operator()(const std::string&) {
    gate.acquire();
    gate.release();
    if (const auto code = failure.load()) return fail(*code, Origin::upstream, "no answer");
    return kKnown;
  }
  /// Nobody is answered until resume(), which has to come before the resolver goes.
  void hold() { gate.acquire(); }
  void resume() { gate.release(); }

  std::atomic<std::optional<Code>> failure{std::nullopt};
  std::counting_semaphore<> gate{1};
};

/// A resolver whose system is a function of the test.
struct Names {
  explicit Names(Loop& loop, std::function<Result<Addresses>(const std::string&)> answer, ResolverOptions options = {})
      : resolver(loop.executor(), pool, with(std::move(options), std::move(answer))) {}
  ~Names() { pool.join(); }

  ResolverOptions with(ResolverOptions options, std::function<Result<Addresses>(const std::string&)> answer) {
    options.look_up = [this, answer = std::move(answer)](const std::string& host) {
      ++questions;
      return answer(host);
    };
    return options;
  }

  std::atomic<int> questions{0};
  asio::thread_pool pool{4};
  Resolver resolver;
};

awaitable<void> resolve(Resolver& resolver, std::string host, Result<Addresses>& result,
                        std::chrono::milliseconds patience = 5s) {
  result = co_await resolver.resolve(std::move(host), in(patience));
}

awaitable<void> dial(Dialer& dialer, DialRequest request, Result<std::unique_ptr<TcpStream>>& result) {
  result = co_await dialer.dial(std::move(request));
}

TEST(Resolver, ManyWhoAskAtOnceCauseOneQuestionAndTheAnswerIsKept) {
  Loop loop;
  System system;
  Names names(loop, std::ref(system));
  std::vector<Result<Addresses>> results(50);
  for (auto& result : results) loop.spawn(resolve(names.resolver, "Example.org", result));
  loop.run();
  for (const auto& result : results) EXPECT_EQ(result.value(), kKnown);
  loop.run(resolve(names.resolver, "example.ORG", results[0]));
  EXPECT_EQ(names.questions, 1);
}

TEST(Resolver, AnAnswerIsForgottenAfterItsTimeAndAFailureSooner) {
  Loop loop;
  System system;
  system.failure = Code::dns_failed;
  Names names(loop, std::ref(system), {.kept_for = 60s, .failure_kept_for = 20ms});
  Result<Addresses> result;
  loop.run(resolve(names.resolver, "late.example", result));
  EXPECT_EQ(result.error().code, Code::dns_failed);
  system.failure = std::nullopt;
  loop.run(resolve(names.resolver, "late.example", result));
  EXPECT_FALSE(result);
  EXPECT_EQ(names.questions, 1);
  loop.run(async::sleep_for(25ms));
  loop.run(resolve(names.resolver, "late.example", result));
  EXPECT_TRUE(result);
}

TEST(Resolver, WhileNoNameServerAnswersTheAddressesOfBeforeServe) {
  Loop loop;
  System system;
  Names names(loop, std::ref(system), {.kept_for = 20ms, .failure_kept_for = 20ms});
  Result<Addresses> result;
  for (int times = 0; times < 3; ++times) {
    loop.run(resolve(names.resolver, "site.example", result));
    EXPECT_EQ(result.value(), kKnown) << times;
    system.failure = Code::timeout;
    loop.run(async::sleep_for(25ms));
  }
  EXPECT_EQ(names.questions, 3);
  system.failure = Code::dns_failed;
  loop.run(resolve(names.resolver, "site.example", result));
  EXPECT_EQ(result.error().code, Code::dns_failed) << "that there is no such name is an answer";
  system.failure = Code::timeout;
  loop.run(async::sleep_for(25ms));
  loop.run(resolve(names.resolver, "site.example", result));
  EXPECT_EQ(result.error().code, Code::dns_failed) << "which ends the addresses of before";
}

TEST(Resolver, WhoIsNotAnsweredInTimeGetsTheAddressesOfBefore) {
  Loop loop;
  System system;
  Names names(loop, std::ref(system), {.kept_for = 20ms, .late_after = 50ms});
  Result<Addresses> result;
  loop.run(resolve(names.resolver, "site.example", result));
  system.hold();
  loop.run(async::sleep_for(25ms));
  loop.run(resolve(names.resolver, "site.example", result, 30s));
  EXPECT_EQ(result.value(), kKnown);
  loop.run(resolve(names.resolver, "site.example", result, 30s));
  EXPECT_TRUE(result);
  EXPECT_EQ(names.questions, 2) << "the second one is under way";
  system.resume();
}

TEST(Resolver, WhereTooManyNamesAreLookedUpTheAddressesOfBeforeServe) {
  Loop loop;
  System system;
  Names names(loop, std::ref(system),
              {.kept_for = 20ms, .late_after = 20ms, .failure_kept_for = 1ms, .lookups_max = 1});
  Result<Addresses> result;
  loop.run(resolve(names.resolver, "site.example", result));
  system.hold();
  loop.run(async::sleep_for(25ms));
  loop.run(resolve(names.resolver, "other.example", result, 20ms));
  EXPECT_EQ(result.error().code, Code::timeout);
  for (int times = 0; times < 2; ++times) {
    loop.run(resolve(names.resolver, "site.example", result));
    EXPECT_EQ(result.value(), kKnown) << times;
    loop.run(async::sleep_for(5ms));
  }
  system.resume();
}

TEST(Resolver, OldAddressesServeForTheirTimeOnly) {
  Loop loop;
  System system;
  Names names(loop, std::ref(system), {.kept_for = 10ms, .old_kept_for = 20ms});
  Result<Addresses> result;
  loop.run(resolve(names.resolver, "site.example", result));
  system.failure = Code::timeout;
  loop.run(async::sleep_for(25ms));
  loop.run(resolve(names.resolver, "site.example", result));
  EXPECT_EQ(result.error().code, Code::dns_failed);
}

TEST(Resolver, AnAddressIsItsOwnAnswer) {
  Loop loop;
  Names names(loop, [](const std::string&) { return Addresses{}; });
  Result<Addresses> result;
  loop.run(resolve(names.resolver, "2001:db8::1", result));
  EXPECT_EQ(result.value(), Addresses{address("2001:db8::1")});
  EXPECT_EQ(names.questions, 0);
}

TEST(Resolver, KeepsABoundedNumberOfNames) {
  Loop loop;
  System system;
  Names names(loop, std::ref(system), {.entries_max = 3});
  Result<Addresses> result;
  for (const char* host : {"a", "b", "c", "a", "d"}) loop.run(resolve(names.resolver, host, result));
  EXPECT_EQ(names.resolver.size(), 3u);
  loop.run(resolve(names.resolver, "a", result));
  EXPECT_EQ(names.questions, 4);
  loop.run(resolve(names.resolver, "b", result));
  EXPECT_EQ(names.questions, 5);
}

TEST(Resolver, BoundsTheQuestionsUnderWayAndTheWaitForThem) {
  Loop loop;
  System system;
  system.hold();
  Names names(loop, std::ref(system), {.lookups_max = 2});
  std::array<Result<Addresses>, 3> results;
  for (std::size_t i = 0; i < results.size(); ++i)
    loop.spawn(resolve(names.resolver, "host" + std::to_string(i), results[i], 30ms));
  loop.run();
  system.resume();
  EXPECT_EQ(results[0].error().code, Code::timeout);
  EXPECT_EQ(results[1].error().code, Code::timeout);
  EXPECT_EQ(results[2].error().code, Code::limit_exceeded);
}

TEST(Resolver, MayGoWhileAQuestionIsUnderWay) {
  Loop loop;
  System system;
  system.hold();
  Result<Addresses> result;
  {
    asio::thread_pool pool(1);
    Resolver resolver(loop.executor(), pool, {.look_up = std::ref(system)});
    loop.spawn(resolve(resolver, "slow.example", result, 10ms));
    loop.run();
    system.resume();
  }
  EXPECT_EQ(result.error().code, Code::timeout);
}

TEST(Resolver, TheSystemKnowsLocalhostAndNotWhatIsInvalid) {
  Loop loop;
  asio::thread_pool pool(1);
  Resolver resolver(loop.executor(), pool);
  Result<Addresses> here, nowhere;
  loop.spawn(resolve(resolver, "localhost", here));
  loop.run(resolve(resolver, "nothing.invalid", nowhere, 15s));
  ASSERT_TRUE(here) << here.error().detail;
  EXPECT_TRUE(here->front().is_loopback());
  EXPECT_FALSE(nowhere);
}

struct DialBench {
  Loop loop;
  Listener listener{loop.executor()};
  Result<std::unique_ptr<TcpStream>> result = fail(Code::io, Origin::internal, "");

  DialBench() { EXPECT_TRUE(listener.open({asio::ip::address_v4::loopback(), 0})); }
  void dial_to(const Addresses& addresses, AddressPolicy policy = {}, std::chrono::milliseconds patience = 5s) {
    Names names(loop, [&](const std::string&) { return addresses; });
    Dialer dialer(loop.executor(), names.resolver);
    loop.run(dial(dialer,
                  {.host = "origin.example",
                   .port = listener.address().port(),
                   .deadline = in(patience),
                   .policy = std::move(policy)},
                  result));
  }
};

TEST(Dialer, GoesOnToTheNextAddressWhenOneRefuses) {
  DialBench bench;
  bench.dial_to({address("::1"), address("127.0.0.2"), address("127.0.0.1")});
  ASSERT_TRUE(bench.result) << bench.result.error().detail;
  EXPECT_EQ((*bench.result)->info().peer, bench.listener.address());
  EXPECT_EQ((*bench.result)->origin(), Origin::upstream);
}

// 192.0.2.0/24 is for documentation: nobody answers, at best a router refuses.
TEST(Dialer, DoesNotWaitForAnAddressThatIsSilent) {
  DialBench bench;
  const auto began = std::chrono::steady_clock::now();
  bench.dial_to({address("192.0.2.1"), address("127.0.0.1")});
  ASSERT_TRUE(bench.result) << bench.result.error().detail;
  EXPECT_LT(std::chrono::steady_clock::now() - began, 2s);
}

TEST(Dialer, NamesWhatRefused) {
  DialBench bench;
  bench.listener.close();
  bench.dial_to({address("127.0.0.1")});
  ASSERT_FALSE(bench.result);
  EXPECT_EQ(bench.result.error().code, Code::connection_refused);
  EXPECT_TRUE(bench.result.error().detail.contains("127.0.0.1:")) << bench.result.error().detail;
}

TEST(Dialer, ThePolicySeesResolvedAddressesBeforeAnythingIsSent) {
  DialBench bench;
  std::vector<std::string> asked;
  bench.dial_to({address("127.0.0.1"), address("::1")}, [&](const tcp::endpoint& endpoint) -> Result<void> {
    asked.push_back(endpoint.address().to_string());
    return fail(Code::not_allowed, Origin::client, "loopback is not reached");
  });
  ASSERT_FALSE(bench.result);
  EXPECT_EQ(bench.result.error().code, Code::not_allowed);
  EXPECT_EQ(asked, (std::vector<std::string>{"127.0.0.1", "::1"}));
  bool was_called = false;
  const auto accept = [&]() -> awaitable<void> {
    co_await bench.listener.accept();
    was_called = true;
  };
  async::TaskGroup group(bench.loop.executor());
  const auto look = [&]() -> awaitable<void> {
    group.spawn(accept());
    co_await async::sleep_for(5ms);
    group.cancel();
    co_await group.join();
  };
  bench.loop.run(look());
  EXPECT_FALSE(was_called);
}

TEST(Dialer, ThePolicyLeavesTheOtherAddresses) {
  DialBench bench;
  bench.dial_to({address("127.0.0.9"), address("127.0.0.1")}, [&](const tcp::endpoint& endpoint) -> Result<void> {
    if (endpoint.address() == address("127.0.0.1")) return {};
    return fail(Code::not_allowed, Origin::client, "no");
  });
  EXPECT_TRUE(bench.result);
}

// A backlog that is full answers nothing.
TEST(Dialer, TheDeadlineHoldsForAConnectThatNobodyAnswers) {
  Loop loop;
  tcp::acceptor full(loop.context, {asio::ip::address_v4::loopback(), 0});
  full.listen(0);
  std::vector<tcp::socket> callers;
  for (int i = 0; i < 4; ++i) {
    auto& caller = callers.emplace_back(loop.context, tcp::v4());
    caller.non_blocking(true);
    ::connect(caller.native_handle(), full.local_endpoint().data(),
              static_cast<socklen_t>(full.local_endpoint().size()));
  }
  Names names(loop, [](const std::string&) { return Addresses{}; });
  Dialer dialer(loop.executor(), names.resolver);
  Result<std::unique_ptr<TcpStream>> result = fail(Code::io, Origin::internal, "");
  loop.run(dial(dialer, {.host = "127.0.0.1", .port = full.local_endpoint().port(), .deadline = in(80ms)}, result));
  ASSERT_FALSE(result);
  EXPECT_EQ(result.error().code, Code::timeout);
}

TEST(Dialer, TakesTheFamiliesInTurn) {
  const auto order =
      interleave_families({address("::1"), address("::2"), address("::3"), address("10.0.0.1"), address("10.0.0.2")});
  EXPECT_EQ(order,
            (Addresses{address("::1"), address("10.0.0.1"), address("::2"), address("10.0.0.2"), address("::3")}));
  EXPECT_TRUE(interleave_families({}).empty());
}

}  // namespace
}  // namespace propeller::net
