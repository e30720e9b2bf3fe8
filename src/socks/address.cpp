#include "socks/address.hpp"

#include <algorithm>

namespace propeller::socks {

namespace {

namespace ip = boost::asio::ip;

constexpr std::uint8_t kIpv4 = 1, kName = 3, kIpv6 = 4;
constexpr std::size_t kHostBytesMax = 255;
constexpr std::size_t kPortBytes = 2;

std::uint8_t byte_at(std::string_view bytes, std::size_t at) { return static_cast<std::uint8_t>(bytes[at]); }

template <class Number>
std::string number_text(std::string_view bytes) {
  typename Number::bytes_type raw{};
  std::copy_n(bytes.data(), raw.size(), reinterpret_cast<char*>(raw.data()));
  return Number(raw).to_string();
}

}  // namespace

bool is_host(std::string_view text) {
  const auto is_fine = [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' || c == '.' ||
           c == '_' || c == ':';
  };
  return !text.empty() && text.size() <= kHostBytesMax && std::ranges::all_of(text, is_fine);
}

Address parse_address(std::string_view bytes) {
  if (bytes.empty()) return {};
  const auto kind = byte_at(bytes, 0);
  if (kind != kIpv4 && kind != kName && kind != kIpv6) return {.state = Address::State::unknown_kind};
  if (bytes.size() < 2) return {};
  const std::size_t head = kind == kName ? 2 : 1;
  const std::size_t length = kind == kName ? byte_at(bytes, 1) : (kind == kIpv4 ? 4 : 16);
  if (bytes.size() < head + length + kPortBytes) return {};
  Address address{.state = Address::State::complete, .size = head + length + kPortBytes};
  const auto content = bytes.substr(head, length);
  if (kind == kIpv4) address.host = number_text<ip::address_v4>(content);
  if (kind == kIpv6) address.host = number_text<ip::address_v6>(content);
  if (kind == kName) address.host = content;
  if (!is_host(address.host)) return {.state = Address::State::broken};
  address.port = static_cast<std::uint16_t>(byte_at(bytes, head + length) << 8 | byte_at(bytes, head + length + 1));
  return address;
}

void append_address(std::string& to, const ip::address& address, std::uint16_t port) {
  const auto append = [&to](char kind, const auto& raw) {
    to.push_back(kind);
    to.append(reinterpret_cast<const char*>(raw.data()), raw.size());
  };
  if (address.is_v6()) {
    append(kIpv6, address.to_v6().to_bytes());
  } else {
    append(kIpv4, address.to_v4().to_bytes());
  }
  to.push_back(static_cast<char>(port >> 8));
  to.push_back(static_cast<char>(port));
}

}  // namespace propeller::socks
