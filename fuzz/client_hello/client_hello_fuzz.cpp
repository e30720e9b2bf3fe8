// The first bytes of a connection, from anybody: parsing ends, asks for more only within its bound, and what it says of
// a beginning is what it says of the whole.
#include <cstddef>
#include <cstdint>
#include <string_view>

#include "base/assert.hpp"
#include "net/client_hello.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace propeller::net;
  using State = ClientHello::State;
  const std::string_view bytes(reinterpret_cast<const char*>(data), size);
  const auto whole = parse_client_hello(bytes);
  ASSERT(whole.state != State::incomplete || size < kClientHelloBytesMax);
  ASSERT(whole.alpn.size() <= kAlpnNamesMax);
  ASSERT(whole.server_name.find_first_of(" \r\n/:") == std::string::npos);
  const auto half = parse_client_hello(bytes.substr(0, size / 2));
  if (half.state == State::not_tls) ASSERT(whole.state == State::not_tls);
  if (half.state == State::complete) ASSERT(whole.state == State::complete && whole.server_name == half.server_name);
  return 0;
}
