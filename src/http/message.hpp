#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "http/fields.hpp"

namespace propeller::http {

enum class Version { http_1_0, http_1_1, http_2 };
[[nodiscard]] std::string_view to_string(Version version);  ///< "HTTP/1.1"

enum class Method { get, head, post, put, del, connect, options, trace, patch, other };
/// Case counts: "get" is `other`.
[[nodiscard]] Method parse_method(std::string_view name);
/// Asking again does no more than asking once (RFC 9110 section 9.2.2).
[[nodiscard]] bool is_idempotent(Method method);

/// RFC 9112 section 3.2.
enum class TargetForm { origin, absolute, authority, asterisk };

/// The head of a request as it came, of either version of HTTP: views into the connection's buffer.
///
/// Lifetime: until the handler's response was sent.
struct RequestHead {
  Method method = Method::get;
  std::string_view method_name;
  TargetForm form = TargetForm::origin;
  std::string_view target;  ///< as it came; of HTTP/2 the path, or of CONNECT the authority
  /// "http" or "https" of an absolute-form target or of HTTP/2; else empty.
  std::string_view scheme;
  /// "host[:port]" as it came: of the target where it has one, else of Host. Empty only in HTTP/1.0 without Host and
  /// with "OPTIONS *". The characters are checked, see parse_authority().
  std::string_view authority;
  /// Path and query, beginning with "/"; "*" of the asterisk-form; empty of CONNECT.
  std::string_view path;
  Version version = Version::http_1_1;
  FieldView fields;
};

/// The head of a response as it came: views into the connection's buffer.
struct ResponseHead {
  int status = 0;
  std::string_view reason;
  Version version = Version::http_1_1;
  FieldView fields;
};

/// How long a message's body is, and how one knows (RFC 9112 section 6.3).
struct BodyFraming {
  enum class Kind { none, length, chunked, until_close };
  Kind kind = Kind::none;
  std::uint64_t length = 0;  ///< of Kind::length

  friend bool operator==(const BodyFraming&, const BodyFraming&) = default;
};

/// "Not Found" for 404; empty for what has no name.
[[nodiscard]] std::string_view reason_phrase(int status);
/// 1xx, 204 and 304 have no body, whatever their fields say.
[[nodiscard]] bool may_have_body(int status);

}  // namespace propeller::http
