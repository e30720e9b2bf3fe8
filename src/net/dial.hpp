#pragma once

#include <boost/asio/ip/tcp.hpp>
#include <chrono>
#include <functional>
#include <string>
#include <vector>

#include "base/error.hpp"
#include "net/look_up.hpp"

namespace propeller::net {

/// The addresses of a host, in the order of the system's preference, at most kAddressesMax. Blocks until they are
/// known, `deadline` has passed, or is_cancelled() is true; the system's resolver itself cannot be interrupted and is
/// left alone then, on a thread of its own.
/// Errors: disconnected, with a sentence.
[[nodiscard]] Result<std::vector<boost::asio::ip::tcp::endpoint>> resolve(
    const std::string& host, std::uint16_t port, std::chrono::steady_clock::time_point deadline,
    const std::function<bool()>& is_cancelled);

/// Connects `socket` to the first of `addresses` that answers, trying them in turn; each gets its share of the time
/// that is left. Blocks. Errors: disconnected, with what the last one said.
[[nodiscard]] Result<void> connect_any(boost::asio::ip::tcp::socket& socket,
                                       const std::vector<boost::asio::ip::tcp::endpoint>& addresses,
                                       std::chrono::steady_clock::time_point deadline,
                                       const std::function<bool()>& is_cancelled);

}  // namespace propeller::net
