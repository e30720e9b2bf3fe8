// Who gets which credentials, and who must not.
#include <gmock/gmock.h>

#include "registry/client_fixture.hpp"

namespace propeller::registry {
namespace {

using support::FakeAuth;
using support::FakeRegistry;
using support::FakeRegistryOptions;
using support::FaultKind;
using testing::HasSubstr;
using testing::Not;

const std::string kPassword = "s3cret-passw0rd";

void set_password(Site& site) {
  site.settings.is_authenticated = true;
  site.settings.username = "device";
  site.settings.password = Secret(kPassword);
}

int authorized_requests(const FakeRegistry& registry) {
  int count = 0;
  for (const auto& request : registry.requests()) count += request.field("authorization").empty() ? 0 : 1;
  return count;
}

TEST(ClientAuth, BasicIsSentAfterTheChallengeAndThenAtOnce) {
  FakeRegistry registry({.auth = FakeAuth::basic, .username = "device", .password = kPassword});
  registry.push_module("acme/add", "v1", kSmallModule);
  Site site(registry);
  set_password(site);
  EXPECT_EQ(site.fetch("acme/add:v1"), kSmallModule);
  EXPECT_EQ(registry.requests().size(), 3u);
  EXPECT_EQ(site.fetch("acme/add:v1"), kSmallModule);
  EXPECT_EQ(registry.requests().size(), 5u);
}

TEST(ClientAuth, AWrongPasswordIsUnauthorizedAndNamesNoSecret) {
  FakeRegistry registry({.auth = FakeAuth::basic, .username = "device", .password = "another"});
  Site site(registry);
  set_password(site);
  const auto fetched = site.fetch("acme/add:v1");
  ASSERT_FALSE(fetched);
  EXPECT_EQ(fetched.error().code, Code::unauthorized);
  EXPECT_THAT(fetched.error().detail, Not(HasSubstr(kPassword)));
  EXPECT_EQ(registry.requests().size(), 2u);
}

TEST(ClientAuth, WithoutCredentialsBasicIsUnauthorizedWithAHint) {
  FakeRegistry registry({.auth = FakeAuth::basic, .username = "device", .password = kPassword});
  Site site(registry);
  site.settings.username = "device";  // but PROXY_AUTHENTICATE is off
  site.settings.password = Secret(kPassword);
  const auto fetched = site.fetch("acme/add:v1");
  ASSERT_FALSE(fetched);
  EXPECT_EQ(fetched.error().code, Code::unauthorized);
  EXPECT_THAT(fetched.error().detail, HasSubstr("PROXY_AUTHENTICATE"));
  EXPECT_EQ(authorized_requests(registry), 0);
}

TEST(ClientAuth, ATokenIsFetchedOncePerRepository) {
  FakeRegistry registry({.auth = FakeAuth::bearer});
  registry.push_module("acme/add", "v1", kSmallModule);
  registry.push_module("acme/sub", "v1", kSmallModule);
  Site site(registry);
  EXPECT_EQ(site.fetch("acme/add:v1"), kSmallModule);
  EXPECT_EQ(registry.requests().size(), 4u);  // 401, token, manifest, blob
  EXPECT_EQ(site.fetch("acme/add:v1"), kSmallModule);
  EXPECT_EQ(registry.requests().size(), 6u);
  EXPECT_EQ(site.fetch("acme/sub:v1"), kSmallModule);
  EXPECT_EQ(registry.requests_with("/token"), 2);
}

TEST(ClientAuth, TheTokenServerGetsThePasswordAndTheRegistryTheToken) {
  FakeRegistry tokens({.username = "device", .password = kPassword});
  FakeRegistry registry({.auth = FakeAuth::bearer, .token_server = &tokens});
  registry.push_module("acme/add", "v1", kSmallModule);
  Site site(registry);
  set_password(site);
  EXPECT_EQ(site.fetch("acme/add:v1"), kSmallModule);
  ASSERT_EQ(tokens.requests().size(), 1u);
  EXPECT_THAT(tokens.requests()[0].target, HasSubstr("service=fake"));
  EXPECT_THAT(tokens.requests()[0].target, HasSubstr("scope=repository%3Aacme%2Fadd%3Apull"));
  for (const auto& request : registry.requests()) EXPECT_THAT(request.field("authorization"), Not(HasSubstr("Basic")));
}

TEST(ClientAuth, ATokenServerThatRefusesIsUnauthorized) {
  FakeRegistry tokens({.username = "device", .password = "another"});
  FakeRegistry registry({.auth = FakeAuth::bearer, .token_server = &tokens});
  Site site(registry);
  set_password(site);
  const auto fetched = site.fetch("acme/add:v1");
  ASSERT_FALSE(fetched);
  EXPECT_EQ(fetched.error().code, Code::unauthorized);
  EXPECT_EQ(site.client().retries(), 0u);
}

TEST(ClientAuth, ATokenServerThatIsDownIsTriedAgain) {
  FakeRegistry registry({.auth = FakeAuth::bearer});
  registry.push_module("acme/add", "v1", kSmallModule);
  registry.inject("/token", {.kind = FaultKind::status, .status = 503, .times = 2});
  Site site(registry);
  EXPECT_EQ(site.fetch("acme/add:v1"), kSmallModule);
  EXPECT_EQ(site.client().retries(), 2u);
}

TEST(ClientAuth, ARevokedTokenIsRenewedOnceOnTheWay) {
  FakeRegistry registry({.auth = FakeAuth::bearer});
  registry.push_module("acme/add", "v1", kSmallModule);
  Site site(registry);
  EXPECT_EQ(site.fetch("acme/add:v1"), kSmallModule);
  registry.revoke_tokens();
  EXPECT_EQ(site.fetch("acme/add:v1"), kSmallModule);
  EXPECT_EQ(registry.requests_with("/token"), 2);
}

TEST(ClientAuth, ATokenThatRunsOutInTheMiddleOfABlobIsRenewed) {
  FakeRegistry registry({.auth = FakeAuth::bearer});
  const std::string module = large_module(1'000'000);
  const auto digest = Digest::parse(registry.push_blob("acme/add", module)).value();
  Site site(registry);
  registry.inject("/blobs/", {.kind = FaultKind::close_after, .bytes = 300'000, .times = 1});
  const auto blob = run(site.context, site.client().open_blob(site.reference("acme/add"), digest, module.size()));
  ASSERT_TRUE(blob) << describe(blob.error());
  registry.revoke_tokens();
  std::string whole;
  for (;;) {
    const auto bytes = run(site.context, (*blob)->read(1 << 20));
    ASSERT_TRUE(bytes) << describe(bytes.error());
    if (bytes->empty()) break;
    whole.append(reinterpret_cast<const char*>(bytes->data()), bytes->size());
  }
  EXPECT_TRUE(whole == module);
  EXPECT_EQ(registry.requests_with("/token"), 2);
}

TEST(ClientAuth, AShortLivedTokenIsFetchedAgainBeforeItIsRefused) {
  FakeRegistry registry({.auth = FakeAuth::bearer, .token_lifetime_seconds = 0});
  registry.push_module("acme/add", "v1", kSmallModule);
  Site site(registry);
  EXPECT_EQ(site.fetch("acme/add:v1"), kSmallModule);
  EXPECT_EQ(registry.requests_with("/token"), 2);  // one for the manifest, one for the blob
  EXPECT_EQ(registry.requests().size(), 5u);       // and one 401
}

TEST(ClientAuth, ARegistryThatRefusesEveryTokenIsUnauthorized) {
  FakeRegistry tokens;
  FakeRegistry registry({.auth = FakeAuth::bearer, .realm = tokens.url() + "/token"});  // it knows none of those tokens
  Site site(registry);
  const auto fetched = site.fetch("acme/add:v1");
  ASSERT_FALSE(fetched);
  EXPECT_EQ(fetched.error().code, Code::unauthorized);
  EXPECT_EQ(registry.requests().size(), 2u);
}

TEST(ClientAuth, TheConfiguredTokenGoesToTheConfiguredRegistryAtOnce) {
  FakeRegistry registry({.auth = FakeAuth::bearer});
  Site site(registry);
  site.settings.is_authenticated = true;
  site.settings.token = Secret("static-token");
  const auto refused = site.fetch("acme/add:v1");
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, Code::unauthorized);
  ASSERT_EQ(registry.requests().size(), 1u);
  EXPECT_EQ(registry.requests()[0].field("authorization"), "Bearer static-token");
}

TEST(ClientAuth, OtherRegistriesGetNothingOfTheConfiguredCredentials) {
  for (const FakeAuth auth : {FakeAuth::basic, FakeAuth::bearer}) {
    FakeRegistry configured;
    FakeRegistry tokens({.username = "device", .password = kPassword});
    FakeRegistry other({.auth = auth, .username = "device", .password = kPassword, .token_server = &tokens});
    Site site(configured);
    set_password(site);
    site.settings.allow = {"127.0.0.1"};
    const auto fetched = site.fetch("http://" + other.host() + "/acme/add:v1");
    ASSERT_FALSE(fetched);
    EXPECT_EQ(fetched.error().code, Code::unauthorized);
    EXPECT_EQ(authorized_requests(other), 0);
    EXPECT_EQ(authorized_requests(tokens), 0);
  }
}

TEST(ClientAuth, RedirectsToAnotherPortCarryNoCredentials) {
  FakeRegistry storage;
  const auto digest = storage.push_blob("acme/add", kSmallModule);
  FakeRegistry registry({.auth = FakeAuth::basic, .username = "device", .password = kPassword});
  registry.push_module("acme/add", "v1", kSmallModule);
  registry.inject("/blobs/", {.kind = FaultKind::redirect, .value = storage.url() + "/v2/acme/add/blobs/" + digest});
  Site site(registry);
  set_password(site);
  EXPECT_EQ(site.fetch("acme/add:v1"), kSmallModule);
  ASSERT_EQ(storage.requests().size(), 1u);
  EXPECT_EQ(authorized_requests(storage), 0);
}

TEST(ClientAuth, CredentialsStayDroppedWhenARedirectComesBack) {
  FakeRegistry elsewhere;
  FakeRegistry registry({.auth = FakeAuth::basic, .username = "device", .password = kPassword});
  registry.push_module("acme/add", "v1", kSmallModule);
  registry.inject("/blobs/", {.kind = FaultKind::redirect, .value = elsewhere.url() + "/back"});
  elsewhere.inject("/back", {.kind = FaultKind::redirect, .value = registry.url() + "/v2/again"});
  Site site(registry);
  set_password(site);
  ASSERT_FALSE(site.fetch("acme/add:v1"));
  const auto requests = registry.requests();
  for (const auto& request : requests) {
    if (request.target == "/v2/again") EXPECT_EQ(request.field("authorization"), "");
  }
  EXPECT_GE(registry.requests_with("/v2/again"), 1);
}

TEST(ClientAuth, RedirectsWithinTheRegistryKeepCredentials) {
  FakeRegistry registry({.auth = FakeAuth::basic, .username = "device", .password = kPassword});
  registry.push_module("acme/add", "v1", kSmallModule);
  registry.push_module("acme/moved", "v1", kSmallModule);
  registry.inject("/acme/add/manifests/", {.kind = FaultKind::redirect, .value = "/v2/acme/moved/manifests/v1"});
  Site site(registry);
  set_password(site);
  const auto resolved = site.resolve("acme/add:v1");
  ASSERT_TRUE(resolved) << describe(resolved.error());
}

TEST(ClientAuth, PasswordsDoNotLeaveHttpsForAPlainTokenServer) {
  const support::TlsFiles files;
  FakeRegistry tokens({.username = "device", .password = kPassword});
  FakeRegistry registry({.auth = FakeAuth::bearer, .tls = &files, .token_server = &tokens});
  Site site(registry);
  set_password(site);
  site.settings.ca_cert = files.ca();
  const auto fetched = site.fetch("acme/add:v1");
  ASSERT_FALSE(fetched);
  EXPECT_EQ(fetched.error().code, Code::unauthorized);
  EXPECT_TRUE(tokens.requests().empty());
}

TEST(ClientAuth, ATokenServersRedirectFromHttpsToHttpIsNotFollowed) {
  const support::TlsFiles files;
  FakeRegistry plain;
  FakeRegistry registry({.auth = FakeAuth::bearer, .tls = &files});
  registry.inject("/token", {.kind = FaultKind::redirect, .value = plain.url() + "/token"});
  Site site(registry);
  site.settings.ca_cert = files.ca();
  ASSERT_FALSE(site.fetch("acme/add:v1"));
  EXPECT_TRUE(plain.requests().empty());
}

// A device that writes http:// before the configured https host must not get the password sent in the clear.
TEST(ClientAuth, AReferenceWithPlainHttpGetsNothingOfAnHttpsRegistrysCredentials) {
  FakeRegistry registry({.auth = FakeAuth::basic, .username = "device", .password = kPassword});
  Site site("https://" + registry.host());
  set_password(site);
  const auto fetched = site.fetch("http://" + registry.host() + "/acme/add:v1");
  ASSERT_FALSE(fetched);
  EXPECT_EQ(fetched.error().code, Code::unauthorized);
  EXPECT_EQ(authorized_requests(registry), 0);
}

TEST(ClientAuth, MalformedChallengesAreAnError) {
  FakeRegistry registry({.auth = FakeAuth::bearer, .realm = "no url"});
  Site site(registry);
  const auto fetched = site.fetch("acme/add:v1");
  ASSERT_FALSE(fetched);
  EXPECT_EQ(fetched.error().code, Code::unauthorized);
}

class DockerConfigFile : public testing::Test {
 protected:
  void write_config(Site& site, const std::string& text) {
    support::write_file(directory / "config.json", text);
    site.settings.docker_config = directory / "config.json";
  }
  void write_helper(const std::string& script) {
    const auto program = directory / "docker-credential-test";
    support::write_file(program, "#!/bin/sh\n" + script);
    std::filesystem::permissions(program, std::filesystem::perms::owner_all);
    path = ::getenv("PATH");
    ::setenv("PATH", (directory.path().string() + ":" + path).c_str(), 1);
  }
  ~DockerConfigFile() override {
    if (!path.empty()) ::setenv("PATH", path.c_str(), 1);
  }

  support::TempDir directory;
  std::string path;
  FakeRegistry registry{{.auth = FakeAuth::basic, .username = "device", .password = kPassword}};
};

TEST_F(DockerConfigFile, AuthsGiveThePassword) {
  registry.push_module("acme/add", "v1", kSmallModule);
  Site site(registry);
  write_config(site, R"({"auths":{")" + registry.host() + R"(":{"auth":"ZGV2aWNlOnMzY3JldC1wYXNzdzByZA=="}}})");
  const auto module = site.fetch("acme/add:v1");
  ASSERT_TRUE(module) << describe(module.error());
}

// Whether a login is configured says what the bridge shares with everybody: no token may outlive its login.
TEST_F(DockerConfigFile, ATokenGoesWithTheLoginItWasGivenFor) {
  FakeRegistry bearer({.auth = FakeAuth::bearer});
  bearer.push_module("acme/add", "v1", kSmallModule);
  Site site(bearer);
  write_config(site, R"({"auths":{")" + bearer.host() + R"(":{"auth":"ZGV2aWNlOnMzY3JldC1wYXNzdzByZA=="}}})");
  ASSERT_EQ(site.fetch("acme/add:v1"), kSmallModule);
  write_config(site, R"({"auths":{}})");
  bearer.inject("/token", {.kind = FaultKind::status, .status = 401, .times = 1});
  ASSERT_FALSE(site.fetch("acme/sub:v1"));  // so the login is looked for anew
  ASSERT_EQ(site.fetch("acme/add:v1"), kSmallModule);
  ASSERT_EQ(bearer.requests_with("/token"), 3);
  std::string authorization = "none";
  for (const auto& request : bearer.requests()) {
    if (request.target.starts_with("/token")) authorization = request.field("authorization");
  }
  EXPECT_EQ(authorization, "");
}

TEST_F(DockerConfigFile, AHelperGivesThePassword) {
  registry.push_module("acme/add", "v1", kSmallModule);
  Site site(registry);
  write_helper("read server; [ \"$1\" = get ] && printf '{\"ServerURL\":\"%s\",\"Username\":\"device\",\"Secret\":\"" +
               kPassword + "\"}' \"$server\"\n" + "printf '%s' \"$server\" >" + (directory / "asked").string() + "\n");
  write_config(site, R"({"credHelpers":{")" + registry.host() + R"(":"test"}})");
  const auto module = site.fetch("acme/add:v1");
  ASSERT_TRUE(module) << describe(module.error());
  EXPECT_EQ(support::read_file(directory / "asked"), registry.host());
}

TEST_F(DockerConfigFile, AStoreIsAskedForEveryHostAndAuthsAreTheFallback) {
  registry.push_module("acme/add", "v1", kSmallModule);
  Site site(registry);
  write_helper("echo 'credentials not found in native keychain'; exit 1\n");
  write_config(site, R"({"credsStore":"test","auths":{")" + registry.host() +
                         R"(":{"auth":"ZGV2aWNlOnMzY3JldC1wYXNzdzByZA=="}}})");
  const auto module = site.fetch("acme/add:v1");
  ASSERT_TRUE(module) << describe(module.error());
}

TEST_F(DockerConfigFile, AHelperThatFailsIsUnauthorizedWithoutItsOutput) {
  Site site(registry);
  write_helper("echo " + kPassword + "; exit 3\n");
  write_config(site, R"({"credsStore":"test"})");
  const auto module = site.fetch("acme/add:v1");
  ASSERT_FALSE(module);
  EXPECT_EQ(module.error().code, Code::unauthorized);
  EXPECT_THAT(module.error().detail, HasSubstr("exit code 3"));
  EXPECT_THAT(module.error().detail, Not(HasSubstr(kPassword)));
}

TEST_F(DockerConfigFile, AHelperThatFloodsIsEnded) {
  Site site(registry);
  write_helper("exec cat /dev/zero\n");
  write_config(site, R"({"credsStore":"test"})");
  const auto module = site.fetch("acme/add:v1");
  ASSERT_FALSE(module);
  EXPECT_THAT(module.error().detail, HasSubstr("64 KiB"));
}

TEST_F(DockerConfigFile, AHelperThatHangsDoesNotHoldUpTheEnd) {
  const auto begin = std::chrono::steady_clock::now();
  {
    Site site(registry);
    write_helper("echo started >" + (directory / "started").string() + "\nexec sleep 1000\n");
    write_config(site, R"({"credsStore":"test"})");
    bool has_ended = false;
    async::asio::co_spawn(site.context, fetch_image(site.client(), site.reference("acme/add:v1")),
                          [&](const std::exception_ptr&, const Result<std::string>&) { has_ended = true; });
    while (!std::filesystem::exists(directory / "started") &&
           std::chrono::steady_clock::now() - begin < support::kPatience) {
      site.context.run_one_for(std::chrono::milliseconds(10));
    }
    EXPECT_FALSE(has_ended);
  }
  EXPECT_LT(std::chrono::steady_clock::now() - begin, std::chrono::seconds(9));
}

TEST_F(DockerConfigFile, AHelperThatIsNotThereIsNamed) {
  Site site(registry);
  write_config(site, R"({"credsStore":"there-is-none"})");
  const auto module = site.fetch("acme/add:v1");
  ASSERT_FALSE(module);
  EXPECT_THAT(module.error().detail, HasSubstr("docker-credential-there-is-none"));
}

TEST_F(DockerConfigFile, AnIdentityTokenIsPostedToTheTokenServer) {
  FakeRegistry tokens({.username = "device", .password = "identity"});
  FakeRegistry bearer({.auth = FakeAuth::bearer, .token_server = &tokens});
  bearer.push_module("acme/add", "v1", kSmallModule);
  Site site(bearer);
  write_config(site, R"({"auths":{")" + bearer.host() + R"(":{"identitytoken":"identity"}}})");
  const auto module = site.fetch("acme/add:v1");
  ASSERT_TRUE(module) << describe(module.error());
  ASSERT_EQ(tokens.requests().size(), 1u);
  EXPECT_EQ(tokens.requests()[0].method, "POST");
  EXPECT_THAT(tokens.requests()[0].target, Not(HasSubstr("identity")));
}

}  // namespace
}  // namespace propeller::registry
