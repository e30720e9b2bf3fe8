#pragma once

#include <cstdint>
#include <memory>

#include "registry/client.hpp"
#include "registry/fetcher.hpp"

namespace propeller::registry {

/// A blob as it is asked for.
struct BlobOrder {
  FetchRequest request;
  Digest digest;
  std::uint64_t size = 0;
  std::chrono::milliseconds stall_timeout{};
};

/// A blob on its way from a registry: a broken download goes on where it broke, and its end is verified.
///
/// Bound:    settings.attempts_max attempts in a row that bring less than kProgressBytes; kResumesMax resumes in all.
///           Fewer than kRateMin bytes a second over settings.stall_timeout of waiting count as a stall.
/// Lifetime: the Fetcher outlives it.
/// Source:   distribution-spec 1.1 (pulling blobs), RFC 9110 14
class BlobDownload final : public BlobStream {
 public:
  static constexpr std::uint64_t kProgressBytes = 64 * 1024;
  static constexpr std::uint32_t kResumesMax = 64;
  static constexpr std::size_t kBufferBytes = 256 * 1024;
  static constexpr std::uint64_t kRateMin = 1024;

  /// What came another way: the download goes on behind it.
  struct Received {
    std::uint64_t bytes = 0;
    base::Sha256 hash = {};  ///< of them
  };

  BlobDownload(Fetcher& fetcher, BlobOrder order, Received received);

  /// The first request; call once, before read().
  async::awaitable<Result<void>> open();
  async::awaitable<Result<std::span<const std::byte>>> read(std::size_t bytes_max) override;

 private:
  async::awaitable<Attempt<void>> request_rest();
  async::awaitable<Attempt<void>> skip(std::uint64_t bytes);
  async::awaitable<Attempt<std::span<const std::byte>>> read_at_pace(std::size_t bytes_max);
  async::awaitable<Attempt<std::span<const std::byte>>> read_once(std::size_t bytes_max);
  async::awaitable<Result<void>> wait_for_retry(Failure failure);
  [[nodiscard]] Attempt<std::uint64_t> check_head() const;
  [[nodiscard]] Result<void> verify();

  Fetcher& fetcher_;
  FetchRequest request_;
  Digest digest_;
  std::uint64_t size_;
  std::chrono::milliseconds stall_timeout_;
  std::unique_ptr<Exchange> exchange_;
  base::Sha256 hash_;
  std::uint64_t received_ = 0;
  std::uint64_t attempt_began_at_ = 0;
  Attempts attempts_;
  std::chrono::steady_clock::duration waited_{};  ///< for the network, in this round of the pace
  std::uint64_t waited_bytes_ = 0;                ///< that came in it
  std::uint32_t resumes_ = 0;
  bool is_verified_ = false;
};

}  // namespace propeller::registry
