// What a proxy in front of us claims: parsing ends within its bound, and more bytes never change what was complete.
#include <cstddef>
#include <cstdint>
#include <string_view>

#include "base/assert.hpp"
#include "net/proxy_protocol.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace propeller::net;
  using State = ProxyHeader::State;
  const std::string_view bytes(reinterpret_cast<const char*>(data), size);
  const auto whole = parse_proxy_header(bytes);
  ASSERT(whole.state != State::incomplete || size < kProxyHeaderBytesMax);
  if (whole.state != State::complete) return 0;
  ASSERT(whole.size <= size && whole.size <= kProxyHeaderBytesMax);
  ASSERT(parse_proxy_header(bytes.substr(0, whole.size)).state == State::complete);
  ASSERT(parse_proxy_header(bytes.substr(0, whole.size - 1)).state == State::incomplete);
  return 0;
}
