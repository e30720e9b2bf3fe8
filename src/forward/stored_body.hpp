#pragma once

#include <memory>
#include <optional>

#include "forward/cache_answer.hpp"
#include "http/body.hpp"
#include "http/server.hpp"
#include "store/open_blob.hpp"

namespace propeller::forward {

/// From memory, where a small blob's bytes are, or from its file.
[[nodiscard]] std::unique_ptr<http::BodySource> body_of(const std::shared_ptr<const store::OpenBlob>& blob,
                                                        ByteRange range);
/// What `answer` says, with the bytes of `blob` where it has any.
[[nodiscard]] http::Response response_from(const std::shared_ptr<const store::OpenBlob>& blob, CacheAnswer answer,
                                           http::Method method);
/// A response without bytes. Of HEAD with the length that GET would have.
[[nodiscard]] http::Response without_body(CacheAnswer answer, http::Method method, std::optional<std::uint64_t> size);

}  // namespace propeller::forward
