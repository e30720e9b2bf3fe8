#pragma once

#include <netinet/in.h>
#include <sys/socket.h>

#include <functional>
#include <list>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "base/file_descriptor.hpp"
#include "net/openssl.hpp"
#include "support/fake_connection.hpp"
#include "support/tls_files.hpp"

namespace propeller::forward {

/// An origin that answers each request with what a function says: the whole response, head and body. A connection for
/// each request, so that nothing hangs on another one.
///
/// Threads: the function is called from several, one request at a time per connection.
class ScriptedOrigin {
 public:
  using Script = std::function<std::string(const support::SeenRequest&)>;

  /// With `tls` it speaks HTTPS.
  explicit ScriptedOrigin(Script script, const support::TlsFiles* tls = nullptr) : script_(std::move(script)) {
    if (tls != nullptr) {
      tls_.reset(::SSL_CTX_new(::TLS_server_method()));
      ::SSL_CTX_use_certificate_chain_file(tls_.get(), tls->server_certificate().c_str());
      ::SSL_CTX_use_PrivateKey_file(tls_.get(), tls->server_key().c_str(), SSL_FILETYPE_PEM);
    }
    listener_ = base::FileDescriptor(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
    sockaddr_in address{.sin_family = AF_INET, .sin_port = 0, .sin_addr = {htonl(INADDR_LOOPBACK)}, .sin_zero = {}};
    ::bind(listener_.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address);
    ::listen(listener_.get(), SOMAXCONN);
    socklen_t size = sizeof address;
    ::getsockname(listener_.get(), reinterpret_cast<sockaddr*>(&address), &size);
    port_ = ntohs(address.sin_port);
    acceptor_ = std::thread([this] { accept_all(); });
  }
  ~ScriptedOrigin() { stop(); }
  ScriptedOrigin(const ScriptedOrigin&) = delete;
  ScriptedOrigin& operator=(const ScriptedOrigin&) = delete;

  /// From then on nobody is there.
  void stop() {
    ::shutdown(listener_.get(), SHUT_RDWR);
    if (acceptor_.joinable()) acceptor_.join();
    listener_ = base::FileDescriptor();
    for (auto& thread : threads_) thread.join();
    threads_.clear();
  }

  [[nodiscard]] std::uint16_t port() const { return port_; }
  [[nodiscard]] std::string url(const std::string& path = "/") const {
    return (tls_ ? "https" : "http") + std::string("://127.0.0.1:") + std::to_string(port_) + path;
  }
  [[nodiscard]] std::vector<support::SeenRequest> requests() const {
    const std::scoped_lock lock(mutex_);
    return requests_;
  }
  [[nodiscard]] std::size_t request_count() const { return requests().size(); }

 private:
  void accept_all() {
    for (;;) {
      const int socket = ::accept4(listener_.get(), nullptr, nullptr, SOCK_CLOEXEC);
      if (socket < 0) return;
      threads_.emplace_back([this, socket] { serve(socket); });
    }
  }
  void serve(int socket) {
    support::FakeConnection connection(socket, tls_.get());
    const auto request = connection.read_request();
    if (!request) return;
    {
      const std::scoped_lock lock(mutex_);
      requests_.push_back(*request);
    }
    connection.write(script_(*request));
  }

  const Script script_;
  net::SslContextPtr tls_;  // null: in the clear
  base::FileDescriptor listener_;
  std::uint16_t port_ = 0;
  mutable std::mutex mutex_;
  std::vector<support::SeenRequest> requests_;
  std::list<std::thread> threads_;  // the acceptor's, until it has ended
  std::thread acceptor_;
};

/// A response of HTTP/1.1 after which the connection ends; `fields` are whole lines.
inline std::string scripted(int status, const std::string& fields, const std::string& body) {
  return "HTTP/1.1 " + std::to_string(status) + " X\r\nConnection: close\r\n" + fields +
         (status == 304 ? "" : "Content-Length: " + std::to_string(body.size()) + "\r\n") + "\r\n" + body;
}

}  // namespace propeller::forward
