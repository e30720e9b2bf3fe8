#include "forward/first_bytes.hpp"

#include <algorithm>

namespace propeller::forward {

namespace {

using Kind = TunnelStart::Kind;

constexpr char kHandshakeRecord = 0x16;
constexpr char kSocks4 = 4, kSocks5 = 5;
constexpr std::size_t kMethodBytesMax = 32;

bool is_upper(char c) { return c >= 'A' && c <= 'Z'; }

Kind judge_request_line(std::string_view bytes) {
  const auto space = bytes.find(' ');
  const auto method = bytes.substr(0, space);
  // Whatever the method, real ones are words in capitals.
  if (method.size() > kMethodBytesMax || !std::ranges::all_of(method, is_upper)) return Kind::other;
  if (space == std::string_view::npos) return Kind::incomplete;
  const auto rest = bytes.substr(space + 1);
  if (method.empty() || (!rest.empty() && rest.front() != '/' && rest.front() != '*')) return Kind::other;
  const auto end = rest.find('\n');
  if (end == std::string_view::npos) return bytes.size() < kTunnelStartBytesMax ? Kind::incomplete : Kind::other;
  auto line = rest.substr(0, end);
  if (line.ends_with('\r')) line.remove_suffix(1);
  return line.ends_with(" HTTP/1.1") || line.ends_with(" HTTP/1.0") ? Kind::http : Kind::other;
}

TunnelStart look_at_tls(std::string_view bytes) {
  TunnelStart start{.is_surely_tls = true, .hello = net::parse_client_hello(bytes)};
  switch (start.hello.state) {
    case net::ClientHello::State::incomplete: break;
    case net::ClientHello::State::not_tls: return {.kind = Kind::other};
    case net::ClientHello::State::complete: start.kind = Kind::tls; break;
  }
  return start;
}

}  // namespace

Protocol protocol_of(char first) {
  if (is_upper(first)) return Protocol::http;
  switch (first) {
    case kHandshakeRecord: return Protocol::tls;
    case kSocks4:
    case kSocks5: return Protocol::socks;
    default: return Protocol::unknown;
  }
}

TunnelStart look_at_tunnel(std::string_view bytes) {
  if (bytes.empty()) return {};
  if (bytes.front() == kHandshakeRecord) return look_at_tls(bytes);
  return {.kind = judge_request_line(bytes)};
}

}  // namespace propeller::forward
