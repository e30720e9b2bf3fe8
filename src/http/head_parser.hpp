#pragma once

#include <expected>
#include <optional>
#include <string_view>
#include <vector>

#include "http/message.hpp"
#include "http/parse_limits.hpp"

namespace propeller::http {

/// Why a head is not taken. Of a request the status that it is answered with before the connection is closed; of a
/// response always 502.
struct Refusal {
  int status = 400;
  std::string_view reason;  ///< a constant
};

/// Finds the end of a head in a buffer that grows, without looking at a byte twice.
///
/// Bound: refuses as soon as a limit is passed, and a line that does not end in CR LF.
class HeadFinder {
 public:
  /// The head's size with its empty line; 0 while more is needed. `buffer` begins where it began the last time.
  [[nodiscard]] std::expected<std::size_t, Refusal> find(std::string_view buffer, const ParseLimits& limits);
  void reset() { *this = {}; }

 private:
  std::size_t scanned_ = 0, line_begin_ = 0, lines_ = 0;
};

struct ParsedRequest {
  RequestHead head;
  BodyFraming framing;
  bool is_keep_alive = true;
  bool expects_continue = false;
};

struct ParsedResponse {
  ResponseHead head;
  BodyFraming framing;
  /// What Content-Length says, also where there is no body (HEAD, 304).
  std::optional<std::uint64_t> declared_length;
  bool is_keep_alive = true;
};

/// The whole head that HeadFinder found, with at most one empty line in front. `storage` holds the fields and is used
/// again from head to head. Strict where leniency has let requests be smuggled (RFC 9112 sections 2.2, 3,
/// 5, 6.3, 11.2).
///
/// Errors: 400, 414, 417, 431, 505 for a request; 502 for a response.
[[nodiscard]] std::expected<ParsedRequest, Refusal> parse_request(std::string_view head, const ParseLimits& limits,
                                                                  std::vector<Field>& storage);
/// `asked` is the method of the request that is answered.
[[nodiscard]] std::expected<ParsedResponse, Refusal> parse_response(std::string_view head, Method asked,
                                                                    const ParseLimits& limits,
                                                                    std::vector<Field>& storage);
/// Field lines up to their empty line: of a head, or a trailer.
[[nodiscard]] std::expected<void, Refusal> parse_fields(std::string_view lines, const ParseLimits& limits,
                                                        std::vector<Field>& storage);

}  // namespace propeller::http
