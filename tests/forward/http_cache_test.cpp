// What is kept by the rules of HTTP, through the proxy's port. The rules themselves: tests/cache, tests/cache_suite.
#include <atomic>
#include <latch>

#include "forward/cache_fixture.hpp"
#include "forward/scripted_origin.hpp"

namespace propeller::forward {
namespace {

using namespace std::chrono_literals;
using support::SeenRequest;

class HttpCacheTest : public testing::Test {
 protected:
  HttpCacheTest() { site.start(); }

  /// Fetches what the next one shall find in the store.
  void keep(const std::string& url, const std::string& fields = {}) {
    const auto stores = site.proxy->cache_stats().stores;
    EXPECT_NE(site.get(url, fields).status, 0);
    EXPECT_TRUE(site.has_stored(stores + 1)) << url;
  }
  static std::string cache_status(const Reply& reply) { return reply.field("Cache-Status").value_or(""); }

  support::TempDir directory;
  CacheSite site{directory.path()};
};

TEST_F(HttpCacheTest, WhatIsFreshComesFromTheStore) {
  ScriptedOrigin origin([](const SeenRequest&) { return scripted(200, "Cache-Control: max-age=60\r\n", "bytes"); });
  keep(origin.url("/a?b=c"));
  const auto again = site.get(origin.url("/a?b=c"));
  EXPECT_EQ(again.body, "bytes");
  EXPECT_TRUE(again.is_hit());
  EXPECT_TRUE(again.field("Age"));
  EXPECT_TRUE(cache_status(again).starts_with("propeller-proxy; hit; ttl=")) << again.head;
  EXPECT_EQ(origin.request_count(), 1U);
  EXPECT_FALSE(site.get(origin.url("/a?b=d")).is_hit()) << "another query";
}

// A pattern keeps one body for everybody; what has several for one URL is not lost for it.
TEST_F(HttpCacheTest, WhatAPatternCannotKeepTheRulesMay) {
  site.stop();
  site.settings.cache.patterns.emplace_back("[.]js$");
  site.start();
  ScriptedOrigin origin([](const SeenRequest& request) {
    const bool is_packed = request.field("accept-encoding").contains("gzip");
    return scripted(200,
                    std::string("Cache-Control: max-age=600\r\nVary: Accept-Encoding, Accept\r\n") +
                        (is_packed ? "Content-Encoding: gzip\r\n" : ""),
                    is_packed ? "packed" : "plain");
  });
  const auto url = origin.url("/a.js");
  const std::string packed = "Accept-Encoding: gzip\r\n";
  EXPECT_EQ(site.get(url, packed).body, "packed") << "which tells all cores";
  keep(url, packed);
  keep(url);
  for (int times = 0; times < 4; ++times) {
    EXPECT_EQ(site.get(url, packed).body, "packed");
    EXPECT_EQ(site.get(url).body, "plain");
  }
  EXPECT_EQ(origin.request_count(), 3U);
}

// What the rules of HTTP keep may be one visitor's page that the origin is always asked about.
TEST_F(HttpCacheTest, APatternGivesNobodyWhatTheRulesHaveKept) {
  ScriptedOrigin origin([](const SeenRequest& request) {
    return scripted(200, "Cache-Control: max-age=0\r\nETag: \"1\"\r\n", "for " + request.field("cookie"));
  });
  const auto url = origin.url("/a.js");
  keep(url, "Cookie: ann\r\n");
  site.settings.cache.patterns.emplace_back("[.]js$");
  ASSERT_TRUE(site.proxy->apply(site.settings));
  const auto bobs = site.get(url, "Cookie: bob\r\n");
  EXPECT_FALSE(bobs.is_hit());
  EXPECT_EQ(bobs.body, "for bob");
}

TEST_F(HttpCacheTest, APatternGivesNobodyWhatTheRulesAreDownloading) {
  http::PeerListener origin;
  const auto url = "http://127.0.0.1:" + std::to_string(origin.port()) + "/a.js";
  const std::string head = "HTTP/1.1 200 OK\r\nCache-Control: max-age=0\r\nETag: \"1\"\r\nContent-Length: 7\r\n\r\n";
  auto ann = site.ask(url, "Cookie: ann\r\n");
  auto for_ann = origin.accept();
  for_ann.read_head();
  for_ann.send(head + "for");
  ann.read_until("for");
  ASSERT_TRUE(support::wait_until([&] { return site.store->status().flights == 1; }));
  site.settings.cache.patterns.emplace_back("[.]js$");
  ASSERT_TRUE(site.proxy->apply(site.settings));
  for (const std::string range : {"", "Range: bytes=0-2\r\n"}) {
    auto bob = site.ask(url, "Cookie: bob\r\n" + range);
    auto for_bob = origin.accept();
    EXPECT_TRUE(for_bob.read_head().contains("bob")) << range;
    for_bob.send(head + "for bob");
    EXPECT_TRUE(bob.read_message().ends_with("for bob")) << range;
  }
  for_ann.send(" ann");
  EXPECT_EQ(ann.read(4), " ann");
}

TEST_F(HttpCacheTest, WhatIsForNobodyElseIsAskedForEachTime) {
  ScriptedOrigin origin([](const SeenRequest& request) {
    return scripted(
        200, "Cache-Control: max-age=60" + (request.target == "/auth" ? "" : "," + request.target.substr(1)) + "\r\n",
        "bytes");
  });
  for (const auto* path : {"/no-store", "/private"}) {
    for (int i = 0; i < 2; ++i) EXPECT_FALSE(site.get(origin.url(path)).is_hit()) << path;
  }
  const std::string login = "Authorization: Basic dTpw\r\n";
  for (int i = 0; i < 2; ++i) EXPECT_FALSE(site.get(origin.url("/auth"), login).is_hit());
  EXPECT_EQ(origin.request_count(), 6U);
  keep(origin.url("/public"), login);
  EXPECT_TRUE(site.get(origin.url("/public")).is_hit()) << "the origin says that it is for all";
}

TEST_F(HttpCacheTest, AStaleOneIsCheckedAndUpdatedByA304) {
  std::atomic<int> count = 0;
  ScriptedOrigin origin([&](const SeenRequest& request) {
    if (request.field("if-none-match") == "\"1\"")
      return scripted(304, "X-Count: " + std::to_string(++count) + "\r\n", "");
    return scripted(200, "Cache-Control: no-cache\r\nETag: \"1\"\r\nX-Count: 0\r\n", "bytes");
  });
  keep(origin.url());
  for (const auto* expected : {"1", "2"}) {
    const auto reply = site.get(origin.url());
    EXPECT_EQ(reply.status, 200);
    EXPECT_EQ(reply.body, "bytes");
    EXPECT_EQ(reply.field("X-Count"), expected);
    EXPECT_EQ(cache_status(reply), "propeller-proxy; fwd=stale; fwd-status=304");
  }
  const auto conditional = site.get(origin.url(), "If-None-Match: \"1\"\r\n");
  EXPECT_EQ(conditional.status, 304);
}

TEST_F(HttpCacheTest, HeadBringsTheStoredFieldsUpToDate) {
  std::atomic<int> etag = 1;
  ScriptedOrigin origin([&](const SeenRequest& request) {
    const auto fields = "Cache-Control: max-age=0\r\nETag: \"" + std::to_string(+etag) + "\"\r\nX-By: ";
    if (request.method == "HEAD")
      return "HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 5\r\n" + fields + "head\r\n\r\n";
    const bool is_same = request.field("if-none-match") == "\"" + std::to_string(+etag) + "\"";
    return is_same ? scripted(304, "", "") : scripted(200, fields + "get\r\n", "bytes");
  });
  keep(origin.url());
  auto head = site.head(origin.url());
  EXPECT_EQ(head.field("X-By"), "head");
  EXPECT_EQ(head.field("Cache-Status"), "propeller-proxy; fwd=stale; fwd-status=200");
  EXPECT_EQ(site.get(origin.url()).field("X-By"), "head");
  etag = 2;
  head = site.head(origin.url());
  EXPECT_EQ(head.field("ETag"), "\"2\"");
  EXPECT_EQ(origin.requests().back().method, "HEAD");
  EXPECT_EQ(site.get(origin.url()).field("X-By"), "get") << "what is kept is another content by now";
}

TEST_F(HttpCacheTest, WhatIsConfirmedForOneClientAloneIsNotKept) {
  ScriptedOrigin origin([&](const SeenRequest& request) {
    const std::string fields = "ETag: \"1\"\r\nCache-Control: ";
    if (request.method == "HEAD" || !request.field("if-none-match").empty())
      return scripted(request.method == "HEAD" ? 200 : 304, fields + "private, max-age=60\r\nSet-Cookie: a=b\r\n",
                      request.method == "HEAD" ? "" : "");
    return scripted(200, fields + "max-age=0\r\n", "");
  });
  keep(origin.url());
  EXPECT_EQ(site.head(origin.url()).field("Set-Cookie"), "a=b");
  EXPECT_EQ(site.get(origin.url()).field("Set-Cookie"), "a=b");
  EXPECT_EQ(origin.request_count(), 3U) << "asked again, not answered with what was for another one";
}

TEST_F(HttpCacheTest, AConfirmationThatVariesByLessStillConfirms) {
  ScriptedOrigin origin([&](const SeenRequest& request) {
    if (request.field("if-none-match").empty())
      return scripted(200, "ETag: \"1\"\r\nCache-Control: max-age=0\r\nVary: Origin, Accept-Encoding\r\n", "bytes");
    return scripted(304, "Cache-Control: max-age=60\r\nVary: Origin\r\n", "");
  });
  keep(origin.url());
  EXPECT_EQ(site.get(origin.url()).field("Vary"), "Origin, Accept-Encoding");
  EXPECT_TRUE(site.get(origin.url()).is_hit());
  EXPECT_EQ(origin.request_count(), 2U);
}

TEST_F(HttpCacheTest, AllWhoWaitForACheckThatFailsGetWhatIsStale) {
  std::latch all_asked(1);
  std::atomic<bool> is_down = false;
  ScriptedOrigin origin([&](const SeenRequest&) {
    if (!is_down) return scripted(200, "ETag: \"1\"\r\nCache-Control: max-age=0, stale-if-error=60\r\n", "bytes");
    all_asked.wait();
    return scripted(503, "", "down");
  });
  keep(origin.url());
  is_down = true;
  std::vector<Peer> peers;
  for (int i = 0; i < 5; ++i) peers.push_back(site.ask(origin.url()));
  std::this_thread::sleep_for(100ms);
  all_asked.count_down();
  for (auto& peer : peers) EXPECT_EQ(read_reply(peer).body, "bytes");
}

TEST_F(HttpCacheTest, AConfirmationDoesNotBringBackWhatAWriteForgot) {
  std::latch has_written(1);
  ScriptedOrigin origin([&](const SeenRequest& request) {
    if (request.method == "PUT") return scripted(204, "", "");
    if (request.field("if-none-match").empty())
      return scripted(200, "ETag: \"1\"\r\nCache-Control: max-age=0\r\n", "old");
    has_written.wait();
    return scripted(304, "Cache-Control: max-age=60\r\n", "");
  });
  keep(origin.url());
  auto checking = site.ask(origin.url());
  ASSERT_TRUE(support::wait_until([&] { return origin.request_count() == 2; }));
  auto put = site.ask(origin.url(), "Content-Length: 0\r\n", "PUT");
  EXPECT_EQ(read_reply(put, false).status, 204);
  has_written.count_down();
  EXPECT_EQ(read_reply(checking).body, "old");
  (void)site.get(origin.url());
  EXPECT_EQ(origin.requests().back().field("if-none-match"), "");
  EXPECT_EQ(origin.request_count(), 4U);
}

TEST_F(HttpCacheTest, AStaleOneIsReplacedByA200) {
  std::atomic<int> count = 0;
  ScriptedOrigin origin([&](const SeenRequest&) {
    const auto text = std::to_string(++count);
    return scripted(200, "Cache-Control: no-cache\r\nETag: \"" + text + "\"\r\n", text);
  });
  keep(origin.url());
  EXPECT_EQ(site.get(origin.url()).body, "2");
  ASSERT_TRUE(site.has_stored(2));
  EXPECT_EQ(site.get(origin.url()).body, "3");
  EXPECT_EQ(origin.requests().at(2).field("if-none-match"), "\"2\"");
}

TEST_F(HttpCacheTest, VariantsAreKeptBesideEachOther) {
  ScriptedOrigin origin([](const SeenRequest& request) {
    return scripted(200, "Cache-Control: max-age=60\r\nVary: Accept-Language\r\n", request.field("accept-language"));
  });
  const auto in = [](const std::string& language) { return "Accept-Language: " + language + "\r\n"; };
  keep(origin.url(), in("de, en"));
  keep(origin.url(), in("fr"));
  for (const auto* language : {"de, en", "EN,de"}) {
    const auto reply = site.get(origin.url(), in(language));
    EXPECT_EQ(reply.body, "de, en");
    EXPECT_TRUE(reply.is_hit());
  }
  EXPECT_EQ(site.get(origin.url(), in("fr")).body, "fr");
  EXPECT_EQ(origin.request_count(), 2U);
}

TEST_F(HttpCacheTest, AWriteForgetsWhatItChanges) {
  ScriptedOrigin origin([](const SeenRequest& request) {
    if (request.method == "POST") return scripted(request.target == "/fails" ? 500 : 201, "Location: /b\r\n", "");
    return scripted(200, "Cache-Control: max-age=60\r\n", "bytes");
  });
  for (const auto* path : {"/a", "/b", "/fails"}) keep(origin.url(path));
  for (const auto* path : {"/a", "/fails"}) {
    auto peer = site.ask(origin.url(path), "Content-Length: 0\r\n", "POST");
    EXPECT_NE(read_reply(peer).status, 0);
  }
  EXPECT_FALSE(site.get(origin.url("/a")).is_hit());
  EXPECT_FALSE(site.get(origin.url("/b")).is_hit()) << "the answer named it";
  EXPECT_TRUE(site.get(origin.url("/fails")).is_hit()) << "nothing was changed";
}

// The write came while the first answer was still on its way: what it brought is the old state.
TEST_F(HttpCacheTest, AWriteOvertakesADownload) {
  std::atomic<int> gets = 0;
  std::latch written(1);
  ScriptedOrigin origin([&](const SeenRequest& request) {
    if (request.method == "PUT") return scripted(204, "", "");
    const bool is_first = ++gets == 1;
    if (is_first) written.wait();
    return scripted(200, "Cache-Control: max-age=60\r\n", is_first ? "old" : "new");
  });
  auto first = site.ask(origin.url());
  EXPECT_TRUE(support::wait_until([&] { return gets == 1; }));
  auto put = site.ask(origin.url(), "Content-Length: 0\r\n", "PUT");
  EXPECT_EQ(read_reply(put, false).status, 204);
  EXPECT_EQ(site.get(origin.url()).body, "new") << "not along with the first";
  written.count_down();
  EXPECT_EQ(read_reply(first).body, "old");
  ASSERT_TRUE(site.is_idle());
  EXPECT_EQ(site.get(origin.url()).body, "new");
}

TEST_F(HttpCacheTest, WhoWantsTheOriginsWordGetsIt) {
  std::atomic<int> count = 0;
  ScriptedOrigin origin([&](const SeenRequest&) {
    return scripted(200, "Cache-Control: max-age=60\r\nETag: \"1\"\r\n", std::to_string(++count));
  });
  EXPECT_EQ(site.get(origin.url()).body, "1");
  EXPECT_EQ(site.get(origin.url(), "Cache-Control: no-cache\r\n").body, "2");
}

TEST_F(HttpCacheTest, WithTheUplinkDownWhatIsThereIsServed) {
  ScriptedOrigin origin([](const SeenRequest& request) {
    return scripted(200,
                    "Cache-Control: max-age=0" + (request.target == "/bound" ? ", must-revalidate" : std::string()) +
                        "\r\nETag: \"1\"\r\n",
                    "bytes");
  });
  keep(origin.url("/free"));
  keep(origin.url("/bound"));
  origin.stop();
  const auto reply = site.get(origin.url("/free"));
  EXPECT_EQ(reply.body, "bytes");
  EXPECT_EQ(cache_status(reply), "propeller-proxy; hit; detail=stale");
  EXPECT_EQ(site.get(origin.url("/bound")).status, 502);
}

TEST_F(HttpCacheTest, AFailingOriginIsOutlivedOnlyWhereItSaysSo) {
  std::atomic<bool> fails = false;
  ScriptedOrigin origin([&](const SeenRequest& request) {
    if (fails) return scripted(503, "", "no");
    const std::string more = request.target == "/allowed" ? ", stale-if-error=60" : "";
    return scripted(200, "Cache-Control: max-age=0" + more + "\r\nETag: \"1\"\r\n", "bytes");
  });
  keep(origin.url("/allowed"));
  keep(origin.url("/not"));
  fails = true;
  EXPECT_EQ(site.get(origin.url("/allowed")).body, "bytes");
  EXPECT_EQ(site.get(origin.url("/not")).status, 503);
}

TEST_F(HttpCacheTest, StaleWhileRevalidateAnswersAtOnceAndAsksBehind) {
  std::atomic<int> count = 0;
  ScriptedOrigin origin([&](const SeenRequest&) {
    return scripted(200, "Cache-Control: max-age=0, stale-while-revalidate=60\r\nETag: \"1\"\r\n",
                    std::to_string(++count));
  });
  keep(origin.url());
  EXPECT_EQ(site.get(origin.url()).body, "1");
  ASSERT_TRUE(site.has_stored(2));
  EXPECT_EQ(site.get(origin.url()).body, "2");
}

TEST_F(HttpCacheTest, OnlyIfCachedAsksNobody) {
  ScriptedOrigin origin([](const SeenRequest&) { return scripted(200, "Cache-Control: max-age=60\r\n", "bytes"); });
  EXPECT_EQ(site.get(origin.url(), "Cache-Control: only-if-cached\r\n").status, 504);
  EXPECT_EQ(origin.request_count(), 0U);
  keep(origin.url());
  EXPECT_EQ(site.get(origin.url(), "Cache-Control: only-if-cached\r\n").body, "bytes");
}

TEST_F(HttpCacheTest, PartsOfWhatIsThere) {
  ScriptedOrigin origin(
      [](const SeenRequest&) { return scripted(200, "Cache-Control: max-age=60\r\n", "0123456789"); });
  keep(origin.url());
  const auto part = site.get(origin.url(), "Range: bytes=-3\r\n");
  EXPECT_EQ(part.status, 206);
  EXPECT_EQ(part.body, "789");
  EXPECT_TRUE(part.is_hit());
}

TEST_F(HttpCacheTest, ManyWhoAskForOneGetOneDownload) {
  constexpr int kClients = 20;
  std::latch asked(1);
  ScriptedOrigin origin([&](const SeenRequest&) {
    asked.wait();
    return scripted(200, "Cache-Control: max-age=60\r\n", "bytes");
  });
  std::vector<Peer> peers;
  for (int i = 0; i < kClients; ++i) peers.push_back(site.ask(origin.url()));
  EXPECT_TRUE(support::wait_until([&] { return origin.request_count() == 1; }));
  asked.count_down();
  for (auto& peer : peers) EXPECT_EQ(read_reply(peer).body, "bytes");
  EXPECT_EQ(origin.request_count(), 1U);
}

// A long poll is a GET, too: who asks the same does not wait for another one's answer for ever.
TEST_F(HttpCacheTest, NobodyWaitsLongForAnAnswerThatMayNotBeForHim) {
  std::latch second(2);
  ScriptedOrigin origin([&](const SeenRequest&) {
    second.arrive_and_wait();  // neither is answered before both have asked
    return scripted(200, "Cache-Control: no-store\r\n", "event");
  });
  auto first = site.ask(origin.url());
  auto other = site.ask(origin.url());
  EXPECT_EQ(read_reply(first).body, "event");
  EXPECT_EQ(read_reply(other).body, "event");
}

TEST_F(HttpCacheTest, SwitchedOffOnlyPatternsKeep) {
  site.stop();
  site.settings.cache.are_http_rules_on = false;
  site.start();
  ScriptedOrigin origin([](const SeenRequest&) { return scripted(200, "Cache-Control: max-age=60\r\n", "bytes"); });
  for (int i = 0; i < 2; ++i) EXPECT_EQ(site.get(origin.url()).body, "bytes");
  EXPECT_EQ(origin.request_count(), 2U);
  EXPECT_EQ(site.store->status().entries, 0U);
}

}  // namespace
}  // namespace propeller::forward
