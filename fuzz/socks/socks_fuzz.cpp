// A client's handshake and its datagrams, and what a proxy answers to ours: the machine ends or asks for more within
// its bound, consumes only what is there, and names hosts that are safe to repeat.
#include <cstddef>
#include <cstdint>
#include <string_view>

#include "base/assert.hpp"
#include "socks/client_handshake.hpp"
#include "socks/datagram.hpp"
#include "socks/handshake.hpp"

namespace {

using namespace propeller::socks;

void shake_hands(std::string_view bytes, bool needs_password) {
  Handshake handshake(needs_password);
  for (;;) {
    auto step = handshake.advance(bytes);
    ASSERT(step.consumed <= bytes.size());
    bytes.remove_prefix(step.consumed);
    if (step.kind == Step::Kind::authenticate) {
      ASSERT(!handshake.user().empty());
      step = handshake.authenticated(bytes.size() % 2 == 0);
    }
    if (step.kind == Step::Kind::need_more) {
      ASSERT(bytes.size() < Handshake::kHandshakeBytesMax);
      return;
    }
    if (step.kind == Step::Kind::refuse) return;
    if (step.kind == Step::Kind::request) {
      ASSERT(!handshake.request().host.empty() && handshake.request().host.size() <= 255);
      ASSERT(handshake.request().host.find_first_of(std::string_view(" \r\n/@\0", 6)) == std::string::npos);
      return;
    }
  }
}

void ask(std::string_view bytes, const char* user) {
  ClientHandshake handshake(
      {.host = "example.org", .port = 443, .user = user, .password = propeller::base::Secret("pw")});
  for (auto step = handshake.advance({});; step = handshake.advance(bytes)) {
    ASSERT(step.consumed <= bytes.size());
    bytes.remove_prefix(step.consumed);
    if (step.kind == ClientStep::Kind::need_more) ASSERT(bytes.size() < ClientHandshake::kAnswerBytesMax);
    if (step.kind != ClientStep::Kind::send) return;
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view bytes(reinterpret_cast<const char*>(data), size);
  shake_hands(bytes, false);
  shake_hands(bytes, true);
  ask(bytes, "");
  ask(bytes, "alice");
  if (const auto datagram = parse_datagram(bytes)) ASSERT(datagram->payload.size() + 7 <= size);
  return 0;
}
