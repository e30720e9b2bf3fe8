#pragma once

#include <openssl/ssl.h>
#include <openssl/x509.h>

#include <algorithm>
#include <csignal>
#include <filesystem>
#include <string>
#include <string_view>

#include "http/peer.hpp"
#include "net/client_tls.hpp"
#include "net/openssl.hpp"

namespace propeller::forward {

struct TlsPeerOptions {
  int version = 0;               ///< the only one it speaks; 0: any
  net::SessionPtr session = {};  ///< to resume
};

/// A client's end of TLS in the test's own thread, with blocking calls, over a connection that may be a tunnel already.
/// A call that waits longer than Peer::kPatience ends as if the other side had closed.
class TlsPeer {
 public:
  TlsPeer(http::Peer& below, const std::filesystem::path& ca, const std::string& host, const std::string& alpn,
          const TlsPeerOptions& options = {})
      : context_(::SSL_CTX_new(::TLS_client_method())) {
    EXPECT_EQ(::SSL_CTX_load_verify_locations(context_.get(), ca.c_str(), nullptr), 1);
    ::SSL_CTX_set_verify(context_.get(), SSL_VERIFY_PEER, nullptr);
    SSL_CTX_set_min_proto_version(context_.get(), options.version);
    SSL_CTX_set_max_proto_version(context_.get(), options.version);
    ssl_.reset(::SSL_new(context_.get()));
    if (options.session) ::SSL_set_session(ssl_.get(), options.session.get());
    const auto wire = net::alpn_wire({alpn});
    ::SSL_set_alpn_protos(ssl_.get(), reinterpret_cast<const unsigned char*>(wire.data()),
                          static_cast<unsigned>(wire.size()));
    SSL_set_tlsext_host_name(ssl_.get(), host.c_str());
    ::SSL_set_fd(ssl_.get(), below.native_handle());
    const timeval patience{.tv_sec = http::Peer::kPatienceMs / 1000, .tv_usec = 0};
    ::setsockopt(below.native_handle(), SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
    const WithoutBrokenPipes block;
    is_connected_ = ::SSL_connect(ssl_.get()) == 1;
  }

  /// The handshake was done, and the certificate is of the authority given.
  [[nodiscard]] bool is_connected() const { return is_connected_; }
  [[nodiscard]] bool is_resumed() const { return ::SSL_session_reused(ssl_.get()) == 1; }
  /// To resume later: of TLS 1.3, once something was read. A copy, since without a goodbye OpenSSL spoils its own.
  [[nodiscard]] net::SessionPtr session() const {
    return net::SessionPtr(::SSL_SESSION_dup(::SSL_get_session(ssl_.get())));
  }
  [[nodiscard]] std::string alpn() const {
    const unsigned char* name = nullptr;
    unsigned size = 0;
    ::SSL_get0_alpn_selected(ssl_.get(), &name, &size);
    return {reinterpret_cast<const char*>(name), size};
  }
  /// The server's own, in DER.
  [[nodiscard]] std::string certificate() const {
    const X509* const shown = ::SSL_get0_peer_certificate(ssl_.get());
    unsigned char* der = nullptr;
    const int size = shown == nullptr ? 0 : ::i2d_X509(shown, &der);
    const std::string bytes(reinterpret_cast<const char*>(der), static_cast<std::size_t>(std::max(size, 0)));
    OPENSSL_free(der);
    return bytes;
  }
  bool send(std::string_view bytes) {
    const WithoutBrokenPipes block;
    return ::SSL_write(ssl_.get(), bytes.data(), static_cast<int>(bytes.size())) == static_cast<int>(bytes.size());
  }
  std::string read(std::size_t size) {
    while (buffer_.size() < size && fill()) continue;
    return take(std::min(size, buffer_.size()));
  }
  std::string read_head() {
    for (;;) {
      if (const auto at = buffer_.find("\r\n\r\n"); at != std::string::npos) return take(at + 4);
      if (!fill()) return take(buffer_.size());
    }
  }
  /// As Peer::read_message(), of a body with Content-Length.
  std::string read_message() {
    std::string message = read_head();
    const std::string_view announced = "Content-Length: ";
    if (const auto at = message.find(announced); at != std::string::npos)
      message += read(static_cast<std::size_t>(std::stoul(message.substr(at + announced.size()))));
    return message;
  }
  std::string read_all() {
    while (fill()) continue;
    return take(buffer_.size());
  }
  bool is_ended() { return !fill() && buffer_.empty(); }

 private:
  /// OpenSSL writes without MSG_NOSIGNAL.
  class WithoutBrokenPipes {
   public:
    WithoutBrokenPipes() {
      sigemptyset(&signal_);
      sigaddset(&signal_, SIGPIPE);
      pthread_sigmask(SIG_BLOCK, &signal_, &before_);
    }
    ~WithoutBrokenPipes() {
      const timespec now{};
      while (::sigtimedwait(&signal_, nullptr, &now) > 0) continue;
      pthread_sigmask(SIG_SETMASK, &before_, nullptr);
    }
    WithoutBrokenPipes(const WithoutBrokenPipes&) = delete;
    WithoutBrokenPipes& operator=(const WithoutBrokenPipes&) = delete;

   private:
    sigset_t signal_, before_;
  };

  bool fill() {
    char room[16 * 1024];
    const int got = ::SSL_read(ssl_.get(), room, sizeof room);
    if (got <= 0) return false;
    buffer_.append(room, static_cast<std::size_t>(got));
    return true;
  }
  std::string take(std::size_t size) {
    std::string taken = buffer_.substr(0, size);
    buffer_.erase(0, size);
    return taken;
  }

  net::SslContextPtr context_;
  net::SslPtr ssl_;
  std::string buffer_;
  bool is_connected_ = false;
};

}  // namespace propeller::forward
