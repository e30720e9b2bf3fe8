// What a registry answers to a manifest GET: parsing ends within its limits, and what is chosen is part of what was
// listed.
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <string_view>

#include "base/assert.hpp"
#include "registry/choice.hpp"
#include "registry/manifest.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace propeller::registry;
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  const auto document = parse_manifest(text, "application/vnd.oci.image.manifest.v1+json");
  if (!document) return 0;
  for (const std::string_view path : {"", "0", "a.wasm"}) {
    if (const auto* manifest = std::get_if<Manifest>(&*document)) {
      const auto layers = choose_layers(*manifest, path);
      if (!layers) continue;
      ASSERT(!layers->empty() && layers->size() <= manifest->layers.size());
      for (const auto& layer : *layers) ASSERT(std::ranges::find(manifest->layers, layer) != manifest->layers.end());
    } else {
      const auto& children = std::get<Index>(*document).children;
      const auto digest = choose_child({children}, path);
      if (!digest) continue;
      ASSERT(std::ranges::any_of(
          children, [&](const IndexChild& child) { return child.digest == *digest && !child.is_attestation; }));
    }
  }
  return 0;
}
