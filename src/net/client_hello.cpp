#include "net/client_hello.hpp"

#include <algorithm>
#include <cstdint>
#include <optional>

namespace propeller::net {

namespace {

constexpr std::uint8_t kHandshakeRecord = 22;
constexpr std::uint8_t kClientHelloMessage = 1;
constexpr std::size_t kRecordHeaderBytes = 5;
constexpr std::size_t kMessageHeaderBytes = 4;
constexpr std::size_t kRecordBytesMax = 16 * 1024;
constexpr std::size_t kVersionAndRandomBytes = 34;
constexpr std::size_t kHostBytesMax = 255;
constexpr std::uint16_t kServerNameExtension = 0;
constexpr std::uint16_t kAlpnExtension = 16;
constexpr std::uint8_t kHostNameType = 0;

std::uint8_t byte_at(std::string_view bytes, std::size_t at) { return static_cast<std::uint8_t>(bytes[at]); }

/// Takes numbers and vectors from the front; once something is missing, everything is.
class Reader {
 public:
  explicit Reader(std::string_view bytes) : bytes_(bytes) {}

  std::size_t number(std::size_t size) {
    const auto digits = take(size);
    std::size_t value = 0;
    for (std::size_t i = 0; i < digits.size(); ++i) value = value << 8 | byte_at(digits, i);
    return value;
  }
  std::string_view take(std::size_t size) {
    if (size > bytes_.size()) is_short_ = true;
    if (is_short_) return {};
    const auto taken = bytes_.substr(0, size);
    bytes_.remove_prefix(size);
    return taken;
  }
  /// Bytes behind their length, which has `size` bytes itself.
  std::string_view vector(std::size_t size) { return take(number(size)); }

  [[nodiscard]] bool is_short() const { return is_short_; }
  [[nodiscard]] bool at_end() const { return bytes_.empty() || is_short_; }

 private:
  std::string_view bytes_;
  bool is_short_ = false;
};

ClientHello not_tls() { return {.state = ClientHello::State::not_tls}; }

/// The handshake message that the records carry, as far as it is there; nullopt when they are none of a handshake.
std::optional<std::string> join_records(std::string_view bytes) {
  std::string message;
  while (!bytes.empty()) {
    if (byte_at(bytes, 0) != kHandshakeRecord) return std::nullopt;
    if (bytes.size() > 1 && byte_at(bytes, 1) != 3) return std::nullopt;
    if (bytes.size() < kRecordHeaderBytes) break;
    const auto size = static_cast<std::size_t>(byte_at(bytes, 3) << 8 | byte_at(bytes, 4));
    if (size == 0 || size > kRecordBytesMax) return std::nullopt;
    message.append(bytes.substr(kRecordHeaderBytes, size));
    if (message.size() >= kMessageHeaderBytes) {
      const auto whole = Reader(std::string_view(message).substr(1, 3)).number(3) + kMessageHeaderBytes;
      if (message.size() >= whole) break;  // what follows is another message
    }
    bytes.remove_prefix(std::min(bytes.size(), kRecordHeaderBytes + size));
  }
  return message;
}

/// In lower case; empty when it is none.
std::string host_name(std::string_view text) {
  std::string host(text);
  for (char& c : host) {
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c + 32);
    const bool is_fine = (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-' || c == '.' || c == '_';
    if (!is_fine) return {};
  }
  return host.size() > kHostBytesMax ? std::string() : host;
}

bool read_server_name(std::string_view extension, ClientHello& hello) {
  Reader list(Reader(extension).vector(2));
  while (!list.at_end()) {
    const auto type = list.number(1);
    const auto name = list.vector(2);
    if (type == kHostNameType && hello.server_name.empty()) hello.server_name = host_name(name);
  }
  return !list.is_short();
}

bool read_alpn(std::string_view extension, ClientHello& hello) {
  Reader list(Reader(extension).vector(2));
  while (!list.at_end() && hello.alpn.size() < kAlpnNamesMax) hello.alpn.emplace_back(list.vector(1));
  return !list.is_short();
}

ClientHello read_hello(std::string_view body) {
  ClientHello hello{.state = ClientHello::State::complete};
  Reader reader(body);
  reader.take(kVersionAndRandomBytes);
  reader.vector(1);  // session
  reader.vector(2);  // cipher suites
  reader.vector(1);  // compression
  if (reader.is_short()) return not_tls();
  if (reader.at_end()) return hello;  // extensions are younger than TLS
  Reader extensions(reader.vector(2));
  if (reader.is_short()) return not_tls();
  while (!extensions.at_end()) {
    const auto type = extensions.number(2);
    const auto content = extensions.vector(2);
    bool is_fine = !extensions.is_short();
    if (is_fine && type == kServerNameExtension) is_fine = read_server_name(content, hello);
    if (is_fine && type == kAlpnExtension) is_fine = read_alpn(content, hello);
    if (!is_fine) return not_tls();
  }
  return hello;
}

}  // namespace

ClientHello parse_client_hello(std::string_view bytes) {
  const auto message = join_records(bytes.substr(0, kClientHelloBytesMax));
  if (!message || (!message->empty() && byte_at(*message, 0) != kClientHelloMessage)) return not_tls();
  const bool is_full = bytes.size() >= kClientHelloBytesMax;
  if (message->size() < kMessageHeaderBytes) return is_full ? not_tls() : ClientHello{};
  const std::string_view rest = std::string_view(*message).substr(1);
  const auto size = Reader(rest).number(3);
  if (size > kClientHelloBytesMax) return not_tls();
  if (rest.size() - 3 < size) return is_full ? not_tls() : ClientHello{};
  return read_hello(rest.substr(3, size));
}

}  // namespace propeller::net
