// propeller-proxy.yaml: reading ends within its limits, what is accepted is well formed, and a reload of the same text
// changes nothing. As a workspace's file it has no say in who is served, what is reached, or where things lie.
#include <cstddef>
#include <cstdint>
#include <string_view>

#include "base/assert.hpp"
#include "config/forward_changes.hpp"
#include "config/rule_text.hpp"
#include "config/site_file.hpp"
#include "config/workspace_file.hpp"
#include "config/yaml.hpp"
#include "config/yaml_section.hpp"

namespace {

using namespace propeller::config;

void read_as_workspace(YamlNode workspace) {
  const Forward site;
  Forward after;
  Problems problems;
  YamlReport report("w.yaml", problems);
  take_untrusted_keys_only(workspace, report);
  read_site(lay_over({}, workspace), "w.yaml", after, problems);
  ASSERT(problems.warnings.size() <= 2 * kYamlProblemsMax);
  ASSERT(after.rules == site.rules && after.tls == site.tls && after.api == site.api);
  ASSERT(after.recording == site.recording && after.cache.dir == site.cache.dir && after.log.file == site.log.file);
  after.proxy.timeouts = site.proxy.timeouts;
  ASSERT(after.proxy == site.proxy);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const auto root = parse_yaml({reinterpret_cast<const char*>(data), size});
  if (!root) {
    ASSERT(root.error().detail.starts_with("line "));
    return 0;
  }
  Forward forward;
  Problems problems;
  read_site(*root, "p.yaml", forward, problems);
  ASSERT(problems.errors.size() <= kYamlProblemsMax);
  for (const auto& rule : forward.rules.headers) {
    ASSERT(is_domain_pattern(rule.pattern));
    for (const auto& value : rule.set) ASSERT(is_header_name(value.name) && is_header_value(value.value.reveal()));
    for (const auto& value : rule.append) ASSERT(is_header_name(value.name) && is_header_value(value.value.reveal()));
  }
  for (const auto& domain : forward.rules.allowlist.domains) ASSERT(is_domain_pattern(domain));
  for (const auto& range : forward.rules.allowlist.ips) ASSERT(is_address_or_range(range));
  ASSERT(!forward.proxy.listen.empty());
  Forward again;
  Problems same;
  read_site(*root, "p.yaml", again, same);
  ASSERT(compare(forward, again).empty());
  read_as_workspace(*root);
  return 0;
}
