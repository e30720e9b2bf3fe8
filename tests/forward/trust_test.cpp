#include "forward/trust.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "forward/scratch.hpp"

namespace propeller::forward {
namespace {

using namespace std::chrono_literals;
using testing::HasSubstr;
namespace fs = std::filesystem;

constexpr auto kOurs = "-----BEGIN CERTIFICATE-----\nAAAA\nBBBB\n-----END CERTIFICATE-----\n";
constexpr auto kOther = "-----BEGIN CERTIFICATE-----\nCCCC\n-----END CERTIFICATE-----\n";

/// A machine in a directory: its root, its home, its tools, which are scripts that do what the real ones do there.
class TrustTest : public testing::Test {
 protected:
  TrustTest() : certificate_(machine_.write("certs/ca.crt", kOurs)) {
    fs::create_directories(machine_.path() / "root");
  }

  [[nodiscard]] TrustPlaces places() const {
    return {.root = machine_.path() / "root",
            .home = machine_.path() / "home",
            .java_home = {},
            .programs = {machine_.path() / "bin"},
            .run = [](const auto& arguments) { return run_program(arguments, 30s); }};
  }
  void add_tool(const std::string& name, const std::string& script) const {
    machine_.write_program(fs::path("bin") / name,
                           "#!/bin/sh\ncd '" + machine_.path().string() + "/root' || exit 9\n" + script);
  }
  /// update-ca-certificates: what is in the directory goes into the bundle, with the distribution's own.
  void be_debian(const std::string& before = "") const {
    machine_.write("root/etc/ssl/certs/ca-certificates.crt", kOther);
    machine_.write("root/own.crt", kOther);
    add_tool("update-ca-certificates", before +
                                           "cat own.crt usr/local/share/ca-certificates/*.crt > "
                                           "etc/ssl/certs/ca-certificates.crt 2>/dev/null; exit 0");
  }

  [[nodiscard]] TrustResult only(const Result<std::vector<TrustResult>>& results) const {
    EXPECT_TRUE(results) << results.error().detail;
    EXPECT_EQ(results->size(), 1U);
    return results && !results->empty() ? results->front() : TrustResult{};
  }

  const Scratch machine_;
  const fs::path certificate_;
};

TEST_F(TrustTest, DebianAndAlpineGetAnAnchorAndABundle) {
  be_debian();
  EXPECT_EQ(only(trust_status(places(), certificate_)).state, TrustState::not_trusted);
  const auto installed = only(install_trust(places(), certificate_));
  EXPECT_EQ(installed.state, TrustState::trusted) << installed.detail;
  const auto anchor = machine_.path() / "root/usr/local/share/ca-certificates/propeller-proxy-ca.crt";
  EXPECT_EQ(Scratch::read(anchor), kOurs);
  EXPECT_EQ(only(trust_status(places(), certificate_)).state, TrustState::trusted);
  EXPECT_EQ(only(remove_trust(places(), certificate_)).state, TrustState::not_trusted);
  EXPECT_FALSE(fs::exists(anchor));
  EXPECT_THAT(Scratch::read(machine_.path() / "root/etc/ssl/certs/ca-certificates.crt"), HasSubstr("CCCC"));
}

TEST_F(TrustTest, InstallingTwiceAndRemovingWhatIsNotThereAreFine) {
  be_debian();
  EXPECT_EQ(only(remove_trust(places(), certificate_)).state, TrustState::not_trusted);
  EXPECT_EQ(only(install_trust(places(), certificate_)).state, TrustState::trusted);
  EXPECT_EQ(only(install_trust(places(), certificate_)).state, TrustState::trusted);
}

// update-ca-certificates may think that it has nothing to do.
TEST_F(TrustTest, AToolThatDoesNothingIsAskedToBeginAnew) {
  be_debian("[ \"$1\" = --fresh ] || exit 0\n");
  EXPECT_EQ(only(install_trust(places(), certificate_)).state, TrustState::trusted);
}

TEST_F(TrustTest, AToolThatSaysYesAndDoesNothingIsNotBelieved) {
  be_debian("echo all good; exit 0\n");
  const auto result = only(install_trust(places(), certificate_));
  EXPECT_EQ(result.state, TrustState::failed);
  EXPECT_THAT(result.detail, HasSubstr("all good"));
}

TEST_F(TrustTest, AnAuthorityThatWasMadeBeforeIsToldApart) {
  be_debian();
  machine_.write("root/usr/local/share/ca-certificates/propeller-proxy-ca.crt", kOther);
  EXPECT_EQ(only(trust_status(places(), certificate_)).state, TrustState::other_certificate);
}

TEST_F(TrustTest, FedoraGetsAnAnchorAndAnExtract) {
  machine_.write("root/own.crt", kOther);
  machine_.write("root/etc/pki/ca-trust/extracted/pem/tls-ca-bundle.pem", kOther);
  add_tool("update-ca-trust",
           "cat own.crt etc/pki/ca-trust/source/anchors/*.crt > etc/pki/ca-trust/extracted/pem/tls-ca-bundle.pem "
           "2>/dev/null; exit 0");
  const auto result = only(install_trust(places(), certificate_));
  EXPECT_EQ(result.store, "system (Fedora)");
  EXPECT_EQ(result.state, TrustState::trusted) << result.detail;
  EXPECT_TRUE(fs::exists(machine_.path() / "root/etc/pki/ca-trust/source/anchors/propeller-proxy-ca.crt"));
  EXPECT_EQ(only(remove_trust(places(), certificate_)).state, TrustState::not_trusted);
}

/// certutil with one file per nickname.
constexpr auto kCertutil = R"(dir=${2#sql:}; shift 2
case "$1" in
  -N) : > "$dir/cert9.db" ;;
  -A) [ "$2$3$4" = "-tC,,-n" ] || exit 3; cp "$7" "$dir/$5" ;;
  -L) cat "$dir/$3" 2>/dev/null ;;
  -D) rm "$dir/$3" 2>/dev/null ;;
esac)";

TEST_F(TrustTest, NssGetsADatabaseWhereThereIsNone) {
  add_tool("certutil", kCertutil);
  EXPECT_EQ(only(trust_status(places(), certificate_)).state, TrustState::not_trusted);
  EXPECT_FALSE(fs::exists(machine_.path() / "home/.pki"));
  const auto result = only(install_trust(places(), certificate_));
  EXPECT_EQ(result.store, "NSS");
  EXPECT_EQ(result.state, TrustState::trusted) << result.detail;
  EXPECT_EQ(only(install_trust(places(), certificate_)).state, TrustState::trusted);
  EXPECT_EQ(only(remove_trust(places(), certificate_)).state, TrustState::not_trusted);
}

TEST_F(TrustTest, ANssToolThatFailsIsQuoted) {
  add_tool("certutil", "echo first; echo 'certutil: locked' >&2; exit 1");
  const auto result = only(install_trust(places(), certificate_));
  EXPECT_EQ(result.state, TrustState::failed);
  EXPECT_EQ(result.detail, "certutil: locked");
}

// The real keytool, with a key store of the test's own.
TEST_F(TrustTest, JavasKeyStoreGetsIt) {
  const std::vector<fs::path> path{"/usr/bin", "/usr/local/bin"};
  const auto keytool = find_program(path, "keytool");
  const auto openssl = find_program(path, "openssl");
  if (!keytool || !openssl) GTEST_SKIP() << "keytool or openssl is not installed";
  const auto ca = machine_.path() / "certs/real.crt";
  ASSERT_TRUE(
      run_program({openssl->string(), "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes",
                   "-subj", "/CN=ours", "-days", "2", "-keyout", (machine_.path() / "k").string(), "-out", ca.string()},
                  60s)
          .is_ok());
  const auto store = machine_.path() / "java/lib/security/cacerts";
  fs::create_directories(store.parent_path());
  ASSERT_TRUE(run_program({keytool->string(), "-genkeypair", "-keyalg", "EC", "-alias", "other", "-dname", "CN=other",
                           "-keystore", store.string(), "-storepass", "changeit", "-keypass", "changeit"},
                          60s)
                  .is_ok());
  auto with_java = places();
  with_java.programs = {keytool->parent_path()};
  with_java.home.clear();
  with_java.java_home = machine_.path() / "java";
  // The system's tools may be in that directory too, and must not be run here.
  with_java.run = [&](const std::vector<std::string>& arguments) {
    return arguments.front() == keytool->string() ? run_program(arguments, 60s) : ProgramResult{};
  };
  const auto java = [&](const Result<std::vector<TrustResult>>& results) {
    EXPECT_TRUE(results);
    for (const auto& one : *results) {
      if (one.store.starts_with("Java")) return one;
    }
    return TrustResult{};
  };
  EXPECT_EQ(java(trust_status(with_java, ca)).state, TrustState::not_trusted);
  const auto installed = java(install_trust(with_java, ca));
  EXPECT_EQ(installed.state, TrustState::trusted) << installed.detail;
  EXPECT_EQ(java(install_trust(with_java, ca)).state, TrustState::trusted);
  EXPECT_EQ(java(remove_trust(with_java, ca)).state, TrustState::not_trusted);
}

TEST_F(TrustTest, AMachineWithoutStoresHasNoResults) {
  EXPECT_THAT(*install_trust(places(), certificate_), testing::IsEmpty());
}

TEST_F(TrustTest, WhatIsNoCertificateIsAnError) {
  be_debian();
  for (const auto& file : {machine_.path() / "nothing.crt", machine_.write("a.crt", "text"),
                           machine_.write("two.crt", std::string(kOurs) + kOther)}) {
    const auto result = install_trust(places(), file);
    ASSERT_FALSE(result) << file;
    EXPECT_EQ(result.error().code, Code::bad_config);
  }
}

TEST(CertificatesIn, FindsEachWithoutItsLineBreaks) {
  EXPECT_THAT(certificates_in(std::string("text\n") + kOurs + "# comment\r\n" + kOther),
              testing::ElementsAre("AAAABBBB", "CCCC"));
  EXPECT_THAT(certificates_in("-----BEGIN CERTIFICATE-----\nAAAA"), testing::IsEmpty());
}

TEST(RunProgram, EndsWhatTakesTooLongWithItsChildren) {
  const auto began = std::chrono::steady_clock::now();
  const auto result = run_program({"/bin/sh", "-c", "echo begun; sleep 60 & sleep 60"}, 200ms);
  EXPECT_EQ(result.exit_code, -1);
  EXPECT_EQ(result.output, "begun\n");
  EXPECT_LT(std::chrono::steady_clock::now() - began, 20s);
}

TEST(RunProgram, KeepsTheBeginningOfALongOutput) {
  const auto result = run_program({"/bin/sh", "-c", "yes | head -c 300000; exit 3"}, 60s);
  EXPECT_EQ(result.exit_code, 3);
  EXPECT_EQ(result.output.size(), kProgramOutputBytesMax);
}

TEST(RunProgram, OneThatIsNotThereIsAFailure) {
  EXPECT_FALSE(run_program({"/nonexistent/program"}, 1s).is_ok());
  EXPECT_FALSE(run_program({}, 1s).is_ok());
}

}  // namespace
}  // namespace propeller::forward
