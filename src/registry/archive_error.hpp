#pragma once

#include <archive.h>

#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "base/error.hpp"

/// What the readers of archives share: libarchive's callbacks and errors in our terms.
namespace propeller::registry {

class ByteSource;

struct FreeArchive {
  void operator()(archive* reader) const { archive_read_free(reader); }
};
using ArchivePtr = std::unique_ptr<archive, FreeArchive>;

/// Text from inside an archive as it may stand in a message: printable ASCII, at most 120 bytes.
[[nodiscard]] std::string printable(std::string_view text);

/// no_module: "the archive is damaged: <why>".
[[nodiscard]] std::unexpected<Error> damaged_archive(std::string_view why);

[[nodiscard]] std::string_view error_text(archive* reader);

/// A read callback of libarchive's on top of a ByteSource; leaves the source's error in `error`.
[[nodiscard]] la_ssize_t feed_archive(archive* reader, ByteSource& source, std::optional<Error>& error,
                                      const void** data);

}  // namespace propeller::registry
