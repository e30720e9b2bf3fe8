#include "http/framing.hpp"

#include "http/syntax.hpp"

namespace propeller::http {

namespace {

struct Announced {
  std::optional<std::uint64_t> length;
  bool is_chunked = false;
};

std::unexpected<Refusal> refuse(std::string_view reason) { return std::unexpected(Refusal{400, reason}); }

std::expected<Announced, Refusal> read_announcement(FieldView fields, Version version) {
  Announced announced;
  bool has_coding = false;
  for (const Field& field : fields) {
    if (equals_ignoring_case(field.name, "content-length")) {
      const auto length = parse_decimal(field.value);
      if (!length) return refuse("malformed Content-Length");
      if (announced.length && announced.length != length) return refuse("differing Content-Length");
      announced.length = length;
    } else if (equals_ignoring_case(field.name, "transfer-encoding")) {
      // Chunked alone, and once: no other coding is decoded here, and none may follow it.
      if (has_coding || !equals_ignoring_case(field.value, "chunked")) return refuse("unknown transfer coding");
      has_coding = true;
    }
  }
  if (has_coding && version == Version::http_1_0) return refuse("Transfer-Encoding in HTTP/1.0");
  if (has_coding && announced.length) return refuse("both Content-Length and Transfer-Encoding");
  announced.is_chunked = has_coding;
  return announced;
}

BodyFraming to_framing(const Announced& announced) {
  using enum BodyFraming::Kind;
  if (announced.is_chunked) return {.kind = chunked};
  if (announced.length.value_or(0) > 0) return {.kind = length, .length = *announced.length};
  return {.kind = none};
}

}  // namespace

std::expected<BodyFraming, Refusal> frame_request(const RequestHead& head) {
  const auto announced = read_announcement(head.fields, head.version);
  if (!announced) return std::unexpected(announced.error());
  const BodyFraming framing = to_framing(*announced);
  const bool is_bodyless = head.method == Method::connect || head.method == Method::trace;
  if (is_bodyless && framing.kind != BodyFraming::Kind::none) return refuse("a body where there can be none");
  return framing;
}

std::expected<FramedResponse, Refusal> frame_response(const ResponseHead& head, Method asked) {
  const auto announced = read_announcement(head.fields, head.version);
  if (!announced) return std::unexpected(announced.error());
  FramedResponse framed{.framing = to_framing(*announced), .declared_length = announced->length};
  const bool is_tunnel = asked == Method::connect && head.status >= 200 && head.status < 300;
  if (asked == Method::head || is_tunnel || !may_have_body(head.status)) {
    const bool is_body_announced = framed.framing.kind != BodyFraming::Kind::none;
    framed.is_doubtful = is_body_announced && asked != Method::head && head.status != 304;
    framed.framing = {};
    return framed;
  }
  if (!announced->is_chunked && !announced->length) framed.framing.kind = BodyFraming::Kind::until_close;
  return framed;
}

}  // namespace propeller::http
