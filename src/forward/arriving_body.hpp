#pragma once

#include <memory>
#include <optional>
#include <string>

#include "forward/byte_range.hpp"
#include "forward/cache_fill.hpp"
#include "forward/content_origin.hpp"

namespace propeller::forward {

struct ArrivingBodyOptions {
  std::shared_ptr<const ContentOrigin> origin;
  std::string key;
  std::optional<ByteRange> range;  ///< none: all of it
  std::string url = {};            ///< see CacheFill
  std::uint64_t generation = 0;
  bool may_take_over = true;  ///< go on with the download when its writer dies
};

/// The body of a response that is still being downloaded, by whomever: streams along from the first byte, takes over
/// when the writer dies, and fetches the rest by itself when it is too slow for what cannot be kept.
///
/// Errors:   digest_mismatch at the last byte when the download was not what it should be, and others of the store.
/// Lifetime: `fills` outlives it.
class ArrivingBody final : public http::BodySource {
 public:
  /// The head has come: reader->head() gave `head`, which lives as long as the reader.
  ArrivingBody(std::unique_ptr<store::BlobReader> reader, const store::BlobHead& head, CacheFills& fills,
               ArrivingBodyOptions options);

  async::awaitable<Result<std::string_view>> read(std::size_t max) override;
  [[nodiscard]] std::optional<std::uint64_t> length() const override { return length_; }

 private:
  async::awaitable<Result<std::string_view>> read_alone(std::size_t max);
  async::awaitable<Result<void>> go_alone(std::uint64_t offset);
  Result<std::string_view> read_file(const store::FilePiece& piece);

  std::unique_ptr<store::BlobReader> reader_;
  const store::BlobHead* head_;  ///< the reader's
  CacheFills& fills_;
  ArrivingBodyOptions options_;
  std::optional<std::uint64_t> length_;
  std::unique_ptr<http::BodySource> own_;  ///< once it goes alone
  std::uint64_t own_left_ = 0;
  std::string buffer_;
};

}  // namespace propeller::forward
