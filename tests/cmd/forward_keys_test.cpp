// What the keys of propeller-proxy.yaml do, seen from outside: each test fails when its key is not heeded. What is kept
// on disk is in forward_storage_keys_test.cpp; which test belongs to which key in forward_key_table_test.cpp.
#include <fmt/format.h>
#include <gmock/gmock.h>

#include <algorithm>
#include <nlohmann/json.hpp>
#include <sstream>

#include "forward_site.hpp"
#include "http/peer.hpp"
#include "net/address.hpp"

namespace propeller::cmd {
namespace {

using http::Peer;
using http::PeerListener;
using support::wait_until;
using testing::HasSubstr;
using namespace std::chrono_literals;

/// Less than the least of the defaults of 30 s, more than anything takes that works.
constexpr auto kBeforeDefaults = 15s;

class ForwardKeys : public ForwardSite {
 protected:
  void start_with(const std::string& text) {
    write_config(text);
    start();
  }
  /// The URL of a blob on the plain server.
  [[nodiscard]] std::string put(std::string bytes) {
    const auto digest = plain_.push_blob("acme/m", std::move(bytes));
    return plain_.url() + "/v2/acme/m/blobs/" + digest;
  }
  void ask(Peer& client, const std::string& url) const {
    client.send("GET " + url + " HTTP/1.1\r\nHost: " + plain_.host() + "\r\n\r\n");
  }
  [[nodiscard]] std::string asked(const std::string& field) const { return plain_.requests().back().field(field); }
  /// Every client's connection was ended, without a word from the client.
  [[nodiscard]] bool ends_its_connections() const {
    return wait_until([&] { return metrics().contains("\npropeller_forward_connections 0\n"); }, kBeforeDefaults);
  }
  [[nodiscard]] std::size_t sockets_that_listen(std::uint16_t port) const {
    const auto wanted = fmt::format(" 0100007F:{:04X} 00000000:0000 0A ", port);
    std::istringstream table(support::read_file("/proc/net/tcp"));
    std::size_t count = 0;
    for (std::string line; std::getline(table, line);) count += line.contains(wanted) ? 1U : 0U;
    return count;
  }
  [[nodiscard]] support::Subprocess client_from(const std::string& address, const std::string& url) const {
    return support::Subprocess({.arguments = {"curl", "-sS", "-o", "/dev/null", "--noproxy", "", "--interface", address,
                                              "-x", fmt::format("http://127.0.0.1:{}", port_), url}});
  }
};

TEST_F(ForwardKeys, EachThreadListensOnThePort) {
  for (const unsigned count : {1U, 3U}) {
    auto text = usual();
    text.replace(0, text.find('\n'), fmt::format("threads: {}", count));
    start_with(text);
    EXPECT_EQ(sockets_that_listen(port_), count);
    stop();
  }
}

TEST_F(ForwardKeys, ListensOnTheAddressesGivenAndNoOther) {
  const auto other_port = support::free_port();
  start_with(usual_with("proxy", fmt::format("listen: [127.0.0.2, '127.0.0.3:{}']", other_port)));
  EXPECT_TRUE(curl({"-x", fmt::format("http://127.0.0.2:{}", port_), blob(plain_)}).has("200 OK"));
  EXPECT_TRUE(curl({"-x", fmt::format("http://127.0.0.3:{}", other_port), blob(plain_)}).has("200 OK"));
  EXPECT_FALSE(support::can_connect(port_)) << "127.0.0.1 is not in the list";
}

TEST_F(ForwardKeys, AnOpenProxyListensForEverybody) {
  const std::string listen = "listen: 0.0.0.0";
  write_config(usual_with("proxy", listen));
  EXPECT_EQ(run_program({}, environment()).exit_code, 2);
  start_with(usual_with("proxy", listen + "\n  open: true"));
  EXPECT_TRUE(curl({blob(plain_)}).has("200 OK"));
}

TEST_F(ForwardKeys, TheProxyProtocolIsTakenFromWhoIsListed) {
  for (const auto& [believed, is_taken] : {std::pair("127.0.0.1", true), std::pair("192.0.2.1", false)}) {
    start_with(usual_with("proxy", fmt::format("proxy_protocol: [{}]", believed)));
    auto client = Peer::connect(port_);
    client.send("PROXY TCP4 127.0.0.9 127.0.0.1 4096 8192\r\n");
    ask(client, blob(plain_));
    EXPECT_EQ(client.read_head().starts_with("HTTP/1.1 200 "), is_taken) << believed;
    client.close();
    stop();
  }
}

TEST_F(ForwardKeys, EverythingGoesThroughTheUpstreamButWhatNoProxyNames) {
  support::FakeRegistry upstream;
  start_with(usual_with("proxy", "upstream: http://ann:secret@" + upstream.host() + "\n  no_proxy: [localhost]"));
  (void)curl({blob(plain_)});
  ASSERT_EQ(upstream.requests().size(), 1U);
  EXPECT_EQ(upstream.requests()[0].target, blob(plain_));
  EXPECT_EQ(upstream.requests()[0].field("proxy-authorization"), "Basic YW5uOnNlY3JldA==");
  EXPECT_TRUE(plain_.requests().empty());
  EXPECT_TRUE(curl({blob(plain_, "localhost")}).has("200 OK"));
  EXPECT_EQ(upstream.requests().size(), 1U);
}

// Lower bounds hold on every machine: noise only makes a transfer slower. A quarter of a second's worth goes at once.
TEST_F(ForwardKeys, TheBandwidthOfOneClientIsLimited) {
  start_with(usual_with("proxy", "bandwidth: {per_client: 800000}"));
  const auto url = put(std::string(600'000, 'b'));
  const auto began = std::chrono::steady_clock::now();
  EXPECT_EQ(client_from("127.0.0.1", url).wait_exit(), 0);
  EXPECT_GE(std::chrono::steady_clock::now() - began, 400ms);
}

TEST_F(ForwardKeys, TheBandwidthOfAllClientsTogetherIsLimited) {
  start_with(usual_with("proxy", "bandwidth: {total: 800000}"));
  const auto url = put(std::string(400'000, 'b'));
  const auto began = std::chrono::steady_clock::now();
  auto one = client_from("127.0.0.1", url), other = client_from("127.0.0.2", url);
  EXPECT_EQ(one.wait_exit(), 0);
  EXPECT_EQ(other.wait_exit(), 0);
  EXPECT_GE(std::chrono::steady_clock::now() - began, 500ms) << "for each of them alone it is half of it";
}

TEST_F(ForwardKeys, ARequestThatStopsInTheMiddleIsNotWaitedForForEver) {
  start_with(usual_with("proxy", "read_timeout: 300ms"));
  auto client = Peer::connect(port_);
  client.send("GET http://127.0.0.1/ HTT");
  EXPECT_THAT(client.read_head(), HasSubstr("HTTP/1.1 408 "));
}

TEST_F(ForwardKeys, AClientThatTakesNothingIsNotWaitedForForEver) {
  start_with(usual_with("proxy", "write_timeout: 300ms"));
  const auto url = put(std::string(32'000'000, 'w'));
  auto client = Peer::connect(port_);
  ask(client, url);
  EXPECT_THAT(client.read_head(), HasSubstr("200 OK"));
  EXPECT_TRUE(ends_its_connections());
}

// The kernel takes the connection, nobody answers the ClientHello. The default is 10 s.
TEST_F(ForwardKeys, AServerThatDoesNotShakeHandsIsNotWaitedForForEver) {
  start_with(usual_with("proxy", "connect_timeout: 300ms"));
  const PeerListener silent;
  const auto got = curl({"--max-time", "8", fmt::format("https://localhost:{}/", silent.port())});
  EXPECT_TRUE(got.has(" 504")) << got.output;
}

TEST_F(ForwardKeys, AServerThatDoesNotAnswerIsNotWaitedForForEver) {
  start_with(usual_with("proxy", "first_byte_timeout: 300ms"));
  plain_.inject("blobs", {.kind = support::FaultKind::hang});
  const auto got = curl({blob(plain_)});
  EXPECT_TRUE(got.has(" 504")) << got.output;
}

TEST_F(ForwardKeys, AConnectionWithoutANextRequestPassesAway) {
  start_with(usual_with("proxy", "idle_timeout: 300ms"));
  auto client = Peer::connect(port_);
  ask(client, blob(plain_));
  EXPECT_THAT(client.read_message(), HasSubstr("some bytes of a blob"));
  EXPECT_TRUE(ends_its_connections());
}

TEST_F(ForwardKeys, ATunnelWithoutABytePassesAway) {
  start_with(usual_with("proxy", "tunnel_idle_timeout: 300ms"));
  PeerListener server;
  auto client = Peer::connect(port_);
  client.send(fmt::format("CONNECT 127.0.0.1:{0} HTTP/1.1\r\nHost: 127.0.0.1:{0}\r\n\r\n", server.port()));
  EXPECT_THAT(client.read_head(), HasSubstr(" 200 "));
  const auto upstream = server.accept();
  EXPECT_TRUE(ends_its_connections());
}

TEST_F(ForwardKeys, AnUnknownAuthorityIsTakenFromInsecureHostsOnly) {
  const support::TlsFiles stranger;
  support::FakeRegistry unknown({.tls = &stranger});
  unknown.push_blob("acme/m", "some bytes of a blob");
  start_with(usual_with("tls", "insecure_hosts: [localhost]"));
  const auto path = blob(plain_).substr(plain_.url().size());
  EXPECT_TRUE(curl({unknown.url() + path}).has("error=tls_certificate_error"));
  const auto got = curl({fmt::format("https://localhost:{}{}", unknown.port(), path)});
  EXPECT_TRUE(got.has("some bytes of a blob")) << got.output;
}

TEST_F(ForwardKeys, AHostWhoseClientRefusesOurCertificateIsLearned) {
  start_with(usual_with("tls", "learn_passthrough: true"));
  const std::vector<std::string> pinned{"--cacert", tls_.ca().string(), blob(secure_, "localhost")};
  EXPECT_EQ(curl(pinned).exit_code, 60);
  EXPECT_TRUE(wait_until([&] { return curl(pinned).has("some bytes of a blob"); }, kBeforeDefaults)) << log();
}

TEST_F(ForwardKeys, NamesAndAddressesOfTheAllowListAreReachedAndNoOther) {
  start_with(usual("allowlist: {enabled: true, domains: [localhost], ips: [127.0.0.1]}\n"));
  EXPECT_TRUE(curl({blob(plain_, "localhost")}).has("200 OK"));
  EXPECT_TRUE(curl({blob(plain_)}).has("200 OK"));
  EXPECT_TRUE(curl({blob(plain_, "127.0.0.2")}).has(" 403"));
  EXPECT_TRUE(curl({blob(plain_, "other.test")}).has(" 403"));
}

TEST_F(ForwardKeys, AHeaderRuleSetsAndAppendsWhereItsConditionsHold) {
  start_with(
      usual("headers:\n"
            "  localhost:\n"
            "    conditions: [{header: X-Who, equals: me}]\n"
            "    set: {X-Set: replaced}\n"
            "    append: {X-Append: added}\n"));
  const auto send = [&](const std::string& who, const std::string& host) {
    const auto got = curl({"-H", "X-Who: " + who, "-H", "X-Set: given", "-H", "X-Append: given", blob(plain_, host)});
    EXPECT_TRUE(got.has("200 OK")) << got.output;
  };
  send("me", "localhost");
  EXPECT_EQ(asked("x-set"), "replaced");
  EXPECT_EQ(asked("x-append"), "given, added");
  for (const auto& [who, host] : {std::pair("you", "localhost"), std::pair("me", "127.0.0.1")}) {
    send(who, host);
    EXPECT_EQ(asked("x-set"), "given") << who << " " << host;
    EXPECT_EQ(asked("x-append"), "given") << who << " " << host;
  }
}

TEST_F(ForwardKeys, TheApiIsOnItsAddressOnly) {
  start_with(usual("api: {listen: 127.0.0.2}\n"));
  EXPECT_TRUE(curl({"-x", "", fmt::format("http://127.0.0.2:{}/health", api_port_)}).has("200 OK"));
  EXPECT_FALSE(support::can_connect(api_port_));
}

TEST_F(ForwardKeys, FromBeyondLoopbackTheApiTakesItsToken) {
  const auto addresses = net::machine_addresses();
  const auto outer = std::ranges::find_if(addresses, [](const auto& at) { return at.is_v4() && !at.is_loopback(); });
  if (outer == addresses.end()) GTEST_SKIP() << "this machine has loopback alone";
  start_with(usual("api: {listen: 0.0.0.0}\n"));
  const auto url = fmt::format("http://{}:{}/health", outer->to_string(), api_port_);
  auto token = support::read_file(files_ / "certs/api.token");
  token.resize(token.find('\n'));
  EXPECT_TRUE(curl({"-x", "", "-H", "Host: localhost", url}).has(" 401"));
  EXPECT_TRUE(curl({"-x", "", "-H", "Authorization: Bearer " + token, url}).has(" 200 OK"));
}

TEST_F(ForwardKeys, TheTokenIsTheOneInItsFile) {
  const std::string token = "0123456789abcdef";
  support::write_file(files_ / "token", token + "\n");
  start_with(usual("api: {auth: token, token_file: " + (files_ / "token").string() + "}\n"));
  EXPECT_TRUE(api("/health", {"-H", "Authorization: Bearer " + token}).has("200 OK"));
  EXPECT_FALSE(std::filesystem::exists(files_ / "certs/api.token"));
}

TEST_F(ForwardKeys, BelowItsLevelNothingIsLogged) {
  write_config(usual("logging: {level: error}\n"));
  process_ = std::make_unique<support::Subprocess>(
      support::SubprocessOptions{.arguments = {PROPELLER_PROXY_PROGRAM}, .environment = environment()});
  EXPECT_TRUE(wait_until([&] { return api("/health").has("200 OK"); }));
  stop();
  process_->wait_output_end();
  EXPECT_EQ(log(), "");
}

TEST_F(ForwardKeys, EveryLineOfTheLogIsJsonWhereTheFileSaysSo) {
  start_with(usual("logging: {format: json}\n"));
  stop();
  process_->wait_output_end();
  std::istringstream lines(log());
  for (std::string line; std::getline(lines, line);) EXPECT_TRUE(nlohmann::json::accept(line)) << line;
}

TEST_F(ForwardKeys, WhoWantsBodiesLoggedIsToldWhereTheyAreKept) {
  for (const bool is_wanted : {true, false}) {
    write_config(usual(fmt::format("logging: {{include_body: {}}}\n", is_wanted)));
    const auto outcome = run_program({"check"}, environment());
    EXPECT_EQ(outcome.err.contains("recording.max_body_size"), is_wanted) << outcome.err;
  }
}

// The file lets nothing of the log through, so that start() sees its line only if the level is another one.
class ForwardVariables : public ForwardKeys {
 protected:
  ForwardVariables() { write_config(usual("logging: {level: error, format: text}\n")); }

  void expect_all_are_heeded() const {
    EXPECT_TRUE(support::can_connect(new_port_));
    EXPECT_TRUE(support::can_connect(new_api_port_));
    EXPECT_FALSE(support::can_connect(port_));
    EXPECT_FALSE(support::can_connect(api_port_));
    EXPECT_TRUE(std::filesystem::exists(files_ / "other/ca.crt"));
    EXPECT_FALSE(std::filesystem::exists(files_ / "certs"));
    EXPECT_THAT(log(), HasSubstr("\"message\":\"proxy server started\""));
  }

  const std::uint16_t new_port_ = support::free_port();
  const std::uint16_t new_api_port_ = support::free_port();
};

TEST_F(ForwardVariables, WinOverTheFileUnderBothNames) {
  for (const std::string prefix : {"", "PROXY_"}) {
    start({{"PROXY_PORT", std::to_string(new_port_)},
           {prefix + "API_PORT", std::to_string(new_api_port_)},
           {prefix + "CERT_DIR", (files_ / "other").string()},
           {prefix + "LOG_LEVEL", "info"},
           {prefix + "LOG_FORMAT", "json"}});
    expect_all_are_heeded();
    stop();
    std::filesystem::remove_all(files_ / "other");
  }
}

TEST_F(ForwardVariables, FlagsWinOverThem) {
  const auto unused = std::to_string(support::free_port());
  process_ = std::make_unique<support::Subprocess>(support::SubprocessOptions{
      .arguments = {PROPELLER_PROXY_PROGRAM, "--proxy-port", std::to_string(new_port_), "--api-port",
                    std::to_string(new_api_port_), "--cert-dir", (files_ / "other").string(), "--log-level", "info",
                    "--log-format", "json", "--config", config_.string()},
      .environment = environment({{"CONFIG_FILE", "/nonexistent.yaml"},
                                  {"PROXY_PORT", unused},
                                  {"PROXY_API_PORT", unused},
                                  {"PROXY_CERT_DIR", (files_ / "certs").string()},
                                  {"PROXY_LOG_LEVEL", "error"},
                                  {"PROXY_LOG_FORMAT", "text"}})});
  ASSERT_TRUE(says("api server started")) << log();
  expect_all_are_heeded();
}

}  // namespace
}  // namespace propeller::cmd
