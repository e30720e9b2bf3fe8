// What a registry answers with a 401, and its token server with a 200: header fields and JSON from outside.
#include <cstddef>
#include <cstdint>
#include <string_view>

#include "base/assert.hpp"
#include "registry/challenge.hpp"
#include "registry/content_range.hpp"
#include "registry/docker_config.hpp"
#include "registry/kept_content.hpp"
#include "registry/retry.hpp"
#include "registry/token.hpp"
#include "registry/url.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace propeller::registry;
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  if (const auto challenges = parse_challenges(text)) {
    ASSERT(challenges->size() <= kChallengesMax);
    for (const auto& challenge : *challenges) {
      ASSERT(!challenge.scheme.empty() && challenge.parameters.size() <= kChallengeParametersMax);
      if (const auto realm = parse_url(challenge.parameter("realm"))) ASSERT(!realm->host.empty() && realm->port != 0);
    }
  }
  const std::chrono::steady_clock::time_point now{};
  if (const auto token = parse_token_response(text, now)) ASSERT(is_token_usable(token->value.reveal()));
  if (const auto range = parse_content_range(text)) ASSERT(range->first <= range->last);
  if (const auto pause = parse_retry_after(text, {})) ASSERT(*pause >= pause->zero() && *pause <= kRetryAfterMax);
  [[maybe_unused]] const auto config = parse_docker_config(text);
  [[maybe_unused]] const auto credentials = parse_helper_output(text);
  [[maybe_unused]] const auto stored = kept_content_type(text);
  const auto kept = kept_content_type(kept_fields(text, {}));
  ASSERT(kept.empty() || kept == text);
  if (const auto base = parse_url("https://registry.example.org/v2/")) {
    if (const auto url = resolve_url(*base, text)) ASSERT(url->scheme == "http" || url->scheme == "https");
  }
  return 0;
}
