// TLS that is left alone: by what the client says, and by what it says of our certificate.
#include <gtest/gtest.h>

#include "forward/proxy_fixture.hpp"
#include "forward/tls_origin.hpp"
#include "forward/tls_peer.hpp"

namespace propeller::forward {
namespace {

class PassthroughTest : public ProxyTest {
 protected:
  /// curl that trusts the origin's authority only; so our leaf is unknown_ca to it.
  Answer curl_of_a_pinned_client() {
    return curl({"--cacert", tls.ca().string(), blob(secure, "secure bytes", "localhost")});
  }
};

TEST_F(PassthroughTest, AClientThatRefusesOurCertificateIsLeftAloneFromThenOn) {
  settings.tls.is_passthrough_learned = true;
  start();
  EXPECT_EQ(curl_of_a_pinned_client().exit_code, 60);
  // The alert may come in after curl has gone.
  EXPECT_TRUE(support::wait_until([&] { return curl_of_a_pinned_client().exit_code == 0; }));
  const auto by_address = curl({"--cacert", tls.ca().string(), blob(secure, "secure bytes", "127.0.0.1")});
  EXPECT_EQ(by_address.exit_code, 60) << "that host only";
}

TEST_F(PassthroughTest, NothingIsLearnedUnlessItIsAsked) {
  start();
  for (int i = 0; i < 3; ++i) EXPECT_EQ(curl_of_a_pinned_client().exit_code, 60);
}

// MQTT over TLS, say, would only get errors of HTTP from us.
TEST_F(PassthroughTest, TlsForAnotherProtocolIsCarriedUntouched) {
  TlsOrigin origin(tls, {});
  start();
  const auto target = "localhost:" + std::to_string(origin.port());
  auto below = http::Peer::connect(port);
  below.send("CONNECT " + target + " HTTP/1.1\r\nHost: " + target + "\r\n\r\n");
  EXPECT_TRUE(below.read_head().starts_with("HTTP/1.1 200 "));
  const TlsPeer client(below, tls.ca(), "localhost", "mqtt");
  EXPECT_TRUE(client.is_connected()) << "the origin's own certificate";
}

}  // namespace
}  // namespace propeller::forward
