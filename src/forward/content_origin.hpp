#pragma once

#include <cstdint>
#include <memory>
#include <optional>

#include "cache/storing.hpp"
#include "http/client.hpp"
#include "store/blob_stream.hpp"

namespace propeller::forward {

/// Bytes of a content, to its end.
struct ContentPart {
  std::uint64_t offset = 0;
  std::uint64_t end = 0;  ///< behind the last byte that is wanted
};

/// Where a content comes from: one URL, with the fields it was asked for with. Asks for the rest of what broke off.
///
/// Threads:  one core; immutable. Lifetime: `client` outlives it.
class ContentOrigin {
 public:
  /// `request` is a GET without a body. `is_verified`: the digest of the bytes will tell whether they are right.
  ContentOrigin(http::Sender& client, http::Destination destination, const http::OutgoingRequest& request,
                bool is_verified);

  /// The whole, as whoever asks first gets it.
  [[nodiscard]] async::awaitable<Result<http::ClientResponse>> ask(http::InformationalSink* informational) const;
  /// The whole, unless what is `stored` still holds: then 304.
  [[nodiscard]] async::awaitable<Result<http::ClientResponse>> ask_again(http::FieldView stored,
                                                                         http::InformationalSink* informational) const;

  /// HEAD of it: whether who asks would get it.
  [[nodiscard]] async::awaitable<Result<http::ClientResponse>> ask_whether() const;

  /// The rest of what `head` began, from `part.offset` on: with a closed Range and If-Range. A redirect is not
  /// followed; Content-Range and ETag have to fit. Of an upstream that sends the whole again what is there is skipped.
  ///
  /// Errors: digest_mismatch when it is another content by now or nothing tells that it is the same; those of the
  ///         client; registry_unavailable when the upstream cannot answer now (429, 5xx).
  [[nodiscard]] async::awaitable<Result<std::unique_ptr<http::BodySource>>> resume(const store::BlobHead& head,
                                                                                   ContentPart part) const;

  /// Whether what comes may be for some callers alone. What our header rules added counts as a login.
  [[nodiscard]] cache::Credentials credentials() const;
  /// As the request has them.
  [[nodiscard]] http::FieldView fields() const { return fields_; }

 private:
  [[nodiscard]] http::OutgoingRequest request() const;

  http::Sender& client_;
  http::Destination destination_;
  std::string authority_;
  std::string path_;
  http::Fields fields_;
  std::vector<std::string> secret_fields_;
  bool is_verified_;
};

/// Neither a length nor chunks: a connection that broke looks like one that ended.
[[nodiscard]] bool has_doubtful_end(const http::ClientResponse& response);

/// Whether asking once more may help.
[[nodiscard]] bool may_pass(const Error& error);

}  // namespace propeller::forward
