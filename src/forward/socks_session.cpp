#include "forward/socks_session.hpp"

#include <array>

#include "base/assert.hpp"
#include "forward/udp_relay.hpp"

namespace propeller::forward {

namespace {

using async::awaitable;
using Clock = std::chrono::steady_clock;
using Kind = socks::Step::Kind;

constexpr std::chrono::seconds kGoodbyeTimeout{1};
constexpr std::size_t kGoodbyeBytesMax = 16 * 1024;

}  // namespace

awaitable<void> SocksSession::run() {
  client_.set_read_deadline(Clock::now() + parts_.handshake_timeout);
  const auto request = co_await shake_hands();
  client_.set_read_deadline(std::nullopt);
  if (!request) co_return;
  if (request->command == socks::Command::connect) co_return co_await connect(*request);
  co_await associate();
}

awaitable<std::optional<socks::Request>> SocksSession::shake_hands() {
  const auto users = parts_.policy->users;
  socks::Handshake handshake(users != nullptr);
  std::string seen;
  for (;;) {
    auto step = handshake.advance(seen);
    seen.erase(0, step.consumed);
    if (step.kind == Kind::authenticate) step = co_await judge(handshake, users);
    switch (step.kind) {
      case Kind::need_more: {
        ASSERT(seen.size() < socks::Handshake::kHandshakeBytesMax);
        std::array<char, socks::Handshake::kHandshakeBytesMax> room;  // NOLINT(*-member-init): read into
        const auto count = co_await client_.read_some(std::span(room).first(room.size() - seen.size()));
        if (!count || *count == 0) co_return std::nullopt;
        seen.append(room.data(), *count);
        break;
      }
      case Kind::send:
        if (auto sent = co_await client_.write(step.reply); !sent) co_return std::nullopt;
        break;
      case Kind::refuse: co_await refuse(step.reply); co_return std::nullopt;
      case Kind::request: client_.unread(seen); co_return handshake.request();
      case Kind::authenticate: base::assertion_failed("a login was judged");
    }
  }
}

awaitable<socks::Step> SocksSession::judge(socks::Handshake& handshake, std::shared_ptr<const Users> users) {
  // A client that insists on a password where nobody asks for one may have any.
  if (!users) co_return handshake.authenticated(true);
  co_return handshake.authenticated(
      co_await parts_.logins.is_right(std::move(users), {handshake.user(), handshake.password()}));
}

awaitable<void> SocksSession::connect(const socks::Request& request) {
  auto tunnel = co_await parts_.tunnels.open({.scheme = {}, .host = host_of(request.host), .port = request.port});
  if (!tunnel) co_return co_await refuse(socks::reply_bytes(request.version, socks::reply_for(tunnel.error())));
  const auto bound = tunnel->upstream ? tunnel->upstream->info().local : boost::asio::ip::tcp::endpoint();
  const auto reply = socks::reply_bytes(request.version, socks::Reply::succeeded, bound);
  if (auto sent = co_await client_.write(reply); !sent) co_return;
  co_await parts_.tunnels.run(client_, *tunnel);
}

awaitable<void> SocksSession::associate() {
  const auto give_up = socks::reply_bytes(socks::Version::v5, socks::Reply::general_failure);
  if (parts_.associations >= kAssociationsMax) co_return co_await refuse(give_up);
  ++parts_.associations;
  const struct Leave {
    std::size_t& associations;
    ~Leave() { --associations; }
  } leave{parts_.associations};
  UdpRelay relay(
      client_.executor(), parts_.resolver, parts_.policy,
      {.listen = reached_, .client = client_.info().peer.address(), .idle_timeout = parts_.udp_idle_timeout});
  const auto bound = relay.open();
  if (!bound) co_return co_await refuse(give_up);
  const auto reply = socks::reply_bytes(socks::Version::v5, socks::Reply::succeeded, {bound->address(), bound->port()});
  if (auto sent = co_await client_.write(reply); !sent) co_return;
  co_await relay.run(client_);
}

/// Closing while unread bytes lie in the socket would make the kernel throw away the reply.
awaitable<void> SocksSession::refuse(std::string_view reply) {
  if (reply.empty()) co_return;
  if (auto sent = co_await client_.write(reply); !sent) co_return;
  if (auto ended = co_await client_.shutdown_write(); !ended) co_return;
  client_.set_read_deadline(Clock::now() + kGoodbyeTimeout);
  std::array<char, 1024> thrown_away{};
  for (std::size_t bytes = 0; bytes < kGoodbyeBytesMax;) {
    const auto count = co_await client_.read_some(thrown_away);
    if (!count || *count == 0) co_return;
    bytes += *count;
  }
}

}  // namespace propeller::forward
