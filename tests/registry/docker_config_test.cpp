#include "registry/docker_config.hpp"

#include <gtest/gtest.h>

namespace propeller::registry {
namespace {

TEST(ParseDockerConfig, ReadsAuthsHelpersAndStore) {
  const auto config = parse_docker_config(R"({
    "auths": {"https://index.docker.io/v1/": {"auth": "dXNlcjpwYXNzOndvcmQ="}, "ghcr.io": {"username": "u", "password": "p"},
              "quay.io": {"identitytoken": "i"}, "empty.io": {}},
    "credHelpers": {"123.dkr.ecr.example": "ecr-login"}, "credsStore": "secretservice", "HttpHeaders": {}})");
  ASSERT_TRUE(config) << describe(config.error());
  EXPECT_EQ(config->auths.at("docker.io").username, "user");
  EXPECT_EQ(config->auths.at("docker.io").password.reveal(), "pass:word");
  EXPECT_EQ(config->auths.at("ghcr.io").username, "u");
  EXPECT_EQ(config->auths.at("quay.io").identity_token.reveal(), "i");
  EXPECT_FALSE(config->auths.contains("empty.io"));
  EXPECT_EQ(config->helpers.at("123.dkr.ecr.example"), "ecr-login");
  EXPECT_EQ(config->store, "secretservice");
}

TEST(ParseDockerConfig, RefusesBrokenEntriesWithoutQuotingThem) {
  for (const std::string_view text :
       {"", "[]", R"({"auths":{"x":{"auth":"!secret!"}}})", R"({"auths":{"x":{"auth":"c2VjcmV0"}}})",
        R"({"credsStore":"../../bin/sh"})", R"({"credHelpers":{"x":7}})", R"({"credHelpers":{"x":"a b"}})"}) {
    const auto config = parse_docker_config(text);
    ASSERT_FALSE(config) << text;
    EXPECT_EQ(config.error().code, Code::bad_config);
    EXPECT_EQ(config.error().detail.find("secret"), std::string::npos);
  }
}

TEST(DockerKey, IsTheHostWithoutSchemeAndPath) {
  EXPECT_EQ(docker_key("https://Ghcr.io/v2/"), "ghcr.io");
  EXPECT_EQ(docker_key("localhost:5000"), "localhost:5000");
  EXPECT_EQ(docker_key("https://ghcr.io:443/x"), "ghcr.io");
  EXPECT_EQ(docker_key("https://registry-1.docker.io/v2/"), "docker.io");
  EXPECT_EQ(helper_server(docker_key("registry-1.docker.io")), "https://index.docker.io/v1/");
  EXPECT_EQ(helper_server("ghcr.io"), "ghcr.io");
}

TEST(IsHelperName, IsNoPath) {
  for (const std::string_view name : {"ecr-login", "osxkeychain", "a.b_c"}) EXPECT_TRUE(is_helper_name(name)) << name;
  for (const std::string_view name : {"", "../x", "/bin/sh", "a/b", "-x", ".x", "a b", "a\n"})
    EXPECT_FALSE(is_helper_name(name)) << name;
}

TEST(ParseHelperOutput, TellsPasswordsFromIdentityTokens) {
  EXPECT_EQ(parse_helper_output(R"({"Username":"u","Secret":"s"})")->password.reveal(), "s");
  EXPECT_EQ(parse_helper_output(R"({"Username":"<token>","Secret":"s"})")->identity_token.reveal(), "s");
  EXPECT_FALSE(parse_helper_output(R"({"Username":"u"})"));
  EXPECT_FALSE(parse_helper_output("credentials not found"));
}

TEST(BasicAuthorization, IsTheExampleOfRfc7617) {
  EXPECT_EQ(basic_authorization(
                {.username = "Aladdin", .password = Secret("open sesame"), .identity_token = {}, .bearer = {}}),
            "Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ==");
}

}  // namespace
}  // namespace propeller::registry
