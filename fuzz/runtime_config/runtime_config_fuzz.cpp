// The document of /api/config: what is accepted is well formed and within the bounds, refusals say why in one line, and
// merging a document twice is merging it once.
#include <cstddef>
#include <cstdint>
#include <string_view>

#include "base/assert.hpp"
#include "config/rule_text.hpp"
#include "forward/runtime_config.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace propeller;
  const std::string_view document(reinterpret_cast<const char*>(data), size);
  const auto rules = forward::overwrite_rules(document);
  if (!rules) {
    const auto body = forward::error_body(rules.error().detail);
    ASSERT(body.starts_with("{\"error\":\"") && body.find('\n') == body.size() - 1);
    return 0;
  }
  ASSERT(rules->headers.size() <= config::kHeaderRulesMax);
  for (const auto& rule : rules->headers) {
    ASSERT(config::is_domain_pattern(rule.pattern));
    ASSERT(!rule.set.empty() || !rule.append.empty());
    for (const auto& value : rule.set)
      ASSERT(config::is_header_name(value.name) && config::is_header_value(value.value.reveal()));
  }
  const auto again = forward::merge_rules(*rules, document);
  ASSERT(again && again->allowlist == rules->allowlist && again->headers.size() == rules->headers.size());
  ASSERT(forward::show_rules(*rules) == forward::show_rules(*again));
  return 0;
}
