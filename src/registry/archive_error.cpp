#include "registry/archive_error.hpp"

#include <fmt/format.h>

#include <cerrno>

#include "registry/decompress.hpp"

namespace propeller::registry {

namespace {
constexpr std::size_t kPrintableBytesMax = 120;
}

std::string printable(std::string_view text) {
  std::string clean;
  for (const char c : text.substr(0, kPrintableBytesMax)) clean.push_back(c >= ' ' && c <= '~' ? c : '?');
  if (text.size() > kPrintableBytesMax) clean.append("...");
  return clean;
}

std::unexpected<Error> damaged_archive(std::string_view why) {
  return fail(Code::no_module, Origin::upstream, fmt::format("the archive is damaged: {}", printable(why)));
}

std::string_view error_text(archive* reader) {
  const char* text = archive_error_string(reader);
  return text != nullptr ? text : "unknown reason";
}

la_ssize_t feed_archive(archive* reader, ByteSource& source, std::optional<Error>& error, const void** data) {
  const auto bytes = source.read();
  if (!bytes) {
    error = bytes.error();
    archive_set_error(reader, EIO, "%s", "the source failed");
    return ARCHIVE_FATAL;
  }
  *data = bytes->data();
  return static_cast<la_ssize_t>(bytes->size());
}

}  // namespace propeller::registry
