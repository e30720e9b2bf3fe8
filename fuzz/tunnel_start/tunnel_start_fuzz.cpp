// What anybody says first in a tunnel: judging ends, asks for more only within its bound, and what it says of a
// beginning is what it says of the whole.
#include <cstddef>
#include <cstdint>
#include <string_view>

#include "base/assert.hpp"
#include "forward/first_bytes.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace propeller::forward;
  using Kind = TunnelStart::Kind;
  const std::string_view bytes(reinterpret_cast<const char*>(data), size);
  const auto whole = look_at_tunnel(bytes);
  ASSERT(whole.kind != Kind::incomplete || size < kTunnelStartBytesMax);
  ASSERT(whole.kind != Kind::http || protocol_of(bytes.front()) == Protocol::http);
  ASSERT(whole.kind != Kind::tls || protocol_of(bytes.front()) == Protocol::tls);
  const auto half = look_at_tunnel(bytes.substr(0, size / 2));
  if (half.kind != Kind::incomplete) ASSERT(whole.kind == half.kind);
  return 0;
}
