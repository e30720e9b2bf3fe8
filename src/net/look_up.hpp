#pragma once

#include <boost/asio/ip/address.hpp>
#include <cstddef>
#include <string>
#include <vector>

#include "base/error.hpp"

namespace propeller::net {

using Addresses = std::vector<boost::asio::ip::address>;
inline constexpr std::size_t kAddressesMax = 16;

/// Asks the system for the addresses of a host, in the order of its preference (RFC 6724), at most kAddressesMax.
/// Blocks, and cannot be interrupted. Errors: dns_failed with the system's words;
/// timeout when no name server has said anything.
[[nodiscard]] Result<Addresses> look_up(const std::string& host);

}  // namespace propeller::net
