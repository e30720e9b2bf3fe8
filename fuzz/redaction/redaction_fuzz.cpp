// Bodies and URLs on their way into a recording: redacting ends, changes only what it takes out, and finds nothing more
// the second time.
#include <cstddef>
#include <cstdint>
#include <string_view>

#include "base/assert.hpp"
#include "forward/redaction.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace propeller::forward;
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  const auto url = redact_url(text);
  if (url.find(kRedacted) == std::string::npos) ASSERT(url == text);
  // Each secret is replaced by at most this much.
  ASSERT(url.size() <= text.size() * (kRedacted.size() + 1) + kRedacted.size());
  for (const auto* type : {"", "application/x-www-form-urlencoded", "multipart/form-data"}) {
    const auto body = redact_body(text, type);
    if (body.find(kRedacted) == std::string::npos) ASSERT(body == text);
    ASSERT(body.size() <= text.size() * (kRedacted.size() + 1) + kRedacted.size());
  }
  return 0;
}
