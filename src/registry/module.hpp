#pragma once

#include <cstdint>
#include <functional>
#include <span>
#include <string>
#include <string_view>

#include "base/error.hpp"

/// What the bytes of a layer are, and the WASM module inside (PROTOCOL 1.5): media types are not trusted.
namespace propeller::registry {

enum class ContentKind { wasm, gzip, zstd, tar, unknown };

inline constexpr std::size_t kSniffBytes = 512;

/// Judges by the first bytes (up to kSniffBytes; fewer when the blob is shorter).
[[nodiscard]] ContentKind sniff(std::span<const std::byte> head);

struct ExtractOptions {
  std::string path = {};             ///< the member the reference names after '#'; empty: choose
  std::string entry_point = {};      ///< of the image's configuration, where it is known; decides between several
  std::uint64_t size_max_bytes = 0;  ///< of the module, unpacked; also bounds the whole archive at 16 times this
};

/// Takes the one module out of an archive (tar, gzip, zstd, or a compressed module that is no tar) in the file
/// `archive_fd`, read from offset 0, and hands it to `write` in pieces, in order. Blocking: call it through
/// async::offload.
///
/// Choice: `path`, else plugin.wasm, else the only *.wasm, else the image's entry point if it is WASM.
/// Bound:  what unpacks to more than 16 times size_max_bytes, or has more than 100 000 members, is too_large; archives
///         are unpacked once, not what is in them.
/// Errors: no_module (damaged archives too), ambiguous_module (listing at most 20), too_large, io.
[[nodiscard]] Result<void> extract_module(int archive_fd, const ExtractOptions& options,
                                          const std::function<Result<void>(std::span<const std::byte>)>& write);

}  // namespace propeller::registry
