#include "net/dial.hpp"

#include <fmt/ostream.h>
#include <poll.h>

#include <algorithm>
#include <boost/asio/ip/address.hpp>
#include <condition_variable>
#include <cstring>
#include <memory>
#include <mutex>
#include <optional>
#include <thread>

namespace propeller::net {

namespace {

namespace asio = boost::asio;
using boost::system::error_code;
using Clock = std::chrono::steady_clock;
using Endpoints = std::vector<asio::ip::tcp::endpoint>;

constexpr std::chrono::milliseconds kCancelCheck{50};

/// Shared with a thread that may outlive the question.
struct Lookup {
  std::mutex mutex;
  std::condition_variable changed;
  std::optional<Result<Endpoints>> answer;
};

std::unexpected<Error> refuse(std::string detail) {
  return fail(Code::disconnected, Origin::upstream, std::move(detail));
}

Result<Endpoints> ask_system(const std::string& host, std::uint16_t port) {
  const auto addresses = look_up(host);
  if (!addresses) return refuse(addresses.error().detail);
  Endpoints endpoints;
  for (const auto& address : *addresses) endpoints.emplace_back(address, port);
  return endpoints;
}

/// Waits for a connect() in progress.
error_code await_connect(asio::ip::tcp::socket& socket, Clock::time_point deadline,
                         const std::function<bool()>& is_cancelled) {
  for (;;) {
    const auto left = std::chrono::duration_cast<std::chrono::milliseconds>(deadline - Clock::now());
    if (left.count() <= 0) return asio::error::timed_out;
    if (is_cancelled()) return asio::error::operation_aborted;
    pollfd wanted{.fd = socket.native_handle(), .events = POLLOUT, .revents = 0};
    if (::poll(&wanted, 1, static_cast<int>(std::min(left, kCancelCheck).count())) <= 0) continue;
    int code = 0;
    socklen_t size = sizeof code;
    ::getsockopt(socket.native_handle(), SOL_SOCKET, SO_ERROR, &code, &size);
    return {code, boost::system::system_category()};
  }
}

error_code connect_one(asio::ip::tcp::socket& socket, const asio::ip::tcp::endpoint& address,
                       Clock::time_point deadline, const std::function<bool()>& is_cancelled) {
  error_code error;
  socket.close(error);
  socket.open(address.protocol(), error);
  if (!error) socket.non_blocking(true, error);
  if (error) return error;
  // Not socket.connect(): Asio waits for the outcome there, whatever the socket is set to.
  if (::connect(socket.native_handle(), address.data(), static_cast<socklen_t>(address.size())) == 0) return {};
  return errno == EINPROGRESS ? await_connect(socket, deadline, is_cancelled)
                              : error_code(errno, boost::system::system_category());
}

}  // namespace

Result<void> connect_any(asio::ip::tcp::socket& socket, const Endpoints& addresses, Clock::time_point deadline,
                         const std::function<bool()>& is_cancelled) {
  std::string last = "it has no address";
  for (std::size_t i = 0; i < addresses.size() && !is_cancelled(); ++i) {
    const auto share = (deadline - Clock::now()) / static_cast<int>(addresses.size() - i);
    const auto error = connect_one(socket, addresses[i], Clock::now() + share, is_cancelled);
    if (!error) return {};
    last = fmt::format("{}: {}", fmt::streamed(addresses[i]), error.message());
  }
  return refuse(fmt::format("cannot connect: {}", last));
}

Result<Endpoints> resolve(const std::string& host, std::uint16_t port, Clock::time_point deadline,
                          const std::function<bool()>& is_cancelled) {
  error_code is_name;
  if (const auto address = asio::ip::make_address(host, is_name); !is_name) return Endpoints{{address, port}};

  const auto lookup = std::make_shared<Lookup>();
  std::thread([lookup, host, port] {
    auto answer = ask_system(host, port);
    const std::lock_guard lock(lookup->mutex);
    lookup->answer = std::move(answer);
    lookup->changed.notify_all();
  }).detach();

  std::unique_lock lock(lookup->mutex);
  while (!lookup->answer && !is_cancelled() && Clock::now() < deadline) lookup->changed.wait_for(lock, kCancelCheck);
  if (!lookup->answer) return refuse(fmt::format("the address of {} could not be found in time", host));
  return std::move(*lookup->answer);
}

}  // namespace propeller::net
