#include "socks/datagram.hpp"

#include "socks/address.hpp"

namespace propeller::socks {

namespace {
using namespace std::string_view_literals;
constexpr auto kWholeDatagram = "\0\0\0"sv;  // reserved, and the number of the fragment
}  // namespace

std::optional<Datagram> parse_datagram(std::string_view bytes) {
  if (!bytes.starts_with(kWholeDatagram)) return std::nullopt;
  bytes.remove_prefix(kWholeDatagram.size());
  auto address = parse_address(bytes);
  if (address.state != Address::State::complete) return std::nullopt;
  return Datagram{.host = std::move(address.host), .port = address.port, .payload = bytes.substr(address.size)};
}

std::string datagram_header(const boost::asio::ip::udp::endpoint& source) {
  std::string header(kWholeDatagram);
  append_address(header, source.address(), source.port());
  return header;
}

}  // namespace propeller::socks
