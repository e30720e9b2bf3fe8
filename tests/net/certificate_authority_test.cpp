#include "net/certificate_authority.hpp"

#include <gtest/gtest.h>
#include <openssl/evp.h>
#include <sys/stat.h>
#include <unistd.h>

#include <fstream>
#include <iterator>

#include "net/certificate_text.hpp"
#include "net/tls_fixture.hpp"

namespace propeller::net {
namespace {

namespace fs = std::filesystem;
using std::chrono::system_clock;

std::string content(const fs::path& file) {
  std::ifstream in(file, std::ios::binary);
  return {std::istreambuf_iterator<char>(in), {}};
}

mode_t mode_of(const fs::path& file) {
  struct stat found{};
  ::stat(file.c_str(), &found);
  return found.st_mode & 0777;
}

TEST(CertificateAuthority, IsMadeOnceWithTheModesThatFitAndReadAgain) {
  const support::TempDir parent;
  const auto directory = parent / "certs";
  const auto made = CertificateAuthority::open(directory, system_clock::now());
  ASSERT_TRUE(made) << made.error().detail;
  EXPECT_EQ(mode_of(directory), 0755u);
  EXPECT_EQ(mode_of(directory / "ca.crt"), 0644u);
  EXPECT_EQ(mode_of(directory / "ca.key"), 0600u);
  EXPECT_EQ(content(directory / "ca.crt"), (*made)->certificate_pem());
  EXPECT_EQ(std::distance(fs::directory_iterator(directory), {}), 2) << "a temporary file is left";
  const auto again = CertificateAuthority::open(directory, system_clock::now());
  EXPECT_EQ((*again)->certificate_pem(), (*made)->certificate_pem());
  EXPECT_EQ((*again)->replaced_reason(), "");
}

TEST(CertificateAuthority, ItsLeavesAreTrustedByWhoTrustsIt) {
  Loop loop;
  const support::TempDir directory;
  const auto authority = CertificateAuthority::open(directory.path(), system_clock::now()).value();
  ServerTls server(
      [&](std::string_view name) { return authority->leaf(name.empty() ? "127.0.0.1" : name, system_clock::now()); });
  const auto client = ClientTls::create({.ca_files = {authority->certificate_file()}, .uses_system_ca = false}).value();
  for (const std::string host : {"example.org", "127.0.0.1",
                                 "a-name-that-is-longer-than-a-common-name-may-be."
                                 "sub.domain.of.another.rather.long.example.org"}) {
    const auto pair = shake_hands(loop, server, *client, host);
    EXPECT_TRUE(pair.client) << pair.client.error().detail;
  }
  EXPECT_EQ(authority->issued(), 3u);
}

TEST(CertificateAuthority, TakesOverAnRsaPairOfTheOldFormat) {
  const support::TempDir directory;
  const auto old = make_certificate(
      {.common_name = "Old Proxy CA", .alt_names = "DNS:localhost", .is_authority = true, .rsa_bits = 2048});
  write_certificate(*old, directory / "ca.crt");
  write_key(*old, directory / "ca.key", true);
  ASSERT_TRUE(content(directory / "ca.key").contains("BEGIN RSA PRIVATE"));
  const auto before = content(directory / "ca.crt");
  const auto authority = CertificateAuthority::open(directory.path(), system_clock::now()).value();
  EXPECT_EQ(content(directory / "ca.crt"), before);
  EXPECT_EQ(mode_of(directory / "ca.key"), 0600u);
  const auto leaf = authority->leaf("example.org", system_clock::now());
  ASSERT_TRUE(leaf);
  EXPECT_EQ(::X509_verify(leaf->certificate.get(), old->key.get()), 1);
}

TEST(CertificateAuthority, APairThatDoesNotFitIsPutAsideAndReplaced) {
  const support::TempDir directory;
  write_certificate(*make_test_authority(), directory / "ca.crt");
  write_key(*make_test_authority(), directory / "ca.key");
  const auto before = content(directory / "ca.crt");
  const auto authority = CertificateAuthority::open(directory.path(), system_clock::now());
  ASSERT_TRUE(authority);
  EXPECT_NE((*authority)->replaced_reason(), "");
  EXPECT_EQ(content(directory / "ca.crt.old"), before);
  EXPECT_TRUE((*authority)->leaf("example.org", system_clock::now()));
}

// As an operator leaves it who restores a site with sudo.
TEST(CertificateAuthority, APairOfAnotherOwnersIsTakenAsItIs) {
  constexpr uid_t kSomebody = 65'534;
  if (::geteuid() != 0) GTEST_SKIP() << "only root has files of two owners";
  const support::TempDir directory;
  const auto first = CertificateAuthority::open(directory.path(), system_clock::now()).value();
  ASSERT_EQ(::chmod((directory / "ca.key").c_str(), 0644), 0);
  ASSERT_EQ(::chown(directory.path().c_str(), kSomebody, kSomebody), 0);
  ASSERT_EQ(::seteuid(kSomebody), 0);
  const auto again = CertificateAuthority::open(directory.path(), system_clock::now());
  ASSERT_EQ(::seteuid(0), 0);
  ASSERT_TRUE(again) << again.error().detail;
  EXPECT_EQ((*again)->replaced_reason(), "");
  EXPECT_EQ((*again)->certificate_pem(), first->certificate_pem());
}

TEST(CertificateAuthority, AnExpiredOneIsReplaced) {
  const support::TempDir directory;
  const auto first = CertificateAuthority::open(directory.path(), system_clock::now()).value();
  const auto later = system_clock::now() + std::chrono::hours(24 * 365 * 11);
  const auto second = CertificateAuthority::open(directory.path(), later).value();
  EXPECT_NE(first->certificate_pem(), second->certificate_pem());
  EXPECT_TRUE(second->replaced_reason().contains("expired"));
}

TEST(CertificateAuthority, AFolderThatCannotBeWrittenIsNamed) {
  const auto refused = CertificateAuthority::open("/proc/nothing/certs", system_clock::now());
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, Code::io);
  EXPECT_TRUE(refused.error().detail.contains("/proc/nothing")) << refused.error().detail;
}

TEST(CertificateAuthority, ALeafIsKeptUnderEverySpellingAndRenewedBeforeItsEnd) {
  const support::TempDir directory;
  const auto now = system_clock::now();
  const auto authority = CertificateAuthority::open(directory.path(), now).value();
  const auto first = authority->leaf("Example.ORG.", now);
  EXPECT_EQ(authority->leaf("example.org", now), first);
  EXPECT_EQ(names_of(first->certificate.get()), "example.org");
  EXPECT_EQ(names_of(authority->leaf("[2001:db8::1]", now)->certificate.get()), "2001:db8::1");
  const auto until = CertificateAuthority::kLeafValidity - CertificateAuthority::kRenewedBefore;
  EXPECT_EQ(authority->leaf("example.org", now + until - 1s), first);
  EXPECT_NE(authority->leaf("example.org", now + until), first);
  EXPECT_EQ(authority->leaves(), 2u);
}

TEST(CertificateAuthority, WhatIsNoHostGetsNoCertificate) {
  const support::TempDir directory;
  const auto authority = CertificateAuthority::open(directory.path(), system_clock::now()).value();
  const std::vector<std::string> hosts{
      "", ".", "a..b", "a b", "a/b", "*.example.org", "a\nb", ".a", std::string(254, 'a')};
  for (const auto& host : hosts) EXPECT_FALSE(authority->leaf(host, system_clock::now())) << host;
  EXPECT_EQ(authority->leaves(), 0u);
}

// The bound is reached, and issuing stays far below what a connection may cost (0.4 ms of CPU).
TEST(CertificateAuthority, KeepsABoundedNumberOfLeavesAndIssuesThemCheaply) {
  const support::TempDir directory;
  const auto now = system_clock::now();
  const auto authority = CertificateAuthority::open(directory.path(), now).value();
  const auto began = std::clock();
  for (std::size_t i = 0; i < CertificateAuthority::kLeavesMax + 10; ++i)
    static_cast<void>(authority->leaf("host" + std::to_string(i) + ".example.org", now));
  const auto each_us = static_cast<double>(std::clock() - began) / static_cast<double>(authority->issued());
  RecordProperty("issue_us", std::to_string(each_us));
  EXPECT_EQ(authority->leaves(), CertificateAuthority::kLeavesMax);
#if !defined(__SANITIZE_ADDRESS__) && !__has_feature(address_sanitizer) && !__has_feature(thread_sanitizer)
  EXPECT_LT(each_us, 400.0);
#endif
}

}  // namespace
}  // namespace propeller::net
