#pragma once

#include <gtest/gtest.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>

#include <algorithm>
#include <string>
#include <string_view>

#include "base/file_descriptor.hpp"
#include "http/peer.hpp"

namespace propeller::forward {

/// A socket for datagrams on an address of loopback.
class UdpPeer {
 public:
  explicit UdpPeer(std::uint32_t address = INADDR_LOOPBACK) : socket_(::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0)) {
    sockaddr_in own{.sin_family = AF_INET, .sin_port = 0, .sin_addr = {htonl(address)}, .sin_zero = {}};
    EXPECT_EQ(::bind(socket_.get(), reinterpret_cast<const sockaddr*>(&own), sizeof own), 0);
    socklen_t size = sizeof own;
    EXPECT_EQ(::getsockname(socket_.get(), reinterpret_cast<sockaddr*>(&own), &size), 0);
    port_ = ntohs(own.sin_port);
  }

  void send(std::uint16_t port, std::string_view bytes) {
    const sockaddr_in to{
        .sin_family = AF_INET, .sin_port = htons(port), .sin_addr = {htonl(INADDR_LOOPBACK)}, .sin_zero = {}};
    EXPECT_EQ(::sendto(socket_.get(), bytes.data(), bytes.size(), 0, reinterpret_cast<const sockaddr*>(&to), sizeof to),
              static_cast<ssize_t>(bytes.size()));
  }
  /// Empty when nothing comes in that time.
  std::string receive(int milliseconds = http::Peer::kPatienceMs) {
    pollfd one{.fd = socket_.get(), .events = POLLIN, .revents = 0};
    if (::poll(&one, 1, milliseconds) <= 0) return {};
    std::string room(64 * 1024, '\0');
    sockaddr_in from{};
    socklen_t size = sizeof from;
    const auto got = ::recvfrom(socket_.get(), room.data(), room.size(), 0, reinterpret_cast<sockaddr*>(&from), &size);
    from_ = ntohs(from.sin_port);
    room.resize(static_cast<std::size_t>(std::max<ssize_t>(got, 0)));
    return room;
  }
  /// Who sent what was received last.
  [[nodiscard]] std::uint16_t from() const { return from_; }
  [[nodiscard]] std::uint16_t port() const { return port_; }

 private:
  base::FileDescriptor socket_;
  std::uint16_t port_ = 0, from_ = 0;
};

}  // namespace propeller::forward
