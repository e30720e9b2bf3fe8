// What a device sends as the image's name: parsing ends, and what it accepts is within the limits and reads the same
// again.
#include <cstddef>
#include <cstdint>
#include <string_view>

#include "base/assert.hpp"
#include "registry/reference.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace propeller::registry;
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  for (const std::string_view registry : {"", "http://localhost:5000", "https://registry.example.org/team"}) {
    const auto reference = parse_reference(text, registry);
    if (!reference) continue;
    ASSERT(!reference->host.empty() && reference->host.size() <= kHostBytesMax);
    ASSERT(!reference->repository.empty() && reference->repository.find("..") == std::string::npos);
    ASSERT(!reference->manifest_name().empty() && reference->path.size() <= kPathBytesMax);
    const auto again = parse_reference(reference->to_string(), "");
    ASSERT(again || reference->to_string().size() > kReferenceBytesMax ||
           reference->repository.size() > kRepositoryBytesMax);
    if (again) ASSERT(*again == *reference);
  }
  // As the operator's setting, too: an error or a host.
  if (const auto url = parse_registry_url(text)) ASSERT(!url->host.empty());
  return 0;
}
