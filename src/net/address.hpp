#pragma once

#include <sys/socket.h>

#include <boost/asio/ip/address.hpp>
#include <optional>
#include <vector>

namespace propeller::net {

enum class AddressKind { is_public, is_private, is_loopback, is_link_local, is_reserved };

/// Judges the IPv4 address inside where one is embedded. Clouds' metadata addresses are link-local.
/// Source: IANA special-purpose address registries (RFC 6890 and its updates)
[[nodiscard]] AddressKind classify(const boost::asio::ip::address& address);

/// The IPv4 address that a packet to this IPv6 address ends at (mapped, compatible, NAT64 64:ff9b::/96, 6to4); else the
/// address itself.
[[nodiscard]] boost::asio::ip::address embedded_v4(const boost::asio::ip::address& address);

/// Whether both are of one family and share their first `bits` bits.
[[nodiscard]] bool is_within(const boost::asio::ip::address& address, const boost::asio::ip::address& network,
                             unsigned bits);

/// Of an IPv4 or IPv6 socket address; nothing for other families.
[[nodiscard]] std::optional<boost::asio::ip::address> address_of(const sockaddr& raw);

/// The addresses of this machine's interfaces, as they are now; empty when the system does not say.
[[nodiscard]] std::vector<boost::asio::ip::address> machine_addresses();

}  // namespace propeller::net
