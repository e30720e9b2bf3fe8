// What the real program keeps of what passes: the cache, an old cache, recordings, figures.
#include <fmt/format.h>
#include <gmock/gmock.h>
#include <sys/stat.h>

#include <algorithm>
#include <fstream>
#include <nlohmann/json.hpp>

#include "base/base64.hpp"
#include "base/digest.hpp"
#include "forward/scripted_origin.hpp"
#include "forward/tls_origin.hpp"
#include "forward_site.hpp"
#include "support/metrics_table.hpp"
#include "support/sanitizer.hpp"
#include "support/wasm_module.hpp"

namespace propeller::cmd {
namespace {

using support::wait_until;
using testing::AllOf;
using testing::HasSubstr;
using testing::Not;

class ForwardTraffic : public ForwardSite {
 protected:
  [[nodiscard]] std::string with_cache() const {
    return usual("cache: {enabled: true, dir: " + (files_ / "cache").string() + ", min_free: 0}\n");
  }
  [[nodiscard]] std::vector<nlohmann::json> recordings() const {
    std::vector<nlohmann::json> lines;
    for (const auto& file : std::filesystem::directory_iterator(files_ / "recordings")) {
      if (file.path().extension() != ".jsonl") continue;
      std::ifstream in(file.path());
      for (std::string line; std::getline(in, line);) lines.push_back(nlohmann::json::parse(line));
    }
    return lines;
  }
};

TEST_F(ForwardTraffic, ARestartKeepsTheCache) {
  write_config(with_cache());
  start();
  EXPECT_TRUE(curl({blob(secure_)}).has("200 OK"));
  ASSERT_TRUE(wait_until([&] { return curl({blob(secure_)}).has("X-Cache: HIT"); })) << log();
  const auto asked = secure_.requests_with("blobs");
  stop();
  start();
  const auto hit = curl({blob(secure_)});
  EXPECT_TRUE(hit.has("X-Cache: HIT")) << hit.output;
  EXPECT_TRUE(hit.has("some bytes of a blob"));
  EXPECT_EQ(secure_.requests_with("blobs"), asked) << "not asked again";
  EXPECT_TRUE(api("/api/cache/stats").has("\"hit_rate\":1.0,\"hits\":1,\"misses\":0"));
  EXPECT_THAT(metrics(), HasSubstr("\npropeller_forward_cache_hits 1\n"));
  EXPECT_TRUE(api("/api/cache", {"-X", "DELETE"}).has("{\"status\":\"ok\"}\n"));
  EXPECT_FALSE(curl({blob(secure_)}).has("X-Cache: HIT")) << "it was cleared";
  EXPECT_TRUE(api("/api/cache/stats").has("\"hits\":0,\"misses\":1"));
}

TEST_F(ForwardTraffic, AnImportedCacheAnswersAtOnce) {
  write_config(with_cache());
  const std::string body = "from the old cache";
  const std::string path = "/v2/acme/old/blobs/" + base::sha256(body).to_string();
  const std::string key = "127.0.0.1:" + std::to_string(secure_.port()) + path;
  // It kept what a range asked for, and what one client was told.
  const std::string head(
      "\0\0\0\xCE\0\0\0\0\x65\x53\xF1\0\0\0\0\x57"
      "Content-Type:application/octet-stream\nSet-Cookie:whose=one\nContent-Range:bytes 0-17/18\n",
      16 + 87);
  std::filesystem::create_directories(files_ / "old");
  const auto name = "old/" + base::sha256(key).hex();
  support::write_file(files_ / name, head + body);
  support::write_file(files_ / (name + ".meta"), key);

  const auto first = run_program({"import-cache", (files_ / "old").string()}, environment());
  EXPECT_EQ(first.exit_code, 0) << first.err;
  EXPECT_THAT(first.out, HasSubstr("imported 1 (18 bytes)"));
  EXPECT_THAT(first.out, HasSubstr("answers nobody yet"));
  const auto outcome = run_program({"import-cache", "--public", (files_ / "old").string()}, environment());
  EXPECT_EQ(outcome.exit_code, 0) << outcome.err;
  EXPECT_THAT(outcome.out, HasSubstr("there already 1"));
  start();
  const auto got = curl({"https://" + key});
  EXPECT_TRUE(got.has("X-Cache: HIT")) << got.output;
  EXPECT_TRUE(got.has(" 200 ")) << got.output;
  EXPECT_FALSE(got.has("Set-Cookie")) << got.output;
  EXPECT_TRUE(got.has(body));
  EXPECT_EQ(secure_.requests_with("blobs"), 0);
  EXPECT_EQ(run_program({"import-cache", (files_ / "old").string()}, environment()).exit_code, 1)
      << "the proxy has the cache";
}

TEST_F(ForwardTraffic, ImportCacheSaysWhatItNeeds) {
  EXPECT_EQ(run_program({"import-cache"}, environment()).exit_code, 2);
  const auto outcome = run_program({"import-cache", "/"}, environment());
  EXPECT_EQ(outcome.exit_code, 2);
  EXPECT_THAT(outcome.err, HasSubstr("cache.enabled"));
  write_config(with_cache());
  EXPECT_EQ(run_program({"import-cache", "/nonexistent"}, environment()).exit_code, 1);
}

TEST_F(ForwardTraffic, ExchangesAreRecordedWithoutTheirSecrets) {
  write_config(usual("recording: {enabled: true, dir: " + (files_ / "recordings").string() +
                     ", max_body_size: 10}\nallowlist: {enabled: true, ips: [127.0.0.1]}\n"));
  start();
  EXPECT_TRUE(curl({"-H", "Authorization: Bearer hunter2", blob(secure_) + "?token=hunter2"}).has("200 OK"));
  EXPECT_TRUE(curl({"-d", "a body of the client", blob(plain_)}).has("HTTP/1.1"));
  EXPECT_TRUE(curl({blob(plain_, "localhost")}).has(" 403"));
  ASSERT_TRUE(wait_until([&] { return recordings().size() == 4; })) << recordings().size();
  const auto lines = recordings();
  const auto with = [&](std::string_view url) {
    return *std::ranges::find_if(
        lines, [&](const auto& line) { return line["request"]["url"].template get<std::string>().starts_with(url); });
  };
  const auto tunnel = with("127.0.0.1:");
  EXPECT_EQ(tunnel["request"]["method"], "CONNECT");
  const auto secure = with("https://127.0.0.1:" + std::to_string(secure_.port()) + "/v2/acme/m/blobs/sha256:");
  EXPECT_EQ(secure["request"]["headers"]["Authorization"], nlohmann::json::parse(R"(["[REDACTED]"])"));
  EXPECT_EQ(secure["response"]["status"], 200);
  EXPECT_EQ(secure["response"]["body_size"], 20);
  const auto posted = with("http://127.0.0.1:");
  EXPECT_EQ(posted["request"]["body_size"], 20);
  EXPECT_EQ(posted["request"]["body"], "YSBib2R5IG9mIA==") << "its first ten bytes";
  EXPECT_EQ(posted["request"]["body_truncated"], true);
  EXPECT_EQ(with("http://localhost:")["blocked"], true);
  for (const auto& file : std::filesystem::directory_iterator(files_ / "recordings")) {
    if (!file.is_regular_file()) continue;
    EXPECT_THAT(support::read_file(file.path()), Not(HasSubstr("hunter2")));
    EXPECT_EQ(std::filesystem::status(file).permissions(), std::filesystem::perms(0600));
  }
  EXPECT_THAT(metrics(), HasSubstr("\npropeller_forward_recorded_total 4\n"));
}

TEST_F(ForwardTraffic, SecretsInBodiesAreNotRecorded) {
  forward::ScriptedOrigin origin(
      [](const support::SeenRequest& request) {
        if (request.target == "/packed") return forward::scripted(200, "Content-Encoding: br\r\n", "packed hunter2");
        const std::string type = "Content-Type: application/json\r\n";
        return forward::scripted(200, type,
                                 R"({"name": "bob", "access_token": "hunter2", "deep": [{"key": "hunter2"}]})");
      },
      &tls_);
  write_config(usual("recording: {enabled: true, dir: " + (files_ / "recordings").string() + ", max_body_size: -1}\n"));
  start();
  const std::vector<std::vector<std::string>> bodies{
      {"-H", "Content-Type: application/json", "-d", R"({"name":"ann","password":"hunter2"})"},
      {"-d", R"({"name":"ann","password":"hunter2"})"},
      {"-d", "name=ann&note=it's&password=hunter2"},
      {"-F", "name=ann", "-F", "password=hunter2"},
      {"-H", "Content-Type: text/plain", "-d", "ann sends Bearer hunter2"}};
  for (auto arguments : bodies) {
    arguments.push_back(origin.url());
    EXPECT_TRUE(curl(arguments).has("hunter2")) << "what the client itself gets";
  }
  EXPECT_TRUE(curl({origin.url("/packed")}).has("packed"));
  const std::size_t count = 2 * (bodies.size() + 1);
  ASSERT_TRUE(wait_until([&] { return recordings().size() == count; }))
      << "each with its CONNECT: " << recordings().size();
  for (const auto& line : recordings()) {
    if (line["request"]["method"] == "CONNECT") continue;
    if (line["request"]["url"] == origin.url("/packed")) {
      EXPECT_FALSE(line["response"].contains("body")) << "who could find a secret in there?";
      continue;
    }
    const auto sent = base::base64_decode(line["request"].value("body", "")).value_or("");
    const auto got = base::base64_decode(line["response"].value("body", "")).value_or("");
    EXPECT_THAT(sent, AllOf(HasSubstr("ann"), HasSubstr("[REDACTED]"), Not(HasSubstr("hunter2"))));
    EXPECT_EQ(got, R"({"name": "bob", "access_token": "[REDACTED]", "deep": [{"key": "[REDACTED]"}]})");
  }
}

TEST_F(ForwardTraffic, BodiesAreNotRecordedUnlessThatIsAsked) {
  write_config(usual("recording: {enabled: true, dir: " + (files_ / "recordings").string() + "}\n"));
  start();
  EXPECT_TRUE(curl({"-d", "a body of the client", blob(plain_)}).has("HTTP/1.1"));
  ASSERT_TRUE(wait_until([&] { return recordings().size() == 1; }));
  const auto line = recordings().front();
  EXPECT_EQ(line["request"]["body_size"], 20);
  EXPECT_FALSE(line["request"].contains("body"));
  EXPECT_FALSE(line["response"].contains("body"));
}

TEST_F(ForwardTraffic, LargeBodiesAreStreamedBothWays) {
  const forward::TlsOrigin origin(tls_);
  start();
  // The origin answers with what it gets while it still comes: told to wait for a 100, the client would wait in vain.
  const auto sent = files_ / "sent", received = files_ / "received";
  support::write_file(sent, support::random_bytes(110'000'000, 1));
  for (const auto* version : {"--http1.1", "--http2"}) {
    const auto got = curl({version, "-H", "Expect:", "--no-include", "--max-time", "300", "-T", sent.string(), "-o",
                           received.string(), fmt::format("https://localhost:{}/stream", origin.port())});
    EXPECT_EQ(got.exit_code, 0) << got.output << log();
    EXPECT_TRUE(support::read_file(received) == support::read_file(sent)) << version;
  }
  if (!support::kIsSanitized) EXPECT_LT(process_->memory_peak_bytes(), 64U << 20U);
}

TEST_F(ForwardTraffic, ADownloadThatBrokeOffGoesOnWhereItWas) {
  write_config(with_cache());
  start();
  const auto url = blob(plain_);
  for (const bool is_stored : {false, true}) {
    if (is_stored) {
      (void)curl({url});
      ASSERT_TRUE(wait_until([&] { return curl({url}).has("X-Cache: HIT"); }));
    }
    const auto file = files_ / fmt::format("resumed{}", is_stored);
    support::write_file(file, "some bytes");
    EXPECT_EQ(curl({"--no-include", "-C", "-", "-o", file.string(), url}).exit_code, 0);
    EXPECT_EQ(support::read_file(file), "some bytes of a blob") << is_stored;
  }
}

TEST_F(ForwardTraffic, FiguresCountWhatPasses) {
  start();
  EXPECT_TRUE(curl({blob(plain_)}).has("200 OK"));
  EXPECT_TRUE(curl({blob(secure_)}).has("200 OK"));
  EXPECT_TRUE(curl({"http://127.0.0.1:" + std::to_string(api_port_) + "/"}).has(" 403"));
  EXPECT_TRUE(curl({"http://127.0.0.1:" + std::to_string(support::free_port()) + "/"}).has(" 502"));
  const auto now = metrics();
  EXPECT_THAT(now, HasSubstr("\npropeller_forward_requests_total 5\n")) << "with the CONNECT";
  EXPECT_THAT(now, HasSubstr("\npropeller_forward_refused_total 1\n"));
  EXPECT_THAT(now, HasSubstr("\npropeller_forward_failed_total 1\n"));
}

// The table in docs/operations.md is what people build dashboards from.
TEST_F(ForwardTraffic, EveryFigureIsInTheManualAndNoOther) {
  write_config(with_cache() +
               fmt::format("mirror: {{enabled: true, upstreams: [{{name: docker.io, url: '{}'}}]}}\n", plain_.url()));
  start();
  const auto manual = std::filesystem::path(PROPELLER_SOURCE_DIR) / "docs/operations.md";
  EXPECT_EQ(support::served_metrics(metrics()), support::documented_metrics(manual, {"propeller_bridge_"}));
}

TEST_F(ForwardTraffic, TrustIsInstalledForAUserAndSaidSo) {
  const auto home = files_ / "home";
  std::filesystem::create_directories(home);
  const Environment user{{"HOME", home.string()}, {"CERT_DIR", (files_ / "certs").string()}, {"PATH", "/usr/bin:/bin"}};
  EXPECT_EQ(run_program({"trust"}, user).exit_code, 2);
  EXPECT_EQ(run_program({"trust", "frobnicate"}, user).exit_code, 2);
  EXPECT_EQ(run_program({"trust", "status"}, user).exit_code, 1) << "there is no authority yet";
  const std::string skip = "--skip-system-trust";
  for (const auto& install :
       {std::vector<std::string>{"init-certs", "-skip-system-trust"}, {"trust", "install", skip}}) {
    const auto installed = run_program(install, user);
    EXPECT_EQ(installed.exit_code, 0) << installed.out << installed.err;
    EXPECT_TRUE(std::filesystem::exists(files_ / "certs/ca.crt"));
    EXPECT_THAT(installed.out, HasSubstr("NSS: trusted"));
    EXPECT_EQ(run_program({"trust", "status", skip}, user).exit_code, 0);
    EXPECT_EQ(run_program({"trust", "remove", skip}, user).exit_code, 0);
    EXPECT_EQ(run_program({"trust", "status", skip}, user).exit_code, 1);
  }
}

}  // namespace
}  // namespace propeller::cmd
