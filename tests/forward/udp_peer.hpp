#pragma once

#include <gtest/gtest.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>

#include <algorithm>
#include <boost/asio/ip/udp.hpp>
#include <string>
#include <string_view>

#include "base/file_descriptor.hpp"
#include "http/peer.hpp"

namespace propeller::forward {

/// A socket for datagrams on an address of this machine.
class UdpPeer {
 public:
  explicit UdpPeer(std::uint32_t address = INADDR_LOOPBACK) : UdpPeer(boost::asio::ip::address_v4(address)) {}
  explicit UdpPeer(const boost::asio::ip::address& address)
      : socket_(::socket(address.is_v4() ? AF_INET : AF_INET6, SOCK_DGRAM | SOCK_CLOEXEC, 0)), own_(address, 0) {
    EXPECT_EQ(::bind(socket_.get(), own_.data(), static_cast<socklen_t>(own_.size())), 0) << address;
    auto size = static_cast<socklen_t>(own_.capacity());
    EXPECT_EQ(::getsockname(socket_.get(), own_.data(), &size), 0);
  }

  /// To that port of loopback, of the peer's own family.
  void send(std::uint16_t port, std::string_view bytes) {
    using namespace boost::asio::ip;
    const auto loopback = own_.address().is_v4() ? address(address_v4::loopback()) : address(address_v6::loopback());
    const Endpoint to(loopback, port);
    EXPECT_EQ(::sendto(socket_.get(), bytes.data(), bytes.size(), 0, to.data(), static_cast<socklen_t>(to.size())),
              static_cast<ssize_t>(bytes.size()));
  }
  /// Empty when nothing comes in that time.
  std::string receive(int milliseconds = http::Peer::kPatienceMs) {
    pollfd one{.fd = socket_.get(), .events = POLLIN, .revents = 0};
    if (::poll(&one, 1, milliseconds) <= 0) return {};
    std::string room(64 * 1024, '\0');
    Endpoint from;
    auto size = static_cast<socklen_t>(from.capacity());
    const auto got = ::recvfrom(socket_.get(), room.data(), room.size(), 0, from.data(), &size);
    from.resize(size);
    from_ = from.port();
    room.resize(static_cast<std::size_t>(std::max<ssize_t>(got, 0)));
    return room;
  }
  /// Who sent what was received last.
  [[nodiscard]] std::uint16_t from() const { return from_; }
  [[nodiscard]] std::uint16_t port() const { return own_.port(); }

 private:
  using Endpoint = boost::asio::ip::udp::endpoint;

  base::FileDescriptor socket_;
  Endpoint own_;
  std::uint16_t from_ = 0;
};

}  // namespace propeller::forward
