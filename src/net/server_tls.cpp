#include "net/server_tls.hpp"

#include <openssl/err.h>

#include <algorithm>

#include "base/assert.hpp"
#include "net/client_tls.hpp"

namespace propeller::net {

namespace {

using async::awaitable;

// What resumes a session with this program; sessions are only ever ours.
constexpr std::string_view kSessionContext = "propeller";

// As the libraries of browsers and of Go order them: of a handshake with OpenSSL's first one a good part is SHA-384,
// which no instruction helps with. Who has none for AES either puts ChaCha20 first, and gets it.
constexpr const char* kCipherSuites = "TLS_AES_128_GCM_SHA256:TLS_AES_256_GCM_SHA384:TLS_CHACHA20_POLY1305_SHA256";

}  // namespace

ServerTls::ServerTls(Choose choose) : choose_(std::move(choose)), context_(::SSL_CTX_new(::TLS_server_method())) {
  ASSERT(context_);
  SSL_CTX* const context = context_.get();
  SSL_CTX_set_min_proto_version(context, TLS1_2_VERSION);
  ::SSL_CTX_set_options(context, SSL_OP_NO_COMPRESSION | SSL_OP_NO_RENEGOTIATION | SSL_OP_CIPHER_SERVER_PREFERENCE |
                                     SSL_OP_PRIORITIZE_CHACHA);
  ASSERT(::SSL_CTX_set_ciphersuites(context, kCipherSuites) == 1);
  SSL_CTX_set_mode(context,
                   SSL_MODE_RELEASE_BUFFERS | SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
  SSL_CTX_set_read_ahead(context, 1);
  SSL_CTX_set_session_cache_mode(context, SSL_SESS_CACHE_SERVER);
  SSL_CTX_sess_set_cache_size(context, kSessionsMax);
  ::SSL_CTX_set_session_id_context(context, reinterpret_cast<const unsigned char*>(kSessionContext.data()),
                                   kSessionContext.size());
  ::SSL_CTX_set_num_tickets(context, 1);
  ::SSL_CTX_set_cert_cb(context, on_certificate, this);
  ::SSL_CTX_set_alpn_select_cb(context, on_alpn, nullptr);
}

int ServerTls::on_certificate(SSL* ssl, void* self) {
  const auto& stream = *static_cast<TlsStream*>(SSL_get_app_data(ssl));
  const char* const asked = ::SSL_get_servername(ssl, TLSEXT_NAMETYPE_host_name);
  std::string name = asked != nullptr ? asked : stream.name_;
  std::ranges::transform(name, name.begin(),
                         [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c; });
  const auto identity = static_cast<ServerTls*>(self)->choose_(name);
  if (!identity) return 0;
  return ::SSL_use_cert_and_key(ssl, identity->certificate.get(), identity->key.get(), identity->chain.get(), 1);
}

int ServerTls::on_alpn(SSL* ssl, const unsigned char** chosen, unsigned char* chosen_size, const unsigned char* offered,
                       unsigned offered_size, void*) {
  const auto& ours = static_cast<TlsStream*>(SSL_get_app_data(ssl))->alpn_;
  if (ours.empty()) return SSL_TLSEXT_ERR_NOACK;
  unsigned char* found = nullptr;
  const int agreed = ::SSL_select_next_proto(&found, chosen_size, reinterpret_cast<const unsigned char*>(ours.data()),
                                             static_cast<unsigned>(ours.size()), offered, offered_size);
  *chosen = found;
  return agreed == OPENSSL_NPN_NEGOTIATED ? SSL_TLSEXT_ERR_OK : SSL_TLSEXT_ERR_ALERT_FATAL;
}

awaitable<Result<std::unique_ptr<Stream>>> ServerTls::accept(std::unique_ptr<Stream> below, AcceptTlsOptions options) {
  SslPtr ssl(::SSL_new(context_.get()));
  ASSERT(ssl);
  ::SSL_set_accept_state(ssl.get());
  auto stream = std::make_unique<TlsStream>(std::move(below), std::move(ssl));
  stream->name_ = std::move(options.default_name);
  stream->alpn_ = alpn_wire(options.alpn);
  if (auto done = co_await stream->handshake(options.deadline); !done)
    co_return std::unexpected(std::move(done.error()));
  co_return stream;
}

}  // namespace propeller::net
