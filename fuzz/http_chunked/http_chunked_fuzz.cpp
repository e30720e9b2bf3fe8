// A chunked body: in one piece and byte by byte it gives the same data, end and refusal.
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "base/assert.hpp"
#include "http/chunked.hpp"

namespace {

struct Outcome {
  std::string data;
  std::size_t consumed = 0;
  std::string_view refusal;
  bool is_done = false;
  std::size_t trailers = 0;
  friend bool operator==(const Outcome&, const Outcome&) = default;
};

Outcome decode(std::string_view text, std::size_t piece) {
  propeller::http::ChunkDecoder decoder;
  Outcome outcome;
  while (outcome.consumed < text.size() && !decoder.is_done()) {
    const auto step = decoder.decode(text.substr(outcome.consumed, piece), 1 << 20);
    if (!step) {
      // How much was taken before the byte that is wrong depends on the pieces.
      outcome.consumed = 0;
      outcome.refusal = step.error().reason;
      return outcome;
    }
    ASSERT(step->consumed > 0 && step->data.size() <= step->consumed);
    outcome.data += step->data;
    outcome.consumed += step->consumed;
  }
  outcome.is_done = decoder.is_done();
  outcome.trailers = decoder.trailers().size();
  return outcome;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  const Outcome whole = decode(text, text.size());
  ASSERT(decode(text, 1) == whole);
  ASSERT(decode(text, 7) == whole);
  ASSERT(whole.data.size() <= text.size());
  return 0;
}
