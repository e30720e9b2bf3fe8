#include "forward/users.hpp"

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/base64.hpp"
#include "forward/password.hpp"

namespace propeller::forward {
namespace {

using namespace std::chrono_literals;
using testing::HasSubstr;

Login login(std::string name, std::string password) { return {std::move(name), Secret(std::move(password))}; }

// Made by `openssl passwd -apr1` and `htpasswd`.
TEST(Password, IsVerifiedForEveryKindThatIsTaken) {
  const std::vector<std::pair<std::string, std::string>> cases{
      {"secret", "$apr1$abcdefgh$h9FWgUz3n9YxylKLlR5SQ/"},
      {"x", "$2y$05$abcdefghijklmnopqrstuuhKF09ZYWwH2zP/0fwE1X8e/Q1YNx/hO"},
      {"secret", "{SHA}5en6G6MezRroT3XKqkdPOmY/BfQ="},
  };
  for (const auto& [password, hash] : cases) {
    EXPECT_TRUE(is_password_hash(hash)) << hash;
    EXPECT_TRUE(verify_password(password, hash)) << hash;
    for (const auto& other : {password + "x", std::string(), std::string("Secret"), password + std::string("\0x", 2)})
      EXPECT_FALSE(verify_password(other, hash)) << hash;
    auto damaged = hash;
    damaged[damaged.size() - 2] = damaged[damaged.size() - 2] == 'a' ? 'b' : 'a';
    EXPECT_FALSE(verify_password(password, damaged)) << damaged;
  }
}

TEST(Password, Apr1MatchesWhatApacheWrites) {
  EXPECT_EQ(apr1_hash("secret", "abcdefgh"), "$apr1$abcdefgh$h9FWgUz3n9YxylKLlR5SQ/");
  EXPECT_EQ(apr1_hash("myPassword", "r31....."), "$apr1$r31.....$HqJZimcKQFAMYayBlzkrA/");
  EXPECT_EQ(apr1_hash("secret", "abcdefghij"), apr1_hash("secret", "abcdefgh")) << "eight bytes of salt count";
  EXPECT_THAT(apr1_hash("", "s"), HasSubstr("$apr1$s$"));
}

TEST(Password, PlainTextAndDesAreNoHashes) {
  for (const auto* hash : {"", "secret", "rl/ZtP1Tb2ZKE", "{PLAIN}x", "{SHA}short", "$apr1$", "$apr1$salt$", "$1$s$x"})
    EXPECT_FALSE(is_password_hash(hash)) << hash;
  EXPECT_FALSE(verify_password("secret", "secret"));
}

TEST(Users, AreReadFromAnHtpasswdFile) {
  const auto users = Users::parse(
      "# people\r\n\r\nann:$apr1$abcdefgh$h9FWgUz3n9YxylKLlR5SQ/\r\nbob:{SHA}5en6G6MezRroT3XKqkdPOmY/BfQ=:a comment\n");
  ASSERT_TRUE(users) << users.error().detail;
  EXPECT_EQ(users->size(), 2U);
  EXPECT_TRUE(users->verify(login("ann", "secret")));
  EXPECT_TRUE(users->verify(login("bob", "secret")));
  EXPECT_FALSE(users->verify(login("ann", "wrong")));
  EXPECT_FALSE(users->verify(login("Ann", "secret")));
  EXPECT_FALSE(users->verify(login("eve", "secret")));
  EXPECT_FALSE(users->verify(login("", "")));
  EXPECT_FALSE(users->verify(login("ann", std::string(100'000, 'x'))));
}

TEST(Users, AMistakeIsToldWithItsLineAndWithoutTheHash) {
  const std::vector<std::pair<std::string, std::string>> cases{
      {"ann:{SHA}5en6G6MezRroT3XKqkdPOmY/BfQ=\nbob\n", "line 2: expected name:hash"},
      {":x\n", "line 1: expected name:hash"},
      {"ann:hunter2\n", "line 1: this kind of hash"},
      {"a:{SHA}5en6G6MezRroT3XKqkdPOmY/BfQ=\na:{SHA}5en6G6MezRroT3XKqkdPOmY/BfQ=", "line 2: this name is there twice"},
  };
  for (const auto& [text, told] : cases) {
    const auto users = Users::parse(text);
    ASSERT_FALSE(users) << text;
    EXPECT_THAT(users.error().detail, HasSubstr(told));
    EXPECT_THAT(users.error().detail, testing::Not(HasSubstr("hunter2")));
  }
}

TEST(Users, AreBounded) {
  std::string text;
  for (std::size_t i = 0; i <= Users::kUsersMax; ++i)
    text += fmt::format("u{}:{{SHA}}5en6G6MezRroT3XKqkdPOmY/BfQ=\n", i);
  EXPECT_THAT(Users::parse(text).error().detail, HasSubstr("10000 users"));
  EXPECT_THAT(Users::parse(std::string(Users::kUsersBytesMax + 1, '#')).error().detail, HasSubstr("bytes"));
}

std::string encoded(std::string_view text) {
  std::string out(base::base64_size(text.size()), '\0');
  base::base64_encode(std::as_bytes(std::span(text)), out.data());
  return out;
}

TEST(ParseBasic, TakesNameAndPassword) {
  EXPECT_EQ(parse_basic("Basic dXNlcjpwYXNz"), login("user", "pass"));
  EXPECT_EQ(parse_basic("basic  dXNlcjpwYXNz"), login("user", "pass"));
  EXPECT_EQ(parse_basic("Basic " + encoded("u:p:q")), login("u", "p:q"));
  EXPECT_EQ(parse_basic("Basic " + encoded(":")), login("", ""));
  for (const auto& text :
       {std::string(), std::string("Basic"), std::string("Bearer dXNlcjpwYXNz"), std::string("Basic !"),
        "Basic " + encoded("no colon"), "Basic " + encoded("u:" + std::string(2000, 'p'))})
    EXPECT_FALSE(parse_basic(text)) << text;
}

TEST(VerifiedLogins, AreRememberedForAWhile) {
  VerifiedLogins logins;
  const base::Clock::time_point start{};
  EXPECT_FALSE(logins.contains(login("a", "b"), start));
  logins.add(login("a", "b"), start);
  EXPECT_TRUE(logins.contains(login("a", "b"), start + 4min));
  EXPECT_FALSE(logins.contains(login("a", "b"), start + VerifiedLogins::kLifetime));
  EXPECT_FALSE(logins.contains(login("a", "c"), start));
  EXPECT_FALSE(logins.contains(login("ab", ""), start));
  logins.clear();
  EXPECT_FALSE(logins.contains(login("a", "b"), start));
}

TEST(VerifiedLogins, AreBounded) {
  VerifiedLogins logins;
  const base::Clock::time_point start{};
  for (std::size_t i = 0; i <= VerifiedLogins::kEntriesMax; ++i) logins.add(login(std::to_string(i), "p"), start);
  EXPECT_FALSE(logins.contains(login("0", "p"), start));
  EXPECT_TRUE(logins.contains(login("1", "p"), start));
  EXPECT_TRUE(logins.contains(login(std::to_string(VerifiedLogins::kEntriesMax), "p"), start));
}

}  // namespace
}  // namespace propeller::forward
