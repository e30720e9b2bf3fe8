#include "forward/redaction.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace propeller::forward {
namespace {

using testing::HasSubstr;
using testing::Not;

TEST(SecretHeader, IsWhatTheReferenceRedacts) {
  for (const auto* name : {"Authorization", "proxy-authorization", "Cookie", "Set-Cookie", "X-API-Key", "x_api_key",
                           "X-ApiKey-Old", "Api-Key", "X-Auth-Token", "my_token", "Client-Secret", "db_password",
                           "X-Amz-Authorization-Extra", "Private-Key"})
    EXPECT_TRUE(is_secret_header(name)) << name;
  for (const auto* name : {"Accept", "Host", "X-Monkey", "Tokens", "Key", "Content-Type", "X-Keyboard", "Cookies-Ok"})
    EXPECT_FALSE(is_secret_header(name)) << name;
}

TEST(RedactUrl, TakesOutUserInformationAndSecretParameters) {
  const std::vector<std::pair<std::string, std::string>> cases{
      {"https://h/p", "https://h/p"},
      {"https://u:hunter2@h/p?a=b", "https://[REDACTED]@h/p?a=b"},
      {"https://u:p@w@h/", "https://[REDACTED]@h/"},
      {"https://h/mail@x?to=a@b", "https://h/mail@x?to=a@b"},
      {"https://h/p?access_token=abc&x=1", "https://h/p?access_token=[REDACTED]&x=1"},
      {"https://h/p?x=1&TOKEN=abc", "https://h/p?x=1&TOKEN=[REDACTED]"},
      {"/p?X-Amz-Signature=abc&X-Amz-Credential=d&X-Amz-Date=1",
       "/p?X-Amz-Signature=[REDACTED]&X-Amz-Credential=[REDACTED]&X-Amz-Date=1"},
      {"/p?sig=abc;key=d", "/p?sig=[REDACTED];key=[REDACTED]"},
      {"/p?%74oken=abc", "/p?%74oken=[REDACTED]"},
      {"/p?api_key=&flag", "/p?api_key=&flag"},
      {"https://h/cb#access_token=abc&state=1", "https://h/cb#access_token=[REDACTED]&state=1"},
      {"https://h/cb?state=1#access_token=abc", "https://h/cb?state=1#access_token=[REDACTED]"},
      {"https://h/#/in?x=1&token=abc", "https://h/#/in?x=1&token=[REDACTED]"},
      {"https://h/p#part", "https://h/p#part"},
      {"/p?", "/p?"},
      {"", ""},
  };
  for (const auto& [url, redacted] : cases) EXPECT_EQ(redact_url(url), redacted);
}

TEST(HasSecretParameter, FindsASignatureWhereverItStands) {
  EXPECT_TRUE(has_secret_parameter("a=b&Signature=x"));
  EXPECT_TRUE(has_secret_parameter("verify=x"));
  EXPECT_TRUE(has_secret_parameter("%73ig=x"));
  EXPECT_FALSE(has_secret_parameter("a=b&ns=docker.io"));
  EXPECT_FALSE(has_secret_parameter("a=signature"));
  EXPECT_FALSE(has_secret_parameter(""));
}

TEST(RedactBody, TakesOutMembersFieldsAndCredentials) {
  const std::vector<std::pair<std::string, std::string>> cases{
      {R"({"user":"a","password":"hunter2"})", R"({"user":"a","password":"[REDACTED]"})"},
      {R"({"access_token" : "hunter2", "n": 1})", R"({"access_token" : "[REDACTED]", "n": 1})"},
      {R"({"token":12345,"x":true})", R"({"token":[REDACTED],"x":true})"},
      {R"({"secret":"hun\"ter2","x":"y"})", R"({"secret":"[REDACTED]","x":"y"})"},
      {R"({"secrets":{"password":"hunter2","a":"b"}})", R"({"secrets":{"password":"[REDACTED]","a":"b"}})"},
      {R"({"password":"hunter2)", R"({"password":"[REDACTED])"},
      {R"({"password":)", R"({"password":)"},
      {R"({"a":"password"})", R"({"a":"password"})"},
      {"user=a&password=hunter2&x=y", "user=a&password=[REDACTED]&x=y"},
      {"send Bearer hunter2-abc to it", "send Bearer [REDACTED] to it"},
      {"bearer of news, a basic idea", "bearer of news, a basic idea"},
      {"", ""},
      {"plain text", "plain text"},
  };
  for (const auto& [body, redacted] : cases) EXPECT_EQ(redact_body(body), redacted);
}

// An apostrophe and a line's end need no escape there, and made the whole no form.
TEST(RedactBody, OfADeclaredFormFindsFieldsWhateverElseIsInIt) {
  constexpr auto* kForm = "application/x-www-form-urlencoded; charset=utf-8";
  EXPECT_EQ(redact_body("note=it's&password=hunter2", kForm), "note=it's&password=[REDACTED]");
  EXPECT_EQ(redact_body("password=hunter2\n", kForm), "password=[REDACTED]");
  EXPECT_EQ(redact_body("a=b;password=hun;ter2&c=d", kForm), "a=b;password=[REDACTED]&c=d");
  EXPECT_EQ(redact_body("password=&c=d", kForm), "password=&c=d");
  EXPECT_EQ(redact_body(R"({"password":"hunter2"})", kForm), R"({"password":"[REDACTED]"})") << "as curl declares it";
}

TEST(RedactBody, OfAFormInPartsTakesOutTheValuesOfSecretFields) {
  const std::string form =
      "--b\r\nContent-Disposition: form-data; name=\"user\"\r\n\r\nann\r\n"
      "--b\r\nContent-Disposition: form-data; name=\"password\"\r\nContent-Type: text/plain\r\n\r\nhunter2\r\n"
      "--b\r\nContent-Disposition: form-data; name=api_key\r\n\r\nhunter2\r\nhunter2\r\n--b--\r\n";
  const std::string redacted =
      "--b\r\nContent-Disposition: form-data; name=\"user\"\r\n\r\nann\r\n"
      "--b\r\nContent-Disposition: form-data; name=\"password\"\r\nContent-Type: text/plain\r\n\r\n[REDACTED]\r\n"
      "--b\r\nContent-Disposition: form-data; name=api_key\r\n\r\n[REDACTED]\r\n--b--\r\n";
  constexpr auto* kParts = "multipart/form-data; boundary=b";
  EXPECT_EQ(redact_body(form, kParts), redacted);
  for (std::size_t size = 0; size <= form.size(); ++size)
    EXPECT_THAT(redact_body(form.substr(0, size), kParts), Not(HasSubstr("hunter2"))) << size;
}

// PEM has lines that begin like a boundary.
TEST(RedactBody, OfAFormInPartsAValueEndsAtTheBoundaryOnly) {
  const std::string head = "--b-1\r\nContent-Disposition: form-data; name=private_key\r\n\r\n";
  const std::string key = "\r\n-----BEGIN CERTIFICATE-----\r\nhunter2\r\n-----END CERTIFICATE-----\r\n--b\r\nhunter2";
  const std::string end = "\r\n--b-1--\r\n";
  for (const auto* type : {"multipart/form-data; boundary=b-1", "multipart/form-data; BOUNDARY=\"b-1\"; charset=utf-8",
                           "multipart/form-data"})
    EXPECT_EQ(redact_body(head + key + end, type), head + "[REDACTED]" + end) << type;
  EXPECT_EQ(redact_body("\r\n" + head + key + end, "multipart/form-data"), "\r\n" + head + "[REDACTED]");
}

// A search for each name's end of head took minutes for this one, on the recorder's only thread.
TEST(RedactBody, OfAFormInPartsLooksAtEachByteAFewTimesOnly) {
  std::string text;
  while (text.size() < 4 * 1024 * 1024) text += "name=\r";
  text += "\r\n\r\nhunter2";
  EXPECT_EQ(redact_body(text, "multipart/form-data; boundary=b"), text);
}

TEST(RedactBody, NoCutOfATextLetsTheSecretThrough) {
  const std::string text = R"({"a":"b","api_key":"hunter2hunter2","c":["d",{"token":"hunter2hunter2"}]})";
  for (std::size_t size = 0; size <= text.size(); ++size)
    EXPECT_THAT(redact_body(text.substr(0, size)), Not(HasSubstr("hunter2"))) << size;
}

}  // namespace
}  // namespace propeller::forward
