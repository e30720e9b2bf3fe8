#pragma once

#include <chrono>
#include <memory>
#include <optional>
#include <string>

#include "registry/blob_download.hpp"
#include "registry/credentials.hpp"
#include "registry/kept_content.hpp"

namespace propeller::registry {

/// A blob that anybody may have, as one of all those who want it now: the one that downloads it for everybody, or one
/// that gets it by way of another's download. Whatever becomes of the others, it arrives.
///
/// Order:    the caller has the bytes first; the store gets them in pieces (UnwrittenShare), or at once where somebody
///           rides along. What broke off elsewhere is gone on with alone.
/// Pressure: as in BlobDownload; readers of what cannot be kept hold it up, see BlobWriter; we hold up nobody.
/// Bound:    one buffer besides those of BlobDownload, of a piece or one read().
/// Errors:   as BlobDownload: its own digest is checked in any case, whoever brought the bytes. Who brings none for
///           the order's stall_timeout is left.
/// Lifetime: what it is made of outlives it.
class SharedDownload final : public BlobStream {
 public:
  struct Parts {
    Fetcher& fetcher;
    CredentialSource& credentials;
    KeptContent& kept;
    std::chrono::milliseconds head_patience;  ///< how long another's download may take to begin
  };

  SharedDownload(Parts parts, BlobOrder order, Url url, std::string key);

  /// Once, before read().
  async::awaitable<Result<void>> open();
  async::awaitable<Result<std::span<const std::byte>>> read(std::size_t bytes_max) override;
  [[nodiscard]] bool is_awaited() const override { return writer_ && writer_->reader_count() > 0; }
  [[nodiscard]] bool is_from_registry() const override { return download_ != nullptr; }

 private:
  async::awaitable<bool> follow();
  async::awaitable<Result<void>> lead();
  async::awaitable<Result<void>> go_alone();
  async::awaitable<std::optional<std::span<const std::byte>>> read_kept(std::size_t bytes_max);
  async::awaitable<std::optional<std::span<const std::byte>>> read_along(std::size_t bytes_max);
  async::awaitable<std::optional<std::span<const std::byte>>> read_piece(store::FilePiece piece);
  [[nodiscard]] std::optional<std::span<const std::byte>> take();
  async::awaitable<void> hand_on(std::span<const std::byte> bytes);

  Parts parts_;
  BlobOrder order_;
  Url url_;
  std::string key_;

  // Where the bytes come from: one of these.
  std::shared_ptr<const store::OpenBlob> kept_;
  std::unique_ptr<store::BlobReader> reader_;
  std::unique_ptr<BlobDownload> download_;

  std::unique_ptr<store::BlobWriter> writer_;  ///< for the others
  std::string unwritten_;                      ///< what they do not have yet
  std::unique_ptr<UnwrittenShare> share_;      ///< of what may be unwritten, where something is
  BlobDownload::Received received_;            ///< while they come from elsewhere
  std::string buffer_;
};

}  // namespace propeller::registry
