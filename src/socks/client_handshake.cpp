#include "socks/client_handshake.hpp"

#include <fmt/format.h>

#include "base/assert.hpp"
#include "socks/address.hpp"
#include "socks/handshake.hpp"

namespace propeller::socks {

namespace {

using Kind = ClientStep::Kind;

constexpr char kVersion = 5, kPasswordVersion = 1;
constexpr char kNoAuthentication = 0, kPassword = 2;
constexpr char kConnect = 1, kName = 3;
constexpr std::size_t kTextBytesMax = 255;

std::uint8_t byte_at(std::string_view bytes, std::size_t at) { return static_cast<std::uint8_t>(bytes[at]); }

void append_text(std::string& to, std::string_view text) {
  to += static_cast<char>(text.size());
  to += text;
}

struct Refusal {
  Code code;
  std::string_view reason;
};

Refusal refusal_of(std::uint8_t reply) {
  switch (static_cast<Reply>(reply)) {
    case Reply::not_allowed: return {Code::not_allowed, "its rules forbid the target"};
    case Reply::network_unreachable: return {Code::network_unreachable, "the network cannot be reached"};
    case Reply::host_unreachable: return {Code::host_unreachable, "the host cannot be reached"};
    case Reply::connection_refused: return {Code::connection_refused, "the target refuses the connection"};
    case Reply::ttl_expired: return {Code::host_unreachable, "the target is too far away"};
    case Reply::command_not_supported:
    case Reply::address_not_supported: return {Code::protocol_error, "it does not support such requests"};
    case Reply::succeeded:
    case Reply::general_failure: break;
  }
  return {Code::connection_refused, "general failure"};
}

}  // namespace

ClientStep ClientHandshake::refuse(Code code, std::string detail) {
  phase_ = Phase::done;
  return {.kind = Kind::failed, .error = {code, Origin::upstream, "the SOCKS proxy: " + std::move(detail)}};
}

ClientStep ClientHandshake::advance(std::string_view bytes) {
  switch (phase_) {
    case Phase::start: return greet();
    case Phase::method: return read_method(bytes);
    case Phase::login: return read_login(bytes);
    case Phase::answer: return read_answer(bytes);
    case Phase::done: break;
  }
  base::assertion_failed("the handshake is over");
}

ClientStep ClientHandshake::greet() {
  if (wish_.host.empty() || wish_.host.size() > kTextBytesMax || wish_.user.size() > kTextBytesMax ||
      wish_.password.reveal().size() > kTextBytesMax)
    return refuse(Code::protocol_error, "a name or password does not fit into its protocol");
  phase_ = Phase::method;
  std::string hello{kVersion};
  hello += wish_.user.empty() ? std::string{1, kNoAuthentication} : std::string{2, kNoAuthentication, kPassword};
  return {.kind = Kind::send, .bytes = std::move(hello)};
}

std::string ClientHandshake::request() const {
  std::string text{kVersion, kConnect, 0};
  boost::system::error_code error;
  const auto address = boost::asio::ip::make_address(wish_.host, error);
  if (!error) {
    append_address(text, address, wish_.port);
    return text;
  }
  text += kName;
  append_text(text, wish_.host);
  text += static_cast<char>(wish_.port >> 8);
  text += static_cast<char>(wish_.port & 0xff);
  return text;
}

ClientStep ClientHandshake::read_method(std::string_view bytes) {
  if (bytes.size() < 2) return {};
  if (bytes[0] != kVersion) return refuse(Code::protocol_error, "it does not speak SOCKS5");
  if (bytes[1] == kNoAuthentication) {
    phase_ = Phase::answer;
    return {.kind = Kind::send, .consumed = 2, .bytes = request()};
  }
  if (bytes[1] != kPassword || wish_.user.empty())
    return refuse(Code::unauthorized, wish_.user.empty() ? "it wants a login" : "it takes none of our ways to log in");
  phase_ = Phase::login;
  std::string login{kPasswordVersion};
  append_text(login, wish_.user);
  append_text(login, wish_.password.reveal());
  return {.kind = Kind::send, .consumed = 2, .bytes = std::move(login)};
}

ClientStep ClientHandshake::read_login(std::string_view bytes) {
  if (bytes.size() < 2) return {};
  if (bytes[0] != kPasswordVersion) return refuse(Code::protocol_error, "its answer to the login is malformed");
  if (bytes[1] != 0) return refuse(Code::unauthorized, "it refuses the user name or the password");
  phase_ = Phase::answer;
  return {.kind = Kind::send, .consumed = 2, .bytes = request()};
}

ClientStep ClientHandshake::read_answer(std::string_view bytes) {
  if (bytes.size() < 2) return {};
  if (bytes[0] != kVersion) return refuse(Code::protocol_error, "its answer is malformed");
  // A refusal may come without the address that ought to follow.
  if (bytes[1] != 0) {
    const auto refusal = refusal_of(byte_at(bytes, 1));
    return refuse(refusal.code, fmt::format("{} (reply {})", refusal.reason, byte_at(bytes, 1)));
  }
  if (bytes.size() < 5) return {};
  // An empty name as the bound address is seen in the wild; it is of no interest here.
  const std::size_t address_size = bytes[3] == kName ? 1U + byte_at(bytes, 4)
                                   : bytes[3] == 1   ? 4U
                                   : bytes[3] == 4   ? 16U
                                                     : 0U;
  if (address_size == 0) return refuse(Code::protocol_error, "its answer has an unknown kind of address");
  const std::size_t size = 4 + address_size + 2;
  if (bytes.size() < size) return {};
  phase_ = Phase::done;
  return {.kind = Kind::established, .consumed = size};
}

}  // namespace propeller::socks
