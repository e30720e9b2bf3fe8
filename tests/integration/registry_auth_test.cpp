// The registry behind TLS, passwords and tokens: real docker-registry, certificates and tokens made here.
#include <sys/stat.h>

#include "integration/site.hpp"
#include "support/base64.hpp"
#include "support/token_server.hpp"

namespace propeller::integration {
namespace {

using support::DockerRegistry;
using support::TokenServer;

class RegistryAuth : public Site {
 protected:
  /// Pushes with these credentials, starts a bridge that is told of this registry, and asks for the image.
  void serve(const DockerRegistry& secured, const Environment& overrides) {
    Pusher secured_pusher({.url = secured.url(), .username = "bridge", .password = "secret", .ca = tls.ca()});
    push_raw(secured_pusher, "acme/add", "latest", module);
    Environment all{{"PROXY_REGISTRY_URL", secured.url()}, {"PROXY_REGISTRY_CA_CERT", tls.ca().string()}};
    for (const auto& [key, value] : overrides) all[key] = value;
    start_bridge(all);
    device = std::make_unique<support::RustProplet>(device_options(), topics);
    watch = std::make_unique<ChannelWatch>(device_options(), topics);
    device->request("acme/add");
  }
  void expect_delivered() { EXPECT_TRUE(device->wait_module("acme/add", kPatience) == module); }
  void expect_refused(const std::string& code) { EXPECT_EQ(failure_code(*watch, "acme/add"), code); }
  void expect_no_secret_in(const std::string& secret) {
    EXPECT_EQ(bridge->process().output().find(secret), std::string::npos);
    for (const auto& event : watch->events()) EXPECT_EQ(event.status.dump().find(secret), std::string::npos);
  }

  const Environment password{
      {"PROXY_AUTHENTICATE", "true"}, {"PROXY_REGISTRY_USERNAME", "bridge"}, {"PROXY_REGISTRY_PASSWORD", "secret"}};
  const Environment wrong_password{
      {"PROXY_AUTHENTICATE", "TRUE"}, {"PROXY_REGISTRY_USERNAME", "bridge"}, {"PROXY_REGISTRY_PASSWORD", "wr0ng-pw"}};
  const support::TlsFiles tls;
  const std::string module = wasm_module(600'000);
  std::unique_ptr<support::RustProplet> device;
  std::unique_ptr<ChannelWatch> watch;
};

TEST_F(RegistryAuth, PasswordOverTls) {
  DockerRegistry secured({.tls = &tls, .users = {{"bridge", "secret"}}});
  serve(secured, password);
  expect_delivered();
}

TEST_F(RegistryAuth, AWrongPasswordIsUnauthorizedAndStaysSecret) {
  DockerRegistry secured({.tls = &tls, .users = {{"bridge", "secret"}}});
  serve(secured, wrong_password);
  expect_refused("unauthorized");
  expect_no_secret_in("wr0ng-pw");
}

TEST_F(RegistryAuth, WithoutPasswordItIsUnauthorized) {
  DockerRegistry secured({.tls = &tls, .users = {{"bridge", "secret"}}});
  serve(secured, {});
  expect_refused("unauthorized");
}

TEST_F(RegistryAuth, CredentialsAreNotUsedUnlessAuthenticateIsOn) {
  DockerRegistry secured({.tls = &tls, .users = {{"bridge", "secret"}}});
  auto off = password;
  off["PROXY_AUTHENTICATE"] = "0";
  serve(secured, off);
  expect_refused("unauthorized");
}

TEST_F(RegistryAuth, ACertificateOfAnUnknownAuthorityIsRefused) {
  const support::TlsFiles other;
  DockerRegistry secured({.tls = &tls});
  serve(secured, {{"PROXY_REGISTRY_CA_CERT", other.ca().string()}});
  expect_refused("registry_unavailable");
}

TEST_F(RegistryAuth, TokensForTheScopeAreAskedForOnceAndKept) {
  const TokenServer tokens({.algorithm = "ES256", .users = {{"bridge", "secret"}}, .tls = &tls});
  DockerRegistry secured({.tls = &tls, .tokens = &tokens});
  serve(secured, password);
  expect_delivered();
  const int issued_to_the_pusher = 1;
  EXPECT_EQ(tokens.tokens_issued(), issued_to_the_pusher + 1) << "manifest and blob share one token";
  device->request("acme/add");
  ASSERT_TRUE(device->wait_module("acme/add", kPatience));
  EXPECT_EQ(tokens.tokens_issued(), issued_to_the_pusher + 1) << "the second request uses the cached token";
}

TEST_F(RegistryAuth, AnonymousTokens) {
  const TokenServer tokens({.algorithm = "RS256", .tls = &tls});
  DockerRegistry secured({.tls = &tls, .tokens = &tokens});
  serve(secured, {});
  expect_delivered();
}

TEST_F(RegistryAuth, ATokenServerWithoutEncryptionOfAnEncryptedRegistryIsNotTrusted) {
  const TokenServer tokens({.users = {{"bridge", "secret"}}});
  DockerRegistry secured({.tls = &tls, .tokens = &tokens});
  serve(secured, password);
  expect_refused("unauthorized");
  EXPECT_EQ(tokens.tokens_refused(), 0) << "it was not even asked";
}

TEST_F(RegistryAuth, ATokenServerThatRefusesIsUnauthorized) {
  const TokenServer tokens({.users = {{"bridge", "secret"}}, .tls = &tls});
  DockerRegistry secured({.tls = &tls, .tokens = &tokens});
  serve(secured, wrong_password);
  expect_refused("unauthorized");
  expect_no_secret_in("wr0ng-pw");
}

TEST_F(RegistryAuth, AnExpiredTokenIsReplaced) {
  // The registry allows a minute of leeway, so an expired token is still good there: what is seen is that the bridge
  // asks anew.
  const TokenServer tokens({.users = {{"bridge", "secret"}}, .lifetime = std::chrono::seconds(1), .tls = &tls});
  DockerRegistry secured({.tls = &tls, .tokens = &tokens});
  serve(secured, password);
  expect_delivered();
  const int before = tokens.tokens_issued();
  EXPECT_TRUE(wait_until([&] {
    device->request("acme/add");
    return device->wait_module("acme/add", kPatience) && tokens.tokens_issued() > before;
  }));
}

TEST_F(RegistryAuth, PasswordsFromDockersConfig) {
  DockerRegistry secured({.tls = &tls, .users = {{"bridge", "secret"}}});
  const support::TempDir docker;
  support::write_file(docker / "config.json", R"({"auths":{")" + secured.host() + R"(":{"auth":")" +
                                                  support::encode_base64("bridge:secret") + R"("}}})");
  serve(secured, {{"DOCKER_CONFIG", docker.path().string()}});
  expect_delivered();
}

TEST_F(RegistryAuth, PasswordsFromACredentialHelper) {
  DockerRegistry secured({.tls = &tls, .users = {{"bridge", "secret"}}});
  const support::TempDir docker;
  support::write_file(docker / "config.json", R"({"credHelpers":{")" + secured.host() + R"(":"test"}})");
  support::write_file(
      docker / "docker-credential-test",
      "#!/bin/sh\n[ \"$1\" = get ] || exit 1\nread host\n"
      "echo \"{\\\"ServerURL\\\":\\\"$host\\\",\\\"Username\\\":\\\"bridge\\\",\\\"Secret\\\":\\\"secret\\\"}\"\n");
  ::chmod((docker / "docker-credential-test").c_str(), 0755);
  serve(secured, {{"DOCKER_CONFIG", docker.path().string()}, {"PATH", docker.path().string() + ":/usr/bin:/bin"}});
  expect_delivered();
}

}  // namespace
}  // namespace propeller::integration
