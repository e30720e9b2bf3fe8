// What the store reads from disk, from hands that may not be ours: digests of the index, names of blobs, entries of the
// old cache. And the tables in memory under any order of operations, against a model.
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <map>
#include <span>
#include <string_view>
#include <vector>

#include "base/assert.hpp"
#include "store/catalogue.hpp"
#include "store/import_cache.hpp"
#include "store/store_index.hpp"
#include "store/store_options.hpp"

namespace {

using namespace propeller::store;

void read_what_is_on_disk(std::span<const std::uint8_t> bytes) {
  const std::string_view text(reinterpret_cast<const char*>(bytes.data()), bytes.size());
  if (const auto digest = unpack_digest(bytes)) {
    ASSERT(std::ranges::equal(pack_digest(*digest), bytes));
    const auto again = BlobDigest::parse(digest->to_string());
    ASSERT(again && *again == *digest);
  }
  if (const auto digest = BlobDigest::parse(text)) ASSERT(digest->to_string() == text);
  if (const auto digest = digest_in_key(text)) ASSERT(text.find(digest->hex()) != std::string_view::npos);
  for (const auto& url : urls_of_old_key(text)) ASSERT(url.starts_with("http"));
  if (const auto head = parse_old_head(text)) ASSERT(head->header_bytes <= OldHead::kHeaderBytesMax);
  if (const auto headers = convert_old_headers(text)) ASSERT(headers->empty() || headers->ends_with("\r\n"));
  const std::string end = end_of_prefix(text);
  ASSERT(end.empty() || end > text);
}

BlobDigest named(std::uint8_t name) {
  // The same first bytes for several, so that they meet in the table.
  std::vector<std::uint8_t> bytes(name % 4 == 0 ? 64 : 32, static_cast<std::uint8_t>(name % 8));
  bytes.back() = name;
  return *BlobDigest::from_bytes(name % 4 == 0 ? DigestAlgorithm::sha512 : DigestAlgorithm::sha256, bytes);
}

void drive_the_catalogue(std::span<const std::uint8_t> steps, PolicyKind policy) {
  constexpr std::uint64_t kBytesMax = 1000;
  Catalogue catalogue(policy, {.bytes_max = kBytesMax, .blobs_max = 20});
  std::map<BlobDigest, std::uint64_t> model;
  for (std::size_t i = 0; i + 2 < steps.size(); i += 3) {
    const BlobDigest digest = named(steps[i + 1]);
    const std::uint64_t size = steps[i + 2];
    std::vector<BlobDigest> victims;
    switch (steps[i] % 5) {
      case 0:
        if (catalogue.reserve({.bytes = size, .name = digest.prefix(), .is_newcomer = steps[i] % 2 == 0}, victims)) {
          catalogue.add({.digest = digest, .size = size}, size, victims);
          for (const BlobDigest& victim : victims) ASSERT(model.erase(victim) == 1);
          model.emplace(digest, size);
          victims.clear();
        }
        break;
      case 1: ASSERT(catalogue.remove(digest) == (model.erase(digest) == 1)); break;
      case 2: ASSERT(catalogue.use(digest).has_value() == model.contains(digest)); break;
      case 3:
        ASSERT((catalogue.pin(digest, size % 2 == 0) != Catalogue::Pinned::not_there) == model.contains(digest));
        break;
      default: catalogue.evict(size, victims); break;
    }
    for (const BlobDigest& victim : victims) ASSERT(model.erase(victim) == 1);
    std::uint64_t bytes = 0;
    for (const auto& [name, blob_bytes] : model) bytes += blob_bytes;
    ASSERT(catalogue.size() == model.size() && catalogue.bytes() == bytes && bytes <= kBytesMax);
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::span bytes(data, size);
  read_what_is_on_disk(bytes);
  for (const PolicyKind policy : {PolicyKind::s3fifo, PolicyKind::sieve, PolicyKind::lru}) {
    drive_the_catalogue(bytes, policy);
  }
  return 0;
}
