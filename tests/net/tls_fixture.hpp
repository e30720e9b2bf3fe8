#pragma once

#include <memory>
#include <string>
#include <utility>

#include "net/certificates.hpp"
#include "net/client_tls.hpp"
#include "net/loopback.hpp"
#include "net/server_tls.hpp"
#include "support/environment.hpp"

namespace propeller::net {

inline std::chrono::steady_clock::time_point soon() { return std::chrono::steady_clock::now() + 10s; }

/// Clients that trust one authority, and servers with certificates of it.
struct TlsSite {
  TlsSite() { write_certificate(*authority, directory / "ca.pem"); }

  [[nodiscard]] std::shared_ptr<ClientTls> client(std::vector<std::string> insecure_hosts = {}) const {
    return ClientTls::create({.ca_files = {directory / "ca.pem"},
                              .uses_system_ca = false,
                              .insecure_hosts = std::move(insecure_hosts)})
        .value();
  }
  [[nodiscard]] std::shared_ptr<const TlsIdentity> issue(std::string alt_names = "DNS:localhost,IP:127.0.0.1") const {
    return make_certificate({.alt_names = std::move(alt_names), .issuer = authority});
  }
  static ServerTls::Choose always(std::shared_ptr<const TlsIdentity> identity) {
    return [identity = std::move(identity)](std::string_view) { return identity; };
  }

  std::shared_ptr<const TlsIdentity> authority = make_test_authority();
  support::TempDir directory;
};

/// Both sides of a TLS handshake.
struct TlsPair {
  Result<std::unique_ptr<Stream>> server = fail(Code::io, Origin::internal, "not there");
  Result<std::unique_ptr<Stream>> client = fail(Code::io, Origin::internal, "not there");
};

inline awaitable<void> accept_tls(ServerTls& tls, std::unique_ptr<Stream> below, AcceptTlsOptions options,
                                  Result<std::unique_ptr<Stream>>& result) {
  result = co_await tls.accept(std::move(below), std::move(options));
}

inline awaitable<void> connect_tls(ClientTls& tls, std::unique_ptr<Stream> below, ConnectTlsOptions options,
                                   Result<std::unique_ptr<Stream>>& result) {
  result = co_await tls.connect(std::move(below), std::move(options));
  // A client that is content with the certificate goes on; one that is not leaves, and its socket with it.
}

/// Over sockets that are connected already.
inline TlsPair shake_hands_over(Pair sockets, Loop& loop, ServerTls& server, ClientTls& client,
                                std::string host = "localhost", std::vector<std::string> server_alpn = {},
                                std::vector<std::string> client_alpn = {}) {
  TlsPair made;
  loop.spawn(
      accept_tls(server, std::move(sockets.server), {.alpn = std::move(server_alpn), .deadline = soon()}, made.server));
  loop.run(connect_tls(client, std::move(sockets.client),
                       {.host = std::move(host), .alpn = std::move(client_alpn), .deadline = soon()}, made.client));
  return made;
}

inline TlsPair shake_hands(Loop& loop, ServerTls& server, ClientTls& client, std::string host = "localhost",
                           std::vector<std::string> server_alpn = {}, std::vector<std::string> client_alpn = {}) {
  return shake_hands_over(connected_pair(loop), loop, server, client, std::move(host), std::move(server_alpn),
                          std::move(client_alpn));
}

}  // namespace propeller::net
