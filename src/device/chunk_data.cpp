#include "device/chunk_data.hpp"

#include <fmt/format.h>
#include <zstd.h>

namespace propeller::device {

Result<std::string> unpack_chunk(std::string data, mqtt::Compression compression, std::uint64_t raw_bytes_max) {
  if (compression == mqtt::Compression::none) return data;
  const auto refuse = [](std::string_view why) {
    return fail(Code::bad_request, Origin::upstream,
                fmt::format("a chunk is no zstd frame that can be taken: {}", why));
  };
  // A bridge writes the size into the frame. It bounds the memory, so a frame without it is bounded by the chunk.
  const unsigned long long stated = ZSTD_getFrameContentSize(data.data(), data.size());
  if (stated == ZSTD_CONTENTSIZE_ERROR) return refuse("it does not begin like one");
  if (stated != ZSTD_CONTENTSIZE_UNKNOWN && stated > raw_bytes_max) return refuse("it is larger than a chunk");
  std::string raw(stated == ZSTD_CONTENTSIZE_UNKNOWN ? raw_bytes_max : stated, '\0');
  const std::size_t size = ZSTD_decompress(raw.data(), raw.size(), data.data(), data.size());
  if (ZSTD_isError(size) != 0) return refuse(ZSTD_getErrorName(size));
  raw.resize(size);
  return raw;
}

}  // namespace propeller::device
