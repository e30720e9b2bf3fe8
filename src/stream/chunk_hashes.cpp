// ImageSource: what a device may check chunk by chunk.
#include <algorithm>

#include "async/offload.hpp"
#include "stream/image_source.hpp"

namespace propeller::stream {

using store::SpoolFile;

async::awaitable<ImageSource::ChunkHashes> ImageSource::chunk_hashes(std::shared_ptr<SpoolFile> file, Digest digest,
                                                                     std::uint64_t chunk_size) {
  const std::pair key{digest, chunk_size};
  std::erase_if(hash_sets_, [](const HashSet& each) { return each.hashes.expired(); });
  std::size_t held = (file->written() + chunk_size - 1) / chunk_size;
  for (const auto& each : hash_sets_) {
    const auto hashes = each.hashes.lock();
    if (hashes && each.key == key) co_return hashes;
    if (hashes) held += hashes->size();
  }
  if (held > kHashesMax || hashing_ >= kHashingMax) co_return nullptr;
  struct Hashing {
    std::uint32_t& count;
    ~Hashing() { --count; }
  } hashing{++hashing_};
  auto hashes = co_await async::offload(pool_, [file, chunk_size]() -> Result<ChunkHashes> {
    const auto size = file->written();
    auto list = std::make_shared<std::vector<Digest>>();
    list->reserve((size + chunk_size - 1) / chunk_size);
    std::vector<std::byte> buffer(static_cast<std::size_t>(std::min(size, chunk_size)));
    base::Sha256 hash;
    for (std::uint64_t at = 0; at < size; at += chunk_size) {
      const auto piece = std::span(buffer).first(static_cast<std::size_t>(std::min(chunk_size, size - at)));
      if (auto read = file->read(at, piece); !read) return std::unexpected(read.error());
      hash.update(piece);
      list->push_back(hash.finish());
    }
    return ChunkHashes(std::move(list));
  });
  if (!hashes) co_return nullptr;
  hash_sets_.push_back({key, *hashes});
  co_return *hashes;
}

}  // namespace propeller::stream
