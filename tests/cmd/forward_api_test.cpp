// The API of the real program over its port.
#include <gmock/gmock.h>
#include <sys/stat.h>

#include "forward_site.hpp"

namespace propeller::cmd {
namespace {

using testing::HasSubstr;
using testing::Not;

class ForwardApi : public ForwardSite {
 protected:
  [[nodiscard]] Fetched post(const std::string& document, std::vector<std::string> more = {}) const {
    more.insert(more.end(), {"-d", document});
    return api("/api/config", more);
  }
  [[nodiscard]] Fetched patch(const std::string& document) const { return post(document, {"-X", "PATCH"}); }
  [[nodiscard]] std::string token() const {
    auto text = support::read_file(files_ / "certs/api.token");
    text.resize(text.find('\n'));
    return text;
  }
};

TEST_F(ForwardApi, HealthIsWhatExistingClientsExpect) {
  start();
  const auto got = api("/health");
  EXPECT_TRUE(got.has("200 OK"));
  EXPECT_TRUE(got.has("Content-Type: application/json"));
  EXPECT_TRUE(got.has("\r\n\r\n{\"ca_cert\":\"" + (files_ / "certs/ca.crt").string() + "\",\"status\":\"ok\"}\n"))
      << got.output;
}

TEST_F(ForwardApi, PostReplacesTheRulesAndPatchAddsToThem) {
  start();
  const std::string header = R"({"headers":{"127.0.0.1":{"set":{"X-Rule":"first"}}}})";
  const auto posted = post(header, {"-H", "Content-Type: application/json"});
  EXPECT_TRUE(posted.has("\r\n\r\n{\"status\":\"ok\"}\n")) << posted.output;
  EXPECT_TRUE(curl({blob(plain_)}).has("200 OK"));
  EXPECT_EQ(plain_.requests().back().field("x-rule"), "first");

  EXPECT_TRUE(patch(R"({"allowlist":{"enabled":true,"domains":["*.example.org"]}})").has("\"ok\""));
  EXPECT_TRUE(curl({blob(plain_)}).has(" 403"));
  EXPECT_TRUE(patch(R"({"allowlist":{"ips":["127.0.0.0/8"]}})").has("\"ok\""));
  EXPECT_TRUE(curl({blob(plain_)}).has("200 OK"));
  EXPECT_EQ(plain_.requests().back().field("x-rule"), "first") << "PATCH left it there";

  EXPECT_TRUE(patch(R"({"headers":{"127.0.0.1":null}})").has("\"ok\""));
  EXPECT_TRUE(curl({blob(plain_)}).has("200 OK"));
  EXPECT_EQ(plain_.requests().back().field("x-rule"), "");
  EXPECT_TRUE(post("{}").has("\"ok\""));
  EXPECT_TRUE(curl({blob(plain_, "localhost")}).has("200 OK")) << "an empty document resets everything";
}

TEST_F(ForwardApi, ADocumentWithAMistakeChangesNothingAndSaysWhy) {
  start();
  EXPECT_TRUE(post(R"({"allowlist":{"enabled":true}})").has("\"ok\""));
  EXPECT_TRUE(post("{").has("400 Bad Request"));
  EXPECT_TRUE(post("{").has("{\"error\":\"invalid JSON: "));
  EXPECT_TRUE(post(R"({"allowlist":{"domains":["a*b*"]}})").has("{\"error\":\"invalid allowlist domain: a*b*\"}\n"));
  EXPECT_TRUE(patch(R"({"allowlist":{"ips":["x"]}})").has("{\"error\":\"invalid IP/CIDR: x\"}\n"));
  EXPECT_TRUE(patch(R"({"headers":{"a b":{}}})").has("{\"error\":\"invalid domain pattern: a b\"}\n"));
  EXPECT_TRUE(post(R"({"headers":{"a":{"conditions":[{"header":""}]}}})").has("400 Bad Request"));
  EXPECT_TRUE(patch(R"({"headers":{"a":{"set":{"Content-Length":"5"}}}})").has("400 Bad Request"));
  EXPECT_TRUE(curl({blob(plain_)}).has(" 403")) << "the first one holds";
}

// Lists could only grow, and the same address came into them again and again.
TEST_F(ForwardApi, AListIsShortenedByPostAndHoldsNothingTwice) {
  start();
  EXPECT_TRUE(post(R"({"allowlist":{"enabled":true,"ips":["127.0.0.0/8","10.0.0.1"]}})").has("\"ok\""));
  EXPECT_TRUE(patch(R"({"allowlist":{"ips":["10.0.0.1","10.0.0.2","10.0.0.2"]}})").has("\"ok\""));
  const auto listed = api("/api/config");
  EXPECT_TRUE(listed.has(R"("ips":["127.0.0.0/8","10.0.0.1","10.0.0.2"])")) << listed.output;
  EXPECT_TRUE(curl({blob(plain_)}).has("200 OK"));
  EXPECT_TRUE(post(R"({"allowlist":{"enabled":true,"ips":["10.0.0.1"]}})").has("\"ok\""));
  EXPECT_TRUE(curl({blob(plain_)}).has(" 403")) << "it was taken off the list";
}

TEST_F(ForwardApi, GetConfigShowsTheRulesWithoutTheirSecrets) {
  start();
  EXPECT_TRUE(post(R"({"headers":{"api.test":{"set":{"Authorization":"Bearer hunter2"}}}})").has("\"ok\""));
  const auto got = api("/api/config");
  EXPECT_TRUE(got.has("\"api.test\":{\"set\":{\"Authorization\":\"[REDACTED]\"}}")) << got.output;
  EXPECT_FALSE(got.has("hunter2"));
  EXPECT_THAT(log(), Not(HasSubstr("hunter2")));
}

TEST_F(ForwardApi, WhatIsNotThereIs404AndAWrongMethod405WithAllow) {
  start();
  EXPECT_TRUE(api("/nothing").has("404 Not Found"));
  EXPECT_TRUE(api("/api/config/").has("404 Not Found"));
  const auto wrong = api("/api/config", {"-X", "DELETE"});
  EXPECT_TRUE(wrong.has("405 Method Not Allowed"));
  EXPECT_TRUE(wrong.has("Allow: GET, HEAD, POST, PATCH")) << wrong.output;
  EXPECT_TRUE(api("/api/cache", {"-X", "GET"}).has("Allow: DELETE"));
  EXPECT_TRUE(api("/health", {"-I"}).has("200 OK"));
}

TEST_F(ForwardApi, WithoutACacheItsStatisticsAreZeroAndClearingSaysSo) {
  start();
  const auto stats = api("/api/cache/stats");
  EXPECT_TRUE(
      stats.has("\r\n\r\n{\"current_size\":0,\"errors\":0,\"evictions\":0,\"hit_rate\":0,\"hits\":0,\"misses\":0,"
                "\"stores\":0}\n"))
      << stats.output;
  const auto cleared = api("/api/cache", {"-X", "DELETE"});
  EXPECT_TRUE(cleared.has("400 Bad Request"));
  EXPECT_TRUE(cleared.has("{\"error\":\"failed to clear cache: cache disabled\"}\n")) << cleared.output;
}

// A page could post a form or plain text here without a preflight, and a name bound to 127.0.0.1 made it same-origin.
TEST_F(ForwardApi, AWebPageDoesNotGetThrough) {
  start();
  const std::string document = R"({"allowlist":{"enabled":true}})";
  for (const char* header :
       {"Origin: http://evil.example", "Origin: null", "Sec-Fetch-Site: cross-site", "Sec-Fetch-Site: same-origin",
        "Host: evil.example:17081", "Host: 127.0.0.1.evil.example"}) {
    const auto got = post(document, {"-H", header});
    EXPECT_TRUE(got.has("401 Unauthorized")) << header << got.output;
    EXPECT_TRUE(got.has("WWW-Authenticate: Bearer")) << header;
  }
  for (const char* type : {"text/plain", "multipart/form-data; boundary=x", ""}) {
    const auto got = post(document, {"-H", std::string("Content-Type: ") + type});
    EXPECT_TRUE(got.has("415 Unsupported Media Type")) << type << got.output;
  }
  EXPECT_TRUE(curl({blob(plain_)}).has("200 OK")) << "nothing was changed";
  EXPECT_TRUE(api("/health", {"-H", "Host: localhost:17081"}).has("200 OK"));
  EXPECT_TRUE(api("/health", {"-H", "Host: [::1]"}).has("200 OK"));
}

TEST_F(ForwardApi, TheTokenIsMadeOnceReadableByItsOwnerAloneAndOpensEveryDoor) {
  start();
  const auto first = token();
  EXPECT_EQ(first.size(), 64u);
  struct stat state{};
  ASSERT_EQ(::stat((files_ / "certs/api.token").c_str(), &state), 0);
  EXPECT_EQ(state.st_mode & 0777, 0600u);
  const std::vector<std::string> page{"-H", "Origin: http://ui.example",     "-H", "Content-Type: application/json",
                                      "-H", "Authorization: Bearer " + first};
  EXPECT_TRUE(post("{}", page).has("200 OK"));
  EXPECT_TRUE(api("/health", {"-H", "Authorization: Bearer " + first + "0"}).has("401 Unauthorized"));
  EXPECT_TRUE(post("{}", {"-H", "Authorization: Bearer " + first}).has("415")) << "a form only without a token";
  stop();
  start();
  EXPECT_EQ(token(), first);
  EXPECT_THAT(log(), Not(HasSubstr(first)));
}

TEST_F(ForwardApi, WithAuthTokenItIsAskedForOfEverybody) {
  write_config(usual("api: {auth: token}\n"));
  start();
  EXPECT_TRUE(api("/health").has("401 Unauthorized"));
  EXPECT_TRUE(api("/health", {"-H", "Authorization: Bearer " + token()}).has("200 OK"));
}

TEST_F(ForwardApi, ABodyThatIsTooLargeIs413) {
  start();
  support::write_file(files_ / "large", std::string(1024 * 1024 + 1, ' '));
  const auto got = api("/api/config", {"--data-binary", "@" + (files_ / "large").string()});
  EXPECT_TRUE(got.has(" 413")) << got.output;
}

TEST_F(ForwardApi, ItIsNotReachedThroughTheProxy) {
  start();
  for (const char* host : {"127.0.0.1", "localhost"}) {
    for (const auto port : {api_port_, health_port_}) {
      const auto got = curl({"http://" + std::string(host) + ":" + std::to_string(port) + "/health"});
      EXPECT_TRUE(got.has(" 403")) << got.output;
    }
  }
}

TEST_F(ForwardApi, StatusReadinessAndMetricsAreThereToo) {
  start();
  EXPECT_TRUE(api("/ready").has("200 OK"));
  EXPECT_TRUE(api("/metrics").has("\npropeller_build_info"));
  const auto status = api("/api/status");
  EXPECT_TRUE(status.has("\"config_file\":\"" + config_.string() + "\"")) << status.output;
  EXPECT_TRUE(status.has("\"rules_from\":\"file\""));
  EXPECT_TRUE(post("{}").has("\"ok\""));
  EXPECT_TRUE(api("/api/status").has("\"rules_from\":\"api\""));
}

}  // namespace
}  // namespace propeller::cmd
