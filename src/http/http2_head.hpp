#pragma once

#include <nghttp2/nghttp2.h>

#include <expected>
#include <string>
#include <string_view>
#include <vector>

#include "http/head_parser.hpp"
#include "http/message.hpp"

namespace propeller::http {

/// A block of fields as HTTP/2 brings it: pseudo fields and the others. Pure.
///
/// Bound:  ParseLimits, as for HTTP/1.
/// Source: RFC 9113 sections 8.2 and 8.3; nghttp2 has checked the order and the characters of what gets here
class Http2Block {
 public:
  /// Beyond a limit nothing more is kept.
  void add(std::string_view name, std::string_view value, const ParseLimits& limits);
  /// The block is whole. Not before: a cookie that is put together anew with each crumb costs the square of them.
  void end();
  void clear();

  [[nodiscard]] const Fields& fields() const { return fields_; }
  [[nodiscard]] bool is_too_large() const { return is_too_large_; }
  [[nodiscard]] int status() const { return status_; }  ///< 0 when there is none

  /// The request that the block is: views into it. Errors: a status to answer with.
  [[nodiscard]] std::expected<RequestHead, Refusal> to_request(const ParseLimits& limits);

 private:
  Fields fields_;
  std::string method_, scheme_, authority_, path_, cookies_;
  int status_ = 0;
  std::size_t bytes_ = 0;
  bool is_too_large_ = false;
};

/// Fields on their way into HTTP/2: names in lower case, nothing that concerns a connection.
///
/// Lifetime: what nghttp2 is given points into it.
class Http2Fields {
 public:
  void add(std::string_view name, std::string_view value);
  void add_all(FieldView fields);
  void add_trailers(FieldView fields);
  [[nodiscard]] bool contains(std::string_view name) const;
  [[nodiscard]] std::vector<nghttp2_nv> entries() const;

 private:
  Fields fields_;
};

}  // namespace propeller::http
