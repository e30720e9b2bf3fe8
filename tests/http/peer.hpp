#pragma once

#include <gtest/gtest.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>

#include <cerrno>
#include <cstdint>
#include <string>
#include <string_view>
#include <utility>

#include "base/file_descriptor.hpp"

namespace propeller::http {

/// One end of a TCP connection in the test's own thread, with blocking calls: it says what the script says, byte for
/// byte. A call that waits longer than kPatience ends as if the other side had closed.
class Peer {
 public:
  static constexpr int kPatienceMs = 30'000;

  Peer() = default;
  explicit Peer(base::FileDescriptor socket) : socket_(std::move(socket)) {}

  static Peer connect(std::uint16_t port) {
    Peer peer(base::FileDescriptor(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)));
    const sockaddr_in address{
        .sin_family = AF_INET, .sin_port = htons(port), .sin_addr = {htonl(INADDR_LOOPBACK)}, .sin_zero = {}};
    EXPECT_EQ(::connect(peer.socket_.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address), 0);
    return peer;
  }

  static Peer connect_v6(std::uint16_t port) {
    Peer peer(base::FileDescriptor(::socket(AF_INET6, SOCK_STREAM | SOCK_CLOEXEC, 0)));
    const sockaddr_in6 address{.sin6_family = AF_INET6,
                               .sin6_port = htons(port),
                               .sin6_flowinfo = 0,
                               .sin6_addr = in6addr_loopback,
                               .sin6_scope_id = 0};
    EXPECT_EQ(::connect(peer.socket_.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address), 0);
    return peer;
  }

  /// False when the other side has broken the connection.
  bool send(std::string_view text) {
    while (!text.empty()) {
      const ssize_t sent = ::send(socket_.get(), text.data(), text.size(), MSG_NOSIGNAL);
      if (sent <= 0) return false;
      text.remove_prefix(static_cast<std::size_t>(sent));
    }
    return true;
  }
  void send_bytewise(std::string_view text) {
    const int is_on = 1;
    ::setsockopt(socket_.get(), IPPROTO_TCP, 1 /* TCP_NODELAY */, &is_on, sizeof is_on);
    for (const char& byte : text) send({&byte, 1});
  }
  void end_sending() { ::shutdown(socket_.get(), SHUT_WR); }
  void close() { socket_ = base::FileDescriptor(); }
  void reset() {
    const linger at_once{.l_onoff = 1, .l_linger = 0};
    ::setsockopt(socket_.get(), SOL_SOCKET, SO_LINGER, &at_once, sizeof at_once);
    close();
  }

  /// Up to and with `end`, or what came before the connection ended.
  std::string read_until(std::string_view end) {
    for (;;) {
      if (const auto at = buffer_.find(end); at != std::string::npos) return take(at + end.size());
      if (!fill()) return take(buffer_.size());
    }
  }
  std::string read(std::size_t size) {
    while (buffer_.size() < size && fill()) continue;
    return take(std::min(size, buffer_.size()));
  }
  std::string read_all() {
    while (fill()) continue;
    return take(buffer_.size());
  }
  std::string read_head() { return read_until("\r\n\r\n"); }
  /// A head and the body that Content-Length announces, or, with chunked, all up to the last chunk.
  std::string read_message() {
    std::string message = read_head();
    const std::string_view announced = "Content-Length: ";
    if (const auto at = message.find(announced); at != std::string::npos) {
      message += read(static_cast<std::size_t>(std::stoul(message.substr(at + announced.size()))));
    } else if (message.contains("Transfer-Encoding: chunked")) {
      message += read_until("0\r\n\r\n");
    }
    return message;
  }
  /// The connection is over and nothing more came; silence for kPatience is no end.
  bool is_ended() { return !fill() && buffer_.empty() && is_over_; }
  [[nodiscard]] int native_handle() const { return socket_.get(); }
  [[nodiscard]] bool was_reset() const { return was_reset_; }
  /// Nothing comes within that time, not even the end.
  bool is_silent(int milliseconds) {
    pollfd one{.fd = socket_.get(), .events = POLLIN, .revents = 0};
    return buffer_.empty() && ::poll(&one, 1, milliseconds) == 0;
  }

 private:
  bool fill() {
    pollfd one{.fd = socket_.get(), .events = POLLIN, .revents = 0};
    if (::poll(&one, 1, kPatienceMs) <= 0) return false;
    char room[16 * 1024];
    const ssize_t got = ::recv(socket_.get(), room, sizeof room, 0);
    if (got < 0 && errno == ECONNRESET) was_reset_ = true;
    is_over_ = got <= 0;
    if (is_over_) return false;
    buffer_.append(room, static_cast<std::size_t>(got));
    return true;
  }
  std::string take(std::size_t size) {
    std::string taken = buffer_.substr(0, size);
    buffer_.erase(0, size);
    return taken;
  }

  base::FileDescriptor socket_;
  std::string buffer_;
  bool was_reset_ = false;
  bool is_over_ = false;
};

/// A listening socket whose connections the test takes by hand: a scripted upstream.
class PeerListener {
 public:
  PeerListener() : socket_(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
    sockaddr_in address{.sin_family = AF_INET, .sin_port = 0, .sin_addr = {htonl(INADDR_LOOPBACK)}, .sin_zero = {}};
    EXPECT_EQ(::bind(socket_.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address), 0);
    EXPECT_EQ(::listen(socket_.get(), 16), 0);
    socklen_t size = sizeof address;
    EXPECT_EQ(::getsockname(socket_.get(), reinterpret_cast<sockaddr*>(&address), &size), 0);
    port_ = ntohs(address.sin_port);
  }
  [[nodiscard]] std::uint16_t port() const { return port_; }
  Peer accept() {
    pollfd one{.fd = socket_.get(), .events = POLLIN, .revents = 0};
    EXPECT_EQ(::poll(&one, 1, Peer::kPatienceMs), 1) << "nobody connects";
    return Peer(base::FileDescriptor(::accept4(socket_.get(), nullptr, nullptr, SOCK_CLOEXEC)));
  }
  bool is_silent(int milliseconds) {
    pollfd one{.fd = socket_.get(), .events = POLLIN, .revents = 0};
    return ::poll(&one, 1, milliseconds) == 0;
  }

 private:
  base::FileDescriptor socket_;
  std::uint16_t port_ = 0;
};

}  // namespace propeller::http
