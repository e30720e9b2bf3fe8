#include "http/chunked.hpp"

#include <algorithm>
#include <array>
#include <charconv>

#include "http/syntax.hpp"

namespace propeller::http {

namespace {

constexpr std::size_t kSizeDigitsMax = 15;  ///< leading zeros count too
constexpr std::size_t kTrailerFieldsMax = 64;

std::unexpected<Refusal> refuse(std::string_view reason) { return std::unexpected(Refusal{400, reason}); }

}  // namespace

std::expected<ChunkDecoder::Step, Refusal> ChunkDecoder::decode(std::string_view input, std::size_t data_bytes_max) {
  Step step;
  while (step.consumed < input.size() && state_ != State::done) {
    if (state_ == State::data) {
      const std::size_t size = std::min({input.size() - step.consumed, data_bytes_max, std::size_t(left_)});
      step.data = input.substr(step.consumed, size);
      step.consumed += size;
      left_ -= size;
      if (left_ == 0) state_ = State::data_cr;
      return step;
    }
    const char byte = input[step.consumed++];
    std::expected<void, Refusal> taken;
    switch (state_) {
      case State::size:
      case State::extension:
      case State::size_end: taken = take_size(byte); break;
      case State::data_cr:
        if (byte != '\r') return refuse("garbage after a chunk");
        state_ = State::data_lf;
        break;
      case State::data_lf:
        if (byte != '\n') return refuse("garbage after a chunk");
        state_ = State::size;
        digits_ = line_bytes_ = 0;
        break;
      default: taken = take_trailer(byte); break;
    }
    if (!taken) return std::unexpected(taken.error());
  }
  return step;
}

std::expected<void, Refusal> ChunkDecoder::take_size(char byte) {
  if (++line_bytes_ > kLineBytesMax) return refuse("a chunk's extensions are too long");
  if (state_ == State::size_end) {
    if (byte != '\n') return refuse("malformed chunk size");
    return begin_chunk();
  }
  if (byte == '\r') {
    if (digits_ == 0) return refuse("malformed chunk size");
    state_ = State::size_end;
    return {};
  }
  if (state_ == State::extension) {
    if (++extension_bytes_ > kExtensionBytesMax) return refuse("the chunks' extensions are too long");
    if (!is_field_value({&byte, 1})) return refuse("malformed chunk extension");
    return {};
  }
  if (const int digit = hex_value(byte); digit >= 0) {
    if (++digits_ > kSizeDigitsMax) return refuse("a chunk is too large");
    left_ = left_ * 16 + static_cast<std::uint64_t>(digit);
    return {};
  }
  if (byte != ';' || digits_ == 0) return refuse("malformed chunk size");
  state_ = State::extension;
  return {};
}

std::expected<void, Refusal> ChunkDecoder::begin_chunk() {
  state_ = left_ > 0 ? State::data : State::trailer;
  return {};
}

std::expected<void, Refusal> ChunkDecoder::take_trailer(char byte) {
  if (trailer_text_.size() == kTrailerBytesMax) return refuse("the trailer is too large");
  trailer_text_ += byte;
  if (byte != '\n') return {};
  if (!trailer_text_.ends_with("\r\n")) return refuse("a line ends without CR");
  if (trailer_text_ != "\r\n" && !trailer_text_.ends_with("\r\n\r\n")) return {};
  if (auto parsed = parse_fields(trailer_text_, {.fields_max = kTrailerFieldsMax}, trailers_); !parsed) {
    return std::unexpected(parsed.error());
  }
  std::erase_if(trailers_, [](const Field& field) { return !is_trailer_allowed(field.name); });
  state_ = State::done;
  return {};
}

std::string_view write_chunk_head(std::uint64_t size, char (&buffer)[kChunkHeadBytesMax]) {
  char* const end = std::to_chars(buffer, buffer + 16, size, 16).ptr;
  end[0] = '\r';
  end[1] = '\n';
  return {buffer, static_cast<std::size_t>(end - buffer) + 2};
}

bool is_trailer_allowed(std::string_view name) {
  constexpr std::array<std::string_view, 19> kForbidden = {"authorization",
                                                           "cache-control",
                                                           "connection",
                                                           "content-encoding",
                                                           "content-length",
                                                           "content-range",
                                                           "content-type",
                                                           "cookie",
                                                           "expect",
                                                           "host",
                                                           "keep-alive",
                                                           "max-forwards",
                                                           "proxy-authenticate",
                                                           "proxy-authorization",
                                                           "set-cookie",
                                                           "te",
                                                           "trailer",
                                                           "transfer-encoding",
                                                           "upgrade"};
  return std::ranges::none_of(kForbidden, [&](std::string_view other) { return equals_ignoring_case(name, other); });
}

}  // namespace propeller::http
