// What the keys of `cache` and `recording` do, seen from outside: each test fails when its key is not heeded.
#include <gmock/gmock.h>

#include <algorithm>
#include <atomic>
#include <optional>
#include <tuple>

#include "base/digest.hpp"
#include "forward/scripted_origin.hpp"
#include "forward_site.hpp"
#include "http/peer.hpp"

namespace propeller::cmd {
namespace {

using support::wait_until;
using testing::HasSubstr;
using testing::Not;

class ForwardStorageKeys : public ForwardSite {
 protected:
  /// Starts with a cache in `directory_`; `keys` are further ones of its section, and `more` follows it.
  void start_with_cache(const std::string& keys, const std::string& more = "") {
    write_config(usual("cache: {dir: " + directory_.string() + ", " + keys + "}\n" + more));
    start();
  }
  [[nodiscard]] std::string put(std::string bytes) {
    const auto digest = plain_.push_blob("acme/m", std::move(bytes));
    return plain_.url() + "/v2/acme/m/blobs/" + digest;
  }
  void get(const std::string& url, const std::string& accept = "*/*") const {
    const auto got = curl({"-H", "Accept: " + accept, url});
    EXPECT_TRUE(got.has("200 OK")) << got.output;
  }
  /// Asked with HEAD, which stores nothing.
  [[nodiscard]] bool is_kept(const std::string& url, const std::string& accept = "*/*") const {
    return curl({"-I", "-H", "Accept: " + accept, url}).has("X-Cache: HIT");
  }
  [[nodiscard]] bool becomes_kept(const std::string& url, const std::string& accept = "*/*") const {
    return wait_until([&] { return is_kept(url, accept); });
  }
  void keep(const std::string& url) const {
    get(url);
    EXPECT_TRUE(becomes_kept(url)) << url;
  }

  /// Three blobs, all of them used, the latest first, and no room for a fourth: who of them makes room for it?
  void expect_leaver(const std::string& policy, std::optional<std::size_t> leaver) {
    constexpr std::size_t kSize = 30'000;
    start_with_cache("enabled: true, min_free: 0, max_size: 100000, policy: " + policy);
    std::vector<std::string> urls;
    for (const char letter : {'a', 'b', 'c'}) keep(urls.emplace_back(put(std::string(kSize, letter))));
    for (auto url = urls.rbegin(); url != urls.rend(); ++url) get(*url);
    const auto newcomer = put(std::string(kSize, 'n'));
    get(newcomer);
    if (leaver) EXPECT_TRUE(becomes_kept(newcomer));
    for (std::size_t i = 0; i < urls.size(); ++i) EXPECT_EQ(is_kept(urls[i]), i != leaver) << i;
    EXPECT_EQ(is_kept(newcomer), leaver.has_value());
  }

  /// Records one request beside `file`, which is so old and so large; says whether the file is still there.
  [[nodiscard]] bool is_left(const std::string& keys, int days, std::size_t size) {
    const auto directory = files_ / "recordings";
    const auto file = directory / "requests-2020-01-01.jsonl";
    std::filesystem::create_directories(directory);
    support::write_file(file, std::string(size, 'x'));
    std::filesystem::last_write_time(file, std::filesystem::file_time_type::clock::now() - std::chrono::days(days));
    write_config(usual("recording: {enabled: true, dir: " + directory.string() + ", " + keys + "}\n"));
    start();
    get(blob(plain_));
    EXPECT_TRUE(wait_until([&] { return metrics().contains("\npropeller_forward_recorded_total 1\n"); }));
    stop();
    return std::filesystem::exists(file);
  }

  /// Upgrades a connection and says what was recorded of its bytes.
  [[nodiscard]] std::string stream_recorded(const std::string& keys) {
    const auto directory = files_ / "recordings";
    write_config(usual("recording: {enabled: true, dir: " + directory.string() + ", " + keys + "}\n"));
    start();
    http::PeerListener server;
    const auto host = "127.0.0.1:" + std::to_string(server.port());
    auto client = http::Peer::connect(port_);
    client.send("GET http://" + host + "/ HTTP/1.1\r\nHost: " + host +
                "\r\nConnection: Upgrade\r\nUpgrade: echo\r\n\r\n");
    auto upstream = server.accept();
    upstream.read_head();
    upstream.send("HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: echo\r\n\r\nhello");
    EXPECT_TRUE(client.read_until("hello").ends_with("\r\n\r\nhello"));
    upstream.close();
    client.close();
    stop();
    std::string text;
    for (const auto& file : std::filesystem::directory_iterator(directory / "streams"))
      text += support::read_file(file.path());
    return text;
  }

  const std::filesystem::path directory_ = files_ / "cache";
};

TEST_F(ForwardStorageKeys, AnEnabledCacheKeepsBlobsInItsDirectory) {
  const std::string bytes = "kept";
  const auto url = put(bytes);
  start_with_cache("enabled: false, min_free: 0");
  get(url);
  stop();
  EXPECT_FALSE(std::filesystem::exists(directory_));
  start_with_cache("enabled: true, min_free: 0");
  keep(url);
  EXPECT_TRUE(std::filesystem::exists(directory_ / "blobs/sha256" / base::sha256(bytes).hex()));
}

TEST_F(ForwardStorageKeys, AFullCacheOfLruLetsTheOneGoThatWasUsedLongestAgo) { expect_leaver("lru", 2); }

TEST_F(ForwardStorageKeys, AFullCacheOfSieveLetsTheOldestOfEqualsGo) { expect_leaver("sieve", 0); }

TEST_F(ForwardStorageKeys, ALowerLimitHoldsAtTheStartAndCostsWhatWasUsedLongestAgoBeforeIt) {
  start_with_cache("enabled: true, min_free: 0, max_size: 100000, policy: lru");
  std::vector<std::string> urls;
  for (const char letter : {'a', 'b', 'c'}) keep(urls.emplace_back(put(std::string(30'000, letter))));
  get(urls[0]);
  stop();
  start_with_cache("enabled: true, min_free: 0, max_size: 70000, policy: lru");
  EXPECT_TRUE(is_kept(urls[0])) << "the oldest, and used since";
  EXPECT_FALSE(is_kept(urls[1]));
  EXPECT_TRUE(is_kept(urls[2])) << "there is room for two";
}

// What is larger than a tenth of the cache has to come twice.
TEST_F(ForwardStorageKeys, AFullCacheOfS3FifoLetsNobodyGoForALargeNewcomer) { expect_leaver("s3fifo", std::nullopt); }

TEST_F(ForwardStorageKeys, AnObjectThatIsTooLargeIsNotKept) {
  start_with_cache("enabled: true, min_free: 0, max_object: 1000");
  const auto large = put(std::string(2000, 'l'));
  get(large);
  keep(put(std::string(500, 's')));
  EXPECT_FALSE(is_kept(large));
  EXPECT_THAT(metrics(), Not(HasSubstr("\npropeller_store_refused_total 0\n")));
}

TEST_F(ForwardStorageKeys, WithLessFreeThanMinFreeNothingIsKept) {
  start_with_cache("enabled: true, min_free: 8000000TiB");
  get(blob(plain_));
  EXPECT_TRUE(wait_until([&] { return metrics().contains("\npropeller_store_refused_total 1\n"); }));
  EXPECT_FALSE(is_kept(blob(plain_)));
}

TEST_F(ForwardStorageKeys, PatternsSayWhatIsKept) {
  start_with_cache("enabled: true, min_free: 0, patterns: ['/manifests/v1$']");
  plain_.push_manifest("acme/m", "v1", "{}");
  get(blob(plain_));
  keep(plain_.url() + "/v2/acme/m/manifests/v1");
  EXPECT_FALSE(is_kept(blob(plain_))) << "which the default would keep";
}

TEST_F(ForwardStorageKeys, ContentAwareKeepsWhatIsAskedForAsContent) {
  start_with_cache("enabled: true, min_free: 0, patterns: [], content_aware: true");
  const std::string layer = "application/vnd.oci.image.layer.v1.tar";
  const auto other = put("of no known kind");
  get(other);
  get(blob(plain_), layer);
  EXPECT_TRUE(becomes_kept(blob(plain_), layer));
  EXPECT_FALSE(is_kept(other, layer)) << "which the default patterns would keep";
}

TEST_F(ForwardStorageKeys, TheRulesOfHttpCanBeSwitchedOff) {
  for (const bool is_on : {true, false}) {
    forward::ScriptedOrigin origin(
        [](const support::SeenRequest&) { return forward::scripted(200, "Cache-Control: max-age=60\r\n", "page"); });
    start_with_cache(std::string("enabled: true, min_free: 0") + (is_on ? "" : ", http: off"));
    get(origin.url());
    if (is_on) EXPECT_TRUE(becomes_kept(origin.url()));
    get(origin.url());
    EXPECT_EQ(is_kept(origin.url()), is_on);
    stop();
  }
}

TEST_F(ForwardStorageKeys, TtlCapsWhatAnOriginSays) {
  // Twenty seconds old when it comes: fresh for an origin that says sixty, and not for one who caps that at ten.
  forward::ScriptedOrigin origin([](const support::SeenRequest&) {
    return forward::scripted(200, "Cache-Control: max-age=60\r\nAge: 20\r\nETag: \"1\"\r\n", "page");
  });
  for (const auto* ttl : {"30s", "10s"}) {
    start_with_cache("enabled: true, min_free: 0, ttl: " + std::string(ttl));
    get(origin.url());
    EXPECT_TRUE(wait_until([&] { return metrics().contains("\npropeller_store_blobs 1\n"); }));
    const auto again = curl({origin.url()});
    EXPECT_EQ(again.has("propeller-proxy; hit"), std::string(ttl) == "30s") << again.output;
    stop();
  }
}

// One blob is asked for by callers with logins of their own, the other by those whom a rule of ours gives one.
TEST_F(ForwardStorageKeys, PrivateSaysWhatBecomesOfContentThatCameWithCredentials) {
  const std::string theirs = "for whoever has a login", ours = "for whom we log in";
  const auto path = [](const std::string& bytes) { return "/v2/acme/m/blobs/" + base::sha256(bytes).to_string(); };
  for (const auto& [mode, keeps_theirs, keeps_ours] :
       {std::tuple{"verify", true, true}, std::tuple{"proxy-credentials", false, true},
        std::tuple{"never", false, false}}) {
    forward::ScriptedOrigin registry([&](const support::SeenRequest& request) {
      if (request.field("authorization").empty()) return forward::scripted(401, "", "");
      const auto& bytes = request.target == path(ours) ? ours : theirs;
      const auto response = forward::scripted(200, "", bytes);
      return request.method == "HEAD" ? response.substr(0, response.size() - bytes.size()) : response;
    });
    start_with_cache(std::string("enabled: true, min_free: 0, private: ") + mode,
                     "headers:\n"
                     "  127.0.0.1:\n"
                     "    conditions: [{header: X-Team, equals: ours}]\n"
                     "    set: {Authorization: Bearer team}\n");
    const auto ask = [&](const std::string& bytes, const std::string& header) {
      return curl({"-H", header, registry.url(path(bytes))});
    };
    EXPECT_TRUE(ask(theirs, "Authorization: Bearer ann").has(theirs));
    EXPECT_TRUE(ask(ours, "X-Team: ours").has(ours));
    keep(put("for everybody"));
    const auto kept = "\npropeller_store_blobs " + std::to_string(1 + keeps_theirs + keeps_ours) + "\n";
    EXPECT_TRUE(wait_until([&] { return metrics().contains(kept); })) << mode;
    EXPECT_EQ(ask(ours, "X-Team: ours").has("X-Cache: HIT"), keeps_ours) << mode;
    EXPECT_EQ(ask(theirs, "Authorization: Bearer bob").has("X-Cache: HIT"), keeps_theirs) << mode;
    for (const auto& bytes : {theirs, ours}) EXPECT_TRUE(ask(bytes, "X-Team: another").has("401")) << mode;
    stop();
    std::filesystem::remove_all(directory_);
  }
}

TEST_F(ForwardStorageKeys, AYesToACallerHoldsForPrivateTtl) {
  const std::string bytes = "private bytes";
  for (const auto* ttl : {"0s", "1h"}) {
    std::atomic<int> heads = 0;
    forward::ScriptedOrigin registry([&](const support::SeenRequest& request) {
      if (request.method == "HEAD") ++heads;
      const auto response = forward::scripted(200, "", bytes);
      return request.method == "HEAD" ? response.substr(0, response.size() - bytes.size()) : response;
    });
    start_with_cache(std::string("enabled: true, min_free: 0, private_ttl: ") + ttl);
    const auto url = registry.url("/v2/acme/m/blobs/" + base::sha256(bytes).to_string());
    const auto ask = [&] { return curl({"-H", "Authorization: Bearer ann", url}); };
    EXPECT_TRUE(ask().has(bytes));
    EXPECT_TRUE(wait_until([&] { return metrics().contains("\npropeller_store_blobs 1\n"); }));
    EXPECT_TRUE(ask().has("X-Cache: HIT"));
    EXPECT_EQ(heads, std::string(ttl) == "0s" ? 1 : 0);
    stop();
  }
}

TEST_F(ForwardStorageKeys, ATagIsNotAskedAboutWithinTagWindow) {
  for (const auto* window : {"0s", "1h"}) {
    std::atomic<int> heads = 0;
    const auto digest = base::sha256("{}").to_string();
    forward::ScriptedOrigin registry([&](const support::SeenRequest& request) {
      if (request.method == "HEAD") ++heads;
      const auto response = forward::scripted(200, "Docker-Content-Digest: " + digest + "\r\n", "{}");
      return request.method == "HEAD" ? response.substr(0, response.size() - 2) : response;
    });
    start_with_cache(std::string("enabled: true, min_free: 0, tag_window: ") + window);
    for (int i = 0; i < 2; ++i) get(registry.url("/v2/acme/m/manifests/latest"));
    EXPECT_EQ(heads, std::string(window) == "0s" ? 2 : 1);
    stop();
  }
}

TEST_F(ForwardStorageKeys, CompressionKeepsTextCompressed) {
  std::string text;
  for (int line = 0; text.size() < 100'000; ++line) text += "this is line " + std::to_string(line) + "\n";
  for (const auto* compression : {"false", "true"}) {
    forward::ScriptedOrigin origin([&](const support::SeenRequest&) {
      return forward::scripted(200, "Cache-Control: max-age=600\r\nContent-Type: text/plain\r\n", text);
    });
    start_with_cache(std::string("enabled: true, min_free: 0, compression: ") + compression);
    EXPECT_TRUE(curl({origin.url()}).has(text));
    const auto blobs = directory_ / "blobs" / "sha256";
    const auto has_small = [&] {
      return std::ranges::any_of(std::filesystem::directory_iterator(blobs),
                                 [&](const auto& file) { return file.file_size() < text.size() / 2; });
    };
    if (std::string(compression) == "true") {
      EXPECT_TRUE(wait_until(has_small));
      stop();
      start();
    } else {
      EXPECT_TRUE(wait_until([&] { return metrics().contains("\npropeller_store_blobs 1\n"); }));
      EXPECT_FALSE(has_small());
    }
    const auto again = curl({origin.url()});
    EXPECT_TRUE(again.has(text));
    EXPECT_TRUE(again.has("X-Cache: HIT")) << compression;
    stop();
  }
}

TEST_F(ForwardStorageKeys, RecordingsAreKeptForSoManyDays) {
  EXPECT_TRUE(is_left("max_days: 30", 10, 1));
  EXPECT_FALSE(is_left("max_days: 30", 40, 1));
}

TEST_F(ForwardStorageKeys, RecordingsThatAreTooMuchMakeRoom) {
  EXPECT_TRUE(is_left("max_size: 3MiB", 1, 2 * 1024 * 1024));
  EXPECT_FALSE(is_left("max_size: 1MiB", 1, 2 * 1024 * 1024));
}

TEST_F(ForwardStorageKeys, UpgradedConnectionsAreRecordedWhereStreamsAreAskedFor) {
  EXPECT_EQ(stream_recorded("streams: false"), "");
  EXPECT_THAT(stream_recorded("streams: true"), HasSubstr("hello"));
}

}  // namespace
}  // namespace propeller::cmd
