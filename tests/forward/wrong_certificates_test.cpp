// An upstream whose certificate is wrong, behind interception: never a masked connection. The servers are OpenSSL's,
// with the guards down that would keep a weak digest from being shown.
#include <gmock/gmock.h>

#include "forward/proxy_fixture.hpp"
#include "net/certificates.hpp"

namespace propeller::forward {
namespace {

using net::make_certificate;
using testing::HasSubstr;

struct Wrong {
  const char* name;
  net::CertificateSpec spec;  ///< without its issuer
  enum class Issuer { known, stranger, itself } issuer = Issuer::known;
  const char* reason;
};

class WrongCertificate : public ProxyTest, public testing::WithParamInterface<Wrong> {
 protected:
  WrongCertificate() {
    net::write_certificate(*known_, directory / "known.pem");
    settings.tls.upstream_ca = {directory / "known.pem"};
  }
  void serve(net::CertificateSpec spec, Wrong::Issuer issuer) {
    if (issuer != Wrong::Issuer::itself) spec.issuer = issuer == Wrong::Issuer::known ? known_ : stranger_;
    const auto identity = make_certificate(spec);
    net::write_certificate(*identity, directory / "server.pem");
    net::write_key(*identity, directory / "server.key");
    port_ = support::free_port();
    server_.emplace(support::SubprocessOptions{
        .arguments = {"openssl", "s_server", "-accept", "127.0.0.1:" + std::to_string(port_), "-cert",
                      (directory / "server.pem").string(), "-key", (directory / "server.key").string(), "-www",
                      "-cipher", "DEFAULT@SECLEVEL=0"}});
    ASSERT_TRUE(server_->wait_line("ACCEPT")) << server_->output();
  }
  [[nodiscard]] std::string url() const { return "https://localhost:" + std::to_string(port_) + "/"; }

  const std::shared_ptr<const net::TlsIdentity> known_ = net::make_test_authority("known CA");
  const std::shared_ptr<const net::TlsIdentity> stranger_ = net::make_test_authority("Stranger CA");
  std::optional<support::Subprocess> server_;
  std::uint16_t port_ = 0;
};

TEST_P(WrongCertificate, IsA502WithItsReason) {
  serve(GetParam().spec, GetParam().issuer);
  start();
  for (const char* way : {"http", "socks5h"}) {
    const auto got = curl({"-x", std::string(way) + "://127.0.0.1:" + std::to_string(port), url()});
    EXPECT_EQ(got.exit_code, 0) << "our own certificate is in order: " << got.output;
    EXPECT_THAT(got.output, HasSubstr(" 502")) << way;
    EXPECT_THAT(got.output, HasSubstr("error=tls_certificate_error")) << way;
    EXPECT_THAT(got.output, HasSubstr(GetParam().reason)) << way;
    EXPECT_THAT(got.output, testing::Not(HasSubstr("s_server"))) << "nothing of the server's page";
  }
}

TEST_P(WrongCertificate, IsTakenFromAHostThatIsListed) {
  serve(GetParam().spec, GetParam().issuer);
  settings.tls.insecure_hosts = {"localhost"};
  start();
  EXPECT_THAT(curl({url()}).output, HasSubstr("s_server"));
}

INSTANTIATE_TEST_SUITE_P(
    Kinds, WrongCertificate,
    testing::Values(
        Wrong{.name = "Expired", .spec = {.days_from = -10, .days_to = -2}, .reason = "expired on"},
        Wrong{.name = "OfTheFuture", .spec = {.days_from = 3, .days_to = 9}, .reason = "not valid before"},
        Wrong{.name = "AnotherName", .spec = {.alt_names = "DNS:other.example"}, .reason = "other.example"},
        Wrong{.name = "SelfSigned", .spec = {}, .issuer = Wrong::Issuer::itself, .reason = "self-signed"},
        Wrong{.name = "UnknownRoot", .spec = {}, .issuer = Wrong::Issuer::stranger, .reason = "unknown issuer"},
        Wrong{.name = "WeakDigest", .spec = {.digest = "SHA1"}, .reason = "weak digest"}),
    [](const auto& info) { return std::string(info.param.name); });

}  // namespace
}  // namespace propeller::forward
