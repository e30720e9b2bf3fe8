#pragma once

#include <optional>
#include <string>
#include <string_view>

/// What a tag stands for, as the forward proxy writes it down: an entry without a body under the tag's URL (see
/// shared_key()), kTagMark and a hash of the `Accept` that it was asked with. Where a login was needed, a blank and
/// more are behind it.
namespace propeller::registry {

inline constexpr std::string_view kTagMark = " tag ";  ///< a blank is in no URL

/// "tag sha256:<hex>"
[[nodiscard]] std::string tag_note(std::string_view digest);
[[nodiscard]] std::optional<std::string_view> parse_tag_note(std::string_view text);

}  // namespace propeller::registry
