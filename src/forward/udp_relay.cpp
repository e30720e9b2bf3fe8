#include "forward/udp_relay.hpp"

#include <array>
#include <boost/asio/buffer.hpp>
#include <boost/asio/use_awaitable.hpp>

#include "forward/host_pattern.hpp"
#include "http/run_then_join.hpp"
#include "socks/datagram.hpp"

namespace propeller::forward {

namespace {

namespace asio = boost::asio;
using asio::ip::udp;
using async::awaitable;
using boost::system::error_code;
using Clock = std::chrono::steady_clock;

constexpr std::size_t kDatagramBytesMax = 64 * 1024;
/// Then the neighbours on the core have their turn.
constexpr std::size_t kDatagramsPerTurn = 32;

error_code open_socket(udp::socket& socket, const udp::endpoint& at) {
  error_code error;
  socket.open(at.protocol(), error);
  if (!error && at.address().is_v6()) socket.set_option(asio::ip::v6_only(true), error);
  if (!error) socket.bind(at, error);
  if (!error) socket.non_blocking(true, error);
  return error;
}

/// Gives each datagram that is there to `use`. Cancellation unwinds.
template <class Use>
awaitable<void> receive_each(udp::socket& socket, Use use) {
  // Nothing is awaited while it is in use.
  thread_local std::array<char, kDatagramBytesMax> room;
  for (;;) {
    co_await socket.async_wait(udp::socket::wait_read, asio::use_awaitable);
    for (std::size_t i = 0; i < kDatagramsPerTurn; ++i) {
      udp::endpoint source;
      error_code error;
      const auto size = socket.receive_from(asio::buffer(room), source, 0, error);
      if (error) break;  // nothing more, or what an earlier datagram met with
      use(std::string_view(room.data(), size), source);
    }
  }
}

}  // namespace

UdpRelay::UdpRelay(const asio::any_io_executor& executor, net::Resolver& resolver, const PolicyPtr& policy,
                   UdpRelayOptions options)
    : resolver_(resolver),
      policy_(policy),
      options_(std::move(options)),
      to_client_(executor),
      to_v4_(executor),
      to_v6_(executor),
      client_(unmapped(options_.client), 0),
      active_at_(Clock::now()),
      tasks_(executor) {}

Result<UdpRelay::Endpoint> UdpRelay::open() {
  auto error = open_socket(to_client_, {unmapped(options_.listen), 0});
  if (!error) error = open_socket(to_v4_, {udp::v4(), 0});
  if (error) return fail(Code::io, Origin::internal, "no socket for datagrams: " + error.message());
  // A machine without IPv6 has none of these; what goes there is dropped.
  if (open_socket(to_v6_, {udp::v6(), 0})) to_v6_.close(error);
  return to_client_.local_endpoint(error);
}

awaitable<void> UdpRelay::run(net::Stream& control) {
  tasks_.spawn(take_from_client());
  tasks_.spawn(bring_back(to_v4_));
  if (to_v6_.is_open()) tasks_.spawn(bring_back(to_v6_));
  co_await http::run_then_join(watch(control), tasks_);
}

awaitable<void> UdpRelay::watch(net::Stream& control) {
  control.set_timeouts({.read = options_.idle_timeout, .write = options_.idle_timeout});
  std::array<char, 256> thrown_away{};
  for (;;) {
    const auto count = co_await control.read_some(thrown_away);
    if (count && *count == 0) co_return;
    if (!count && count.error().code != Code::timeout) co_return;
    if (Clock::now() - active_at_ >= options_.idle_timeout) co_return;
  }
}

awaitable<void> UdpRelay::take_from_client() {
  co_await receive_each(to_client_, [this](std::string_view bytes, const Endpoint& source) { take(bytes, source); });
}

awaitable<void> UdpRelay::bring_back(Socket& from) {
  co_await receive_each(from, [this](std::string_view bytes, const Endpoint& source) { give_back(bytes, source); });
}

bool UdpRelay::is_client(const Endpoint& source) const {
  return source.address() == client_.address() && (client_.port() == 0 || client_.port() == source.port());
}

void UdpRelay::take(std::string_view bytes, const Endpoint& source) {
  if (!is_client(source)) return;
  const auto datagram = socks::parse_datagram(bytes);
  if (!datagram) return;
  client_.port(source.port());
  const auto host = host_of(datagram->host);
  if (!policy_->access.check_host(host, datagram->port).is_allowed) return;
  if (const auto target = literal_address(host)) return send(*target, datagram->port, datagram->payload);
  if (lookups_ >= kLookupsMax) return;
  ++lookups_;
  tasks_.spawn(look_up_and_send(host, datagram->port, std::string(datagram->payload)));
}

awaitable<void> UdpRelay::look_up_and_send(std::string host, std::uint16_t port, std::string payload) {
  const struct Leave {
    std::size_t& lookups;
    ~Leave() { --lookups; }
  } leave{lookups_};
  const auto addresses = co_await resolver_.resolve(std::move(host), Clock::now() + kLookupTimeout);
  if (!addresses) co_return;
  for (const auto& target : *addresses) {
    if (!policy_->access.check_address(target, port).is_allowed || (target.is_v6() && !to_v6_.is_open())) continue;
    co_return send(target, port, payload);
  }
}

void UdpRelay::send(const address& given, std::uint16_t port, std::string_view payload) {
  const auto target = unmapped(given);
  auto& socket = target.is_v4() ? to_v4_ : to_v6_;
  if (!socket.is_open() || !policy_->access.check_address(target, port).is_allowed) return;
  remember(target);
  active_at_ = Clock::now();
  error_code dropped;
  socket.send_to(asio::buffer(payload), {target, port}, 0, dropped);
}

void UdpRelay::remember(const address& target) {
  if (!targets_.insert(target).second) return;
  targets_in_order_.push_back(target);
  if (targets_in_order_.size() <= kTargetsMax) return;
  targets_.erase(targets_in_order_.front());
  targets_in_order_.pop_front();
}

void UdpRelay::give_back(std::string_view payload, const Endpoint& source) {
  if (client_.port() == 0 || !targets_.contains(source.address())) return;
  active_at_ = Clock::now();
  const auto header = socks::datagram_header(source);
  const std::array parts{asio::buffer(header), asio::buffer(payload)};
  error_code dropped;
  to_client_.send_to(parts, client_, 0, dropped);
}

}  // namespace propeller::forward
