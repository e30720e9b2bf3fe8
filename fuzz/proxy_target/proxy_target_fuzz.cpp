// What a client names as its target, and the path it asks for: however it is written, this machine is never reached,
// and a digest has all its digits.
#include <cstddef>
#include <cstdint>
#include <string_view>

#include "base/assert.hpp"
#include "forward/access.hpp"
#include "forward/cache_matcher.hpp"
#include "forward/no_proxy.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace propeller;
  using namespace propeller::forward;
  static const Access access(
      AllowList(config::AllowList{.is_enabled = true, .domains = {"*"}, .ips = {"0.0.0.0/0", "::/0"}}),
      TargetGuard(TargetGuardOptions{.allow_targets = {}, .own = {{"0.0.0.0", 17080}}}));
  static const NoProxy no_proxy({"example.com", "*.b.example", "10.0.0.0/8", "[::1]:80"});
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  const auto host = host_of(text);
  const auto verdict = access.check_host(host, 80);
  ASSERT(verdict.is_allowed == verdict.reason.empty());
  if (const auto literal = literal_address(host)) {
    ASSERT(!literal->is_loopback() || !verdict.is_allowed);
    ASSERT(verdict == access.check_address(*literal, 80));
  }
  ASSERT(!no_proxy.matches(host, 80) || !host.empty());
  if (const auto digest = digest_in_path(text)) {
    ASSERT(digest->hex().size() == digest->bytes().size() * 2);
    ASSERT(store::BlobDigest::parse(digest->to_string()) == *digest);
  }
  return 0;
}
