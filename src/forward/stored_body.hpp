#pragma once

#include <memory>
#include <optional>

#include "forward/cache_answer.hpp"
#include "http/body.hpp"
#include "http/server.hpp"
#include "store/open_blob.hpp"

namespace propeller::forward {

/// What a blob stands for: its bytes as they are, or the text that they are compressed.
struct StoredContent {
  std::shared_ptr<const store::OpenBlob> blob;
  std::optional<std::uint64_t> text_size = {};  ///< of compressed text, see compressed_text.hpp

  [[nodiscard]] std::uint64_t size() const { return text_size.value_or(blob->size()); }
};

/// From memory, where a small blob's bytes are, or from its file.
[[nodiscard]] std::unique_ptr<http::BodySource> body_of(const StoredContent& content, ByteRange range);
/// What `answer` says, with the bytes of `content` where it has any.
[[nodiscard]] http::Response response_from(const StoredContent& content, CacheAnswer answer, http::Method method);
/// A response without bytes. Of HEAD with the length that GET would have.
[[nodiscard]] http::Response without_body(CacheAnswer answer, http::Method method, std::optional<std::uint64_t> size);
/// To who wants only what is here (RFC 9111 section 5.2.1.7), and it is not.
[[nodiscard]] http::Response not_in_cache();

}  // namespace propeller::forward
