// ImageSource: modules out of archives.
#include <fmt/format.h>

#include <algorithm>

#include "async/offload.hpp"
#include "registry/manifest.hpp"
#include "stream/image_source.hpp"

namespace propeller::stream {

using store::SpoolFile;

namespace {

constexpr std::size_t kReadBytes = 64 * 1024;

}  // namespace

async::awaitable<Result<void>> ImageSource::extract(std::shared_ptr<Image> image, std::shared_ptr<SpoolFile> archive,
                                                    Origin origin) {
  // The size of a module is not known before it is unpacked.
  constexpr std::uint64_t kRatioMax = 64;
  const auto room = std::min(
      {settings_.image_size_max_bytes, settings_.spool_size_bytes / 4, kRatioMax * archive->written() + base::kMiB});
  auto reserved = co_await reserve(room);
  if (!reserved) co_return std::unexpected(reserved.error());
  const auto file = *reserved;
  registry::ExtractOptions options{.path = origin.reference.path, .size_max_bytes = room};
  auto digest = co_await unpack(archive, file, options);
  if (!digest && digest.error().code == Code::ambiguous_module && options.path.empty() && origin.configuration) {
    options.entry_point = co_await entry_point(image, origin);
    if (!options.entry_point.empty()) digest = co_await unpack(archive, file, options);
  }
  if (!digest && digest.error().code == Code::too_large && room < settings_.image_size_max_bytes) {
    co_return fail(
        Code::too_large, base::Origin::upstream,
        fmt::format("the module unpacks to more than {} bytes, {} times its archive or a quarter of PROXY_SPOOL_SIZE",
                    room, kRatioMax));
  }
  if (!digest) co_return std::unexpected(digest.error());
  if (auto committed = spool_.commit(file, *digest); !committed) co_return std::unexpected(committed.error());
  // What the entry point decides belongs to the image, not to the layer: it is not remembered for the layer.
  if (!options.entry_point.empty()) {
    image->decided_by = origin.configuration->digest;
  } else {
    spool_.remember_module(origin.layer.digest, origin.reference.path, *digest);
  }
  use(*image, Image::Phase::complete, *digest, file, file->written());
  co_return Result<void>{};
}

async::awaitable<Result<Digest>> ImageSource::unpack(std::shared_ptr<SpoolFile> archive,
                                                     std::shared_ptr<SpoolFile> module,
                                                     registry::ExtractOptions options) {
  co_return co_await async::offload(pool_, [archive, module, options = std::move(options)]() -> Result<Digest> {
    base::Sha256 hash;
    const auto written = registry::extract_module(archive->fd(), options, [&](std::span<const std::byte> bytes) {
      hash.update(bytes);
      return module->append(bytes);
    });
    if (!written) return std::unexpected(written.error());
    return hash.finish();
  });
}

async::awaitable<std::string> ImageSource::entry_point(std::shared_ptr<Image> image, Origin origin) {
  if (origin.configuration->size > registry::kConfigurationBytesMax) co_return std::string();
  auto blob = co_await client_.open_blob(origin.reference, origin.configuration->digest, origin.configuration->size,
                                         on_retry(origin.transfer, image->retries));
  std::string text;
  while (blob) {
    const auto bytes = co_await (*blob)->read(kReadBytes);
    if (!bytes) co_return std::string();
    if (bytes->empty()) break;
    text.append(reinterpret_cast<const char*>(bytes->data()), bytes->size());
  }
  co_return registry::entry_point_of(text);
}

}  // namespace propeller::stream
