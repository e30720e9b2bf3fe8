#include <sys/mman.h>
#include <unistd.h>

#include <cstdint>

#include "base/assert.hpp"
#include "registry/module.hpp"

// A layer as a registry may send it: what comes out is a module within its bound, or an error with a sentence.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  namespace registry = propeller::registry;
  constexpr std::uint64_t kSizeMax = 1024 * 1024;

  const int fd = ::memfd_create("layer", MFD_CLOEXEC);
  ASSERT(fd >= 0);
  ASSERT(::write(fd, data, size) == static_cast<ssize_t>(size));
  for (const char* path : {"", "bin/add.wasm"}) {
    std::uint64_t bytes = 0;
    const auto done = registry::extract_module(fd, {.path = path, .entry_point = "/app", .size_max_bytes = kSizeMax},
                                               [&](std::span<const std::byte> piece) {
                                                 if (bytes == 0)
                                                   ASSERT(registry::sniff(piece) == registry::ContentKind::wasm);
                                                 bytes += piece.size();
                                                 return propeller::Result<void>();
                                               });
    ASSERT(bytes <= kSizeMax);
    ASSERT(done ? bytes >= 4 : !done.error().detail.empty());
  }
  ::close(fd);
  return 0;
}
