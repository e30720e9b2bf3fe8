#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace propeller::support {

[[nodiscard]] std::string encode_base64(std::string_view bytes);      ///< RFC 4648, padded
[[nodiscard]] std::string encode_base64_url(std::string_view bytes);  ///< RFC 4648 section 5, without padding
/// As strict as the clients' decoders: padded, the standard alphabet, nothing else.
[[nodiscard]] std::optional<std::string> decode_base64(std::string_view text);

}  // namespace propeller::support
