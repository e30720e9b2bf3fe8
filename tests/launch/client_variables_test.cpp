#include "launch/client_variables.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace propeller::launch {
namespace {

const ProxyAccess kAccess{
    .url = "http://127.0.0.1:17080", .certificate = "/c/ca.crt", .bundle = "/c/bundle.crt", .no_proxy = {}};

std::string value_of(const Variables& variables, std::string_view name) {
  for (const auto& [each, value] : variables) {
    if (each == name) return value;
  }
  return "(not there)";
}

TEST(ClientVariables, TheProxyIsNamedInBothCases) {
  const auto variables = client_variables(kAccess);
  for (const char* name : {"HTTP_PROXY", "http_proxy", "HTTPS_PROXY", "https_proxy", "ALL_PROXY", "all_proxy"})
    EXPECT_EQ(value_of(variables, name), "http://127.0.0.1:17080") << name;
  for (const char* name : {"NO_PROXY", "no_proxy"})
    EXPECT_EQ(value_of(variables, name), "localhost,127.0.0.1,::1") << name;
}

// A program that replaces its list with our authority alone would refuse every host that is not intercepted.
TEST(ClientVariables, WhoeverReplacesTheSystemsListGetsTheBundleAndWhoeverAddsGetsOurs) {
  const auto variables = client_variables(kAccess);
  for (const char* name : {"SSL_CERT_FILE", "NIX_SSL_CERT_FILE", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE",
                           "GIT_SSL_CAINFO", "PIP_CERT", "AWS_CA_BUNDLE", "CARGO_HTTP_CAINFO"})
    EXPECT_EQ(value_of(variables, name), "/c/bundle.crt") << name;
  for (const char* name : {"NODE_EXTRA_CA_CERTS", "DENO_CERT"}) EXPECT_EQ(value_of(variables, name), "/c/ca.crt");
  EXPECT_EQ(value_of(variables, "UV_SYSTEM_CERTS"), "1");
}

TEST(ClientVariables, WithoutFilesOfAuthoritiesThereAreNoVariablesOfThem) {
  EXPECT_EQ(client_variables({.url = "http://h:1", .certificate = "", .bundle = "", .no_proxy = ""}).size(), 8U);
}

TEST(ClientVariables, TheClientsOwnNoProxyIsKeptAndNothingIsThereTwice) {
  const auto own = [](std::string list) {
    return value_of(client_variables({.url = "http://h:1", .certificate = "", .bundle = "", .no_proxy = list}),
                    "NO_PROXY");
  };
  EXPECT_EQ(own("corp.example, .lan"), "corp.example,.lan,localhost,127.0.0.1,::1");
  EXPECT_EQ(own("localhost,127.0.0.1,::1"), "localhost,127.0.0.1,::1");
  EXPECT_EQ(own(" , ,::1,"), "::1,localhost,127.0.0.1");
}

TEST(ClientVariables, EachFormQuotesWhatItWouldTakeForItsOwn) {
  const Variables variables{{"A", R"(it's "100%" \ $HOME)"}};
  EXPECT_EQ(render(variables, VariableFormat::sh).value(), "export A='it'\\''s \"100%\" \\ $HOME'\n");
  EXPECT_EQ(render(variables, VariableFormat::fish).value(), "set -gx A 'it\\'s \"100%\" \\\\ $HOME'\n");
  EXPECT_EQ(render(variables, VariableFormat::systemd).value(),
            "[Service]\nEnvironment=\"A=it's \\\"100%%\\\" \\\\ $HOME\"\n");
  EXPECT_EQ(render(variables, VariableFormat::docker).value(), "A=it's \"100%\" \\ $HOME\n");
}

TEST(ClientVariables, WhatAFormCannotHoldIsAnError) {
  EXPECT_EQ(render({{"A", "two\nlines"}}, VariableFormat::docker).error().code, Code::bad_config);
  EXPECT_EQ(render({{"A", "two\nlines"}}, VariableFormat::systemd).value(),
            "[Service]\nEnvironment=\"A=two\\nlines\"\n");
  EXPECT_EQ(render({{"A", std::string("a\0b", 3)}}, VariableFormat::sh).error().code, Code::bad_config);
}

TEST(ClientVariables, FormsHaveNames) {
  EXPECT_EQ(variable_format("fish"), VariableFormat::fish);
  EXPECT_EQ(variable_format("bash"), std::nullopt);
}

}  // namespace
}  // namespace propeller::launch
