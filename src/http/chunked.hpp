#pragma once

#include <cstdint>
#include <expected>
#include <string>
#include <string_view>
#include <vector>

#include "http/head_parser.hpp"

namespace propeller::http {

/// Takes the chunked coding apart as the bytes come.
///
/// Bound:  kLineBytesMax for a chunk's size and extensions, kExtensionBytesMax for all extensions of a body,
///         kTrailerBytesMax for the trailer. Nothing else is kept.
/// Errors: a Refusal for whatever is not exactly the grammar; after it, and after the end, it is done.
/// Source: RFC 9112 section 7.1
class ChunkDecoder {
 public:
  static constexpr std::size_t kLineBytesMax = 256;
  static constexpr std::size_t kExtensionBytesMax = 16 * 1024;
  static constexpr std::size_t kTrailerBytesMax = 8 * 1024;

  struct Step {
    std::size_t consumed = 0;  ///< of the input, with framing and data
    std::string_view data;     ///< part of a chunk, a view into the input
  };
  /// Goes on until there is data, the end, or no input left.
  [[nodiscard]] std::expected<Step, Refusal> decode(std::string_view input, std::size_t data_bytes_max);

  [[nodiscard]] bool is_done() const { return state_ == State::done; }
  /// After the end; without those that concern framing, routing or the connection. Views into the decoder.
  [[nodiscard]] FieldView trailers() const { return {trailers_}; }

 private:
  enum class State { size, extension, size_end, data, data_cr, data_lf, trailer, done };
  std::expected<void, Refusal> take_size(char byte);
  std::expected<void, Refusal> take_trailer(char byte);
  std::expected<void, Refusal> begin_chunk();

  State state_ = State::size;
  std::uint64_t left_ = 0;
  std::size_t digits_ = 0, line_bytes_ = 0, extension_bytes_ = 0;
  std::string trailer_text_;
  std::vector<Field> trailers_;
};

/// "1a2\r\n", what stands in front of a chunk of that size. Order: valid until the next call on the same buffer.
inline constexpr std::size_t kChunkHeadBytesMax = 18;
[[nodiscard]] std::string_view write_chunk_head(std::uint64_t size, char (&buffer)[kChunkHeadBytesMax]);

/// Whether a trailer may carry this field (RFC 9110 section 6.5.1).
[[nodiscard]] bool is_trailer_allowed(std::string_view name);

}  // namespace propeller::http
