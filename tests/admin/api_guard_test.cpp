#include "admin/api_guard.hpp"

#include <gtest/gtest.h>

#include "support/environment.hpp"

namespace propeller::admin {
namespace {

const Secret kToken("0123456789abcdef0123456789abcdef");
constexpr std::string_view kRight = "Bearer 0123456789abcdef0123456789abcdef";

ApiCall local() { return {.is_from_loopback = true, .authority = "localhost:17081"}; }

int status_of(const ApiCall& call, ApiTrust trust = ApiTrust::loopback) {
  const auto refusal = judge(call, trust, kToken);
  return refusal ? refusal->status : 200;
}

TEST(ApiGuard, ALocalProgramNeedsNoToken) { EXPECT_EQ(status_of(local()), 200); }

TEST(ApiGuard, EverybodyElseDoes) {
  auto remote = local();
  remote.is_from_loopback = false;
  auto page = local();
  page.origin = "http://localhost:17081";
  auto fetched = local();
  fetched.fetch_site = "same-origin";
  auto rebound = local();
  rebound.authority = "evil.example";
  auto nameless = local();
  nameless.authority = "";
  for (auto call : {remote, page, fetched, rebound, nameless}) {
    EXPECT_EQ(status_of(call), 401);
    call.authorization = kRight;
    EXPECT_EQ(status_of(call), 200);
  }
  EXPECT_EQ(status_of(local(), ApiTrust::nobody), 401);
}

TEST(ApiGuard, AUserWhoTypesTheAddressIsNoPage) {
  auto call = local();
  call.fetch_site = "none";
  EXPECT_EQ(status_of(call), 200);
}

TEST(ApiGuard, AWrongTokenIsRefusedEvenFromHere) {
  for (const std::string_view value :
       {"Bearer 0123456789abcdef0123456789abcdee", "Bearer 0123456789abcdef", "Bearer ", "Basic eDp5", ""}) {
    auto call = local();
    call.authorization = value;
    EXPECT_EQ(status_of(call), 401) << value;
  }
  auto call = local();
  call.authorization = "Bearer ";
  EXPECT_TRUE(judge(call, ApiTrust::loopback, Secret())) << "no token is no empty token";
}

TEST(ApiGuard, ABodyHasToBeJson) {
  auto call = local();
  call.has_body = true;
  EXPECT_EQ(status_of(call), 415);
  for (const std::string_view type : {"application/json", "Application/JSON; charset=utf-8"}) {
    call.content_type = type;
    EXPECT_EQ(status_of(call), 200) << type;
  }
  call.content_type = "text/plain";
  EXPECT_EQ(status_of(call), 415);
}

// curl -d says so when it is told nothing else; with a token somebody wrote a client, and can say what it sends.
TEST(ApiGuard, AFormIsTakenForJsonOnlyWithoutAToken) {
  auto call = local();
  call.has_body = true;
  call.content_type = "application/x-www-form-urlencoded";
  EXPECT_EQ(status_of(call), 200);
  call.authorization = kRight;
  EXPECT_EQ(status_of(call), 415);
}

TEST(ApiGuard, KnowsTheNamesOfLoopback) {
  for (const char* name : {"localhost", "LocalHost:1", "127.0.0.1", "127.9.8.7:80", "[::1]", "[::1]:17081"})
    EXPECT_TRUE(is_loopback_authority(name)) << name;
  for (const char* name :
       {"", "localhost.evil.example", "evil.localhost.example", "10.0.0.1", "[::2]", "0.0.0.0", "a b"})
    EXPECT_FALSE(is_loopback_authority(name)) << name;
}

TEST(ApiToken, IsMadeOnceAndReadAgain) {
  const support::TempDir files;
  const auto file = (files / "new/api.token").string();
  const auto made = open_token(file);
  ASSERT_TRUE(made) << made.error().detail;
  EXPECT_EQ(made->reveal().size(), 64u);
  EXPECT_EQ(open_token(file), *made);
}

TEST(ApiToken, OneThatIsTooShortOrTooLongIsAnErrorThatSaysWhatToDo) {
  const support::TempDir files;
  for (const auto& text : {std::string(), std::string(kTokenBytesMin - 1, 'x'), std::string(kTokenBytesMax + 5, 'x')}) {
    support::write_file(files / "api.token", text);
    const auto read = open_token((files / "api.token").string());
    ASSERT_FALSE(read);
    EXPECT_NE(read.error().detail.find("remove the file"), std::string::npos);
  }
  support::write_file(files / "api.token", std::string(kTokenBytesMin, 'x') + "\r\n");
  EXPECT_TRUE(open_token((files / "api.token").string()));
}

}  // namespace
}  // namespace propeller::admin
