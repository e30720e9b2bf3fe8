#pragma once

#include <chrono>
#include <cstdint>
#include <filesystem>
#include <optional>
#include <string_view>

#include "base/error.hpp"
#include "base/units.hpp"

namespace propeller::store {

enum class PolicyKind : std::uint8_t { s3fifo, sieve, lru };
/// "s3fifo", "sieve", "lru". Errors: bad_config.
[[nodiscard]] Result<PolicyKind> parse_policy(std::string_view name);

struct StoreOptions {
  std::filesystem::path directory;
  std::uint64_t size_bytes_max = 20 * base::kGiB;
  std::uint64_t free_bytes_min = 256 * base::kMiB;  ///< of the disk; what comes nearer is not stored
  std::optional<std::uint64_t> object_bytes_max;    ///< absent: what fits in the store
  std::size_t entries_max = 1'000'000;              ///< the oldest go first
  PolicyKind policy = PolicyKind::s3fifo;
  std::chrono::milliseconds flush_interval{30'000};  ///< recency is written to disk this often
  std::chrono::milliseconds retry_interval{30'000};  ///< after a disk failed, storing is tried again
  std::chrono::milliseconds stall_max{10'000};       ///< see BlobWriter, Pressure
};

}  // namespace propeller::store
