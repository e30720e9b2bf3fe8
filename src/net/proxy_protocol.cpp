#include "net/proxy_protocol.hpp"

#include <algorithm>
#include <array>
#include <charconv>
#include <cstdint>

namespace propeller::net {

namespace {

namespace ip = boost::asio::ip;
using State = ProxyHeader::State;
using namespace std::string_view_literals;

constexpr auto kTextSignature = "PROXY "sv;
constexpr std::size_t kTextBytesMax = 107;
constexpr auto kBinarySignature = "\r\n\r\n\0\r\nQUIT\n"sv;
constexpr std::size_t kBinaryHeadBytes = 16;
constexpr std::size_t kWordsMax = 5;

std::uint8_t byte_at(std::string_view bytes, std::size_t at) { return static_cast<std::uint8_t>(bytes[at]); }

std::uint16_t port_at(std::string_view bytes, std::size_t at) {
  return static_cast<std::uint16_t>(byte_at(bytes, at) << 8 | byte_at(bytes, at + 1));
}

ProxyHeader only(State state) { return {.state = state}; }

bool begins(std::string_view bytes, std::string_view signature) {
  return bytes.starts_with(signature.substr(0, bytes.size()));
}

/// Decimal without sign or leading zero.
std::optional<std::uint16_t> port_of(std::string_view text) {
  std::uint16_t port = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), port);
  if (error != std::errc{} || end != text.data() + text.size() || (text.size() > 1 && text.front() == '0'))
    return std::nullopt;
  return port;
}

std::optional<ip::tcp::endpoint> endpoint_of(std::string_view address, std::string_view port, bool is_v6) {
  boost::system::error_code error;
  const auto parsed = ip::make_address(address, error);
  const auto number = port_of(port);
  if (error || parsed.is_v6() != is_v6 || !number) return std::nullopt;
  return ip::tcp::endpoint(parsed, *number);
}

ProxyHeader parse_text(std::string_view bytes) {
  const auto end = bytes.substr(0, kTextBytesMax).find("\r\n");
  if (end == std::string_view::npos) return only(bytes.size() >= kTextBytesMax ? State::broken : State::incomplete);
  ProxyHeader header{.state = State::complete, .size = end + 2};
  auto line = bytes.substr(kTextSignature.size(), end - kTextSignature.size());
  if (line == "UNKNOWN" || line.starts_with("UNKNOWN ")) return header;

  std::array<std::string_view, kWordsMax> words;
  for (std::size_t i = 0; i < words.size(); ++i) {
    const auto space = line.find(' ');
    if ((space == std::string_view::npos) != (i + 1 == words.size())) return only(State::broken);
    words[i] = line.substr(0, space);
    line.remove_prefix(std::min(line.size(), words[i].size() + 1));
  }
  const bool is_v6 = words[0] == "TCP6";
  if (!is_v6 && words[0] != "TCP4") return only(State::broken);
  const auto client = endpoint_of(words[1], words[3], is_v6), server = endpoint_of(words[2], words[4], is_v6);
  if (!client || !server) return only(State::broken);
  header.endpoints = {.client = *client, .server = *server};
  return header;
}

template <class Address>
ip::tcp::endpoint endpoint_at(std::string_view bytes, std::size_t address_at, std::size_t port_position) {
  typename Address::bytes_type raw{};
  std::copy_n(bytes.data() + address_at, raw.size(), reinterpret_cast<char*>(raw.data()));
  return {Address(raw), port_at(bytes, port_position)};
}

ProxyHeader parse_binary(std::string_view bytes) {
  if (bytes.size() < kBinaryHeadBytes) return only(State::incomplete);
  constexpr std::uint8_t kLocal = 0x20, kProxy = 0x21, kTcp4 = 0x11, kTcp6 = 0x21;
  const auto command = byte_at(bytes, 12), family = byte_at(bytes, 13);
  const std::size_t body = port_at(bytes, 14);
  if ((command != kLocal && command != kProxy) || kBinaryHeadBytes + body > kProxyHeaderBytesMax)
    return only(State::broken);
  if (bytes.size() < kBinaryHeadBytes + body) return only(State::incomplete);
  ProxyHeader header{.state = State::complete, .size = kBinaryHeadBytes + body};
  if (command == kLocal || (family != kTcp4 && family != kTcp6)) return header;
  const auto content = bytes.substr(kBinaryHeadBytes, body);
  // Two addresses and two ports; what follows them (TLVs) is not for us.
  const std::size_t address_bytes = family == kTcp4 ? 4 : 16;
  const std::size_t ports_at = 2 * address_bytes;
  if (content.size() < ports_at + 4) return only(State::broken);
  if (family == kTcp4) {
    header.endpoints = {.client = endpoint_at<ip::address_v4>(content, 0, ports_at),
                        .server = endpoint_at<ip::address_v4>(content, address_bytes, ports_at + 2)};
  } else {
    header.endpoints = {.client = endpoint_at<ip::address_v6>(content, 0, ports_at),
                        .server = endpoint_at<ip::address_v6>(content, address_bytes, ports_at + 2)};
  }
  return header;
}

}  // namespace

ProxyHeader parse_proxy_header(std::string_view bytes) {
  if (bytes.empty()) return only(State::incomplete);
  const bool is_text = begins(bytes, kTextSignature), is_binary = begins(bytes, kBinarySignature);
  if (is_text) return bytes.size() < kTextSignature.size() ? only(State::incomplete) : parse_text(bytes);
  if (is_binary) return bytes.size() < kBinarySignature.size() ? only(State::incomplete) : parse_binary(bytes);
  return only(State::absent);
}

}  // namespace propeller::net
