#include "socks/handshake.hpp"

#include "base/assert.hpp"
#include "socks/address.hpp"

namespace propeller::socks {

namespace {

namespace ip = boost::asio::ip;
using Kind = Step::Kind;
using namespace std::string_literals;

constexpr std::uint8_t kNoAuthentication = 0, kPassword = 2, kNoMethod = 0xff;
constexpr std::uint8_t kPasswordVersion = 1;
constexpr std::uint8_t kGranted4 = 90, kRejected4 = 91;
constexpr std::size_t kHeadBytes4 = 8;
constexpr std::size_t kTextBytesMax4 = 255;  // the format itself has no bound

std::uint8_t byte_at(std::string_view bytes, std::size_t at) { return static_cast<std::uint8_t>(bytes[at]); }

std::string two_bytes(std::uint8_t first, std::uint8_t second) {
  return {static_cast<char>(first), static_cast<char>(second)};
}

/// The bytes up to a NUL; `is_complete` is false when it has not come yet.
struct Text {
  std::string_view text;
  bool is_complete = false, is_too_long = false;
};

Text read_text(std::string_view bytes) {
  const auto end = bytes.substr(0, kTextBytesMax4 + 1).find('\0');
  if (end != std::string_view::npos) return {.text = bytes.substr(0, end), .is_complete = true};
  return {.is_too_long = bytes.size() > kTextBytesMax4};
}

}  // namespace

Step Handshake::refuse(std::string reply) {
  phase_ = Phase::done;
  return {.kind = Kind::refuse, .reply = std::move(reply)};
}

Step Handshake::advance(std::string_view bytes) {
  switch (phase_) {
    case Phase::greeting: return greet(bytes);
    case Phase::password: return read_password(bytes);
    case Phase::request: return read_request(bytes);
    case Phase::verdict:
    case Phase::done: break;
  }
  base::assertion_failed("the handshake waits for bytes");
}

Step Handshake::greet(std::string_view bytes) {
  if (bytes.empty()) return {};
  if (byte_at(bytes, 0) == static_cast<std::uint8_t>(Version::v4)) return read_request_v4(bytes);
  if (byte_at(bytes, 0) != static_cast<std::uint8_t>(Version::v5)) return refuse({});
  if (bytes.size() < 2) return {};
  const std::size_t count = byte_at(bytes, 1);
  if (bytes.size() < 2 + count) return {};
  const auto methods = bytes.substr(2, count);
  const bool offers_password = methods.contains(static_cast<char>(kPassword));
  const bool offers_nothing = methods.contains(static_cast<char>(kNoAuthentication));
  // A client that can only do with a password gets to send one, also where nobody asks for it.
  const bool takes_password = offers_password && (needs_password_ || !offers_nothing);
  if (!takes_password && (needs_password_ || !offers_nothing)) return refuse(two_bytes(5, kNoMethod));
  phase_ = takes_password ? Phase::password : Phase::request;
  return {
      .kind = Kind::send, .consumed = 2 + count, .reply = two_bytes(5, takes_password ? kPassword : kNoAuthentication)};
}

Step Handshake::read_password(std::string_view bytes) {
  if (bytes.empty()) return {};
  if (byte_at(bytes, 0) != kPasswordVersion) return refuse(two_bytes(kPasswordVersion, 1));
  if (bytes.size() < 2) return {};
  const std::size_t user_size = byte_at(bytes, 1);
  if (bytes.size() < 3 + user_size) return {};
  const std::size_t password_size = byte_at(bytes, 2 + user_size);
  const std::size_t size = 3 + user_size + password_size;
  if (bytes.size() < size) return {};
  if (user_size == 0) return refuse(two_bytes(kPasswordVersion, 1));
  user_ = bytes.substr(2, user_size);
  password_ = base::Secret(std::string(bytes.substr(3 + user_size, password_size)));
  phase_ = Phase::verdict;
  return {.kind = Kind::authenticate, .consumed = size};
}

Step Handshake::authenticated(bool is_right) {
  ASSERT(phase_ == Phase::verdict);
  if (!is_right) return refuse(two_bytes(kPasswordVersion, 1));
  phase_ = Phase::request;
  return {.kind = Kind::send, .reply = two_bytes(kPasswordVersion, 0)};
}

Step Handshake::read_request(std::string_view bytes) {
  if (bytes.empty()) return {};
  if (byte_at(bytes, 0) != static_cast<std::uint8_t>(Version::v5))
    return refuse(reply_bytes(Version::v5, Reply::general_failure));
  if (bytes.size() < 4) return {};
  const auto command = byte_at(bytes, 1);
  auto address = parse_address(bytes.substr(3));
  if (address.state == Address::State::incomplete) return {};
  if (address.state == Address::State::unknown_kind)
    return refuse(reply_bytes(Version::v5, Reply::address_not_supported));
  if (address.state == Address::State::broken) return refuse(reply_bytes(Version::v5, Reply::general_failure));
  if (command != static_cast<std::uint8_t>(Command::connect) &&
      command != static_cast<std::uint8_t>(Command::associate)) {
    return refuse(reply_bytes(Version::v5, Reply::command_not_supported));
  }
  phase_ = Phase::done;
  request_ = {.version = Version::v5,
              .command = static_cast<Command>(command),
              .host = std::move(address.host),
              .port = address.port};
  return {.kind = Kind::request, .consumed = 3 + address.size};
}

Step Handshake::read_request_v4(std::string_view bytes) {
  if (bytes.size() < kHeadBytes4) return {};
  const auto user = read_text(bytes.substr(kHeadBytes4));
  if (user.is_too_long) return refuse(reply_bytes(Version::v4, Reply::general_failure));
  if (!user.is_complete) return {};
  auto size = kHeadBytes4 + user.text.size() + 1;
  ip::address_v4::bytes_type raw{};
  for (std::size_t i = 0; i < raw.size(); ++i) raw[i] = byte_at(bytes, 4 + i);
  std::string host = ip::address_v4(raw).to_string();
  // 0.0.0.x with x not 0 says that a name follows (4A).
  if (raw[0] == 0 && raw[1] == 0 && raw[2] == 0 && raw[3] != 0) {
    const auto name = read_text(bytes.substr(size));
    if (name.is_too_long) return refuse(reply_bytes(Version::v4, Reply::general_failure));
    if (!name.is_complete) return {};
    host = name.text;
    size += name.text.size() + 1;
  }
  const bool is_connect = byte_at(bytes, 1) == static_cast<std::uint8_t>(Command::connect);
  if (needs_password_ || !is_connect || !is_host(host)) return refuse(reply_bytes(Version::v4, Reply::general_failure));
  phase_ = Phase::done;
  user_ = user.text;
  request_ = {.version = Version::v4,
              .command = Command::connect,
              .host = std::move(host),
              .port = static_cast<std::uint16_t>(byte_at(bytes, 2) << 8 | byte_at(bytes, 3))};
  return {.kind = Kind::request, .consumed = size};
}

std::string reply_bytes(Version version, Reply reply, const ip::tcp::endpoint& bound) {
  if (version == Version::v4) {
    std::string bytes = two_bytes(0, reply == Reply::succeeded ? kGranted4 : kRejected4);
    return bytes.append(6, '\0');  // address and port mean nothing for CONNECT
  }
  std::string bytes = two_bytes(5, static_cast<std::uint8_t>(reply));
  bytes.push_back('\0');
  append_address(bytes, bound.address(), bound.port());
  return bytes;
}

Reply reply_for(const Error& error) {
  switch (error.code) {
    case Code::not_allowed:
    case Code::unauthorized: return Reply::not_allowed;
    case Code::dns_failed: return Reply::host_unreachable;
    case Code::host_unreachable: return Reply::host_unreachable;
    case Code::network_unreachable: return Reply::network_unreachable;
    case Code::connection_refused: return Reply::connection_refused;
    case Code::timeout: return Reply::ttl_expired;
    default: return Reply::general_failure;
  }
}

}  // namespace propeller::socks
