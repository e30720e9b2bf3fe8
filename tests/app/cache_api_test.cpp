#include "app/cache_api.hpp"

#include <gtest/gtest.h>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/use_future.hpp>

#include "app/cache_questions.hpp"
#include "support/environment.hpp"

namespace propeller::app {
namespace {

namespace asio = boost::asio;

TEST(CursorBook, OnlyTheLastOnesAreKnown) {
  CursorBook book;
  const auto first = book.keep({.key = "first"});
  EXPECT_EQ(book.find(first)->key, "first");
  for (std::size_t i = 1; i < CursorBook::kCursorsMax; ++i) static_cast<void>(book.keep({.key = "more"}));
  EXPECT_TRUE(book.find(first));
  static_cast<void>(book.keep({.key = "one more"}));
  EXPECT_FALSE(book.find(first));
}

/// Says "progress" until it is told to end.
class Endless final : public StepwiseWork {
 public:
  explicit Endless(int& steps, int steps_max = 1'000'000) : steps_(steps), steps_max_(steps_max) {}
  async::awaitable<ServerEvent> step() override {
    ++steps_;
    co_return ServerEvent{.name = steps_ < steps_max_ ? "progress" : "done", .data = {{"steps", steps_}}};
  }

 private:
  int& steps_;
  const int steps_max_;
};

std::string read_from(EventBody& body, std::size_t max) {
  asio::io_context core(1);
  auto read = asio::co_spawn(core, body.read(max), asio::use_future);
  core.run();
  return std::string(*read.get());
}

TEST(EventBody, AStepIsDoneWhenSomebodyReadsItAndNoneAfterTheLast) {
  int steps = 0;
  EventBody body(std::make_unique<Endless>(steps, 2), nullptr);
  EXPECT_EQ(steps, 0);
  EXPECT_EQ(read_from(body, 10), "event: pro");
  EXPECT_EQ(read_from(body, 1000), "gress\ndata: {\"steps\":1}\n\n");
  EXPECT_EQ(steps, 1);
  EXPECT_EQ(read_from(body, 1000), "event: done\ndata: {\"steps\":2}\n\n");
  EXPECT_EQ(read_from(body, 1000), "");
  EXPECT_EQ(steps, 2);
}

class CacheApiTest : public testing::Test {
 protected:
  CacheApiTest() {
    EXPECT_TRUE(store_.open());
    routes_ = api_.routes();
  }
  ~CacheApiTest() override { store_.close(); }

  static admin::ApiAnswer ask(const std::vector<admin::ApiRoute>& routes, std::string_view path,
                              const std::string& body = "") {
    for (const auto& route : routes) {
      if (route.path != path) continue;
      asio::io_context core(1);
      auto answer = asio::co_spawn(core, route.answer({.body = body}), asio::use_future);
      core.run();
      return answer.get();
    }
    return {.status = 0};
  }

  const support::TempDir files_;
  observe::Metrics metrics_;
  store::Probe probe_{metrics_};
  asio::thread_pool pool_{2};
  store::ContentStore store_{{.directory = files_ / "cache"}, pool_, probe_};
  CacheApi api_{{.store = &store_}};
  std::vector<admin::ApiRoute> routes_;
};

TEST_F(CacheApiTest, OneCheckOrCleanUpAtATimeAndAClientThatLeavesGivesItsPlaceBack) {
  {
    const auto first = ask(routes_, "/api/cache/verify");
    EXPECT_EQ(first.status, 200);
    EXPECT_NE(first.stream, nullptr);
    EXPECT_EQ(ask(routes_, "/api/cache/verify").status, 409);
    EXPECT_EQ(ask(routes_, "/api/cache/gc").status, 409);
  }
  EXPECT_EQ(ask(routes_, "/api/cache/gc").status, 200);
}

TEST_F(CacheApiTest, SoManyPullsAtATimeAndNoMore) {
  asio::io_context core(1);
  ProxyClient client(core.get_executor(), pool_, {});
  CacheApi api({.store = &store_, .client = &client});
  const auto routes = api.routes();
  const auto pull = [&] { return ask(routes, "/api/cache/pull", R"({"reference":"a"})"); };
  {
    std::vector<admin::ApiAnswer> running;
    for (std::size_t i = 0; i < CacheApi::kPullsMax; ++i) EXPECT_EQ(running.emplace_back(pull()).status, 200);
    EXPECT_EQ(pull().status, 409);
  }
  EXPECT_EQ(pull().status, 200);
  auto stopped = asio::co_spawn(core, client.stop(), asio::use_future);
  core.run();
  stopped.get();
}

TEST(CacheQuestions, NestedOrUnknownDocumentsAreRefused) {
  EXPECT_TRUE(parse_purge(R"({"prefix":"https://a/","kind":"http"})"));
  for (const auto* text :
       {"", "null", "{", "{}", "[1]", R"({"key":["a"]})", R"({"key":{"a":{"b":1}}})", R"({"x":"y"})"})
    EXPECT_FALSE(parse_purge(text)) << text;
  EXPECT_FALSE(parse_purge(std::string(100'000, '[')));
  EXPECT_TRUE(parse_sweep(""));
  EXPECT_TRUE(parse_sweep(R"({"unnamed":true})")->takes_unnamed);
  EXPECT_FALSE(parse_sweep(R"({"unnamed":"yes"})"));
}

}  // namespace
}  // namespace propeller::app
