#pragma once

#include <chrono>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

/// Values of variables as people write them. Pure text, no settings.
namespace propeller::config {

/// 1, t, T, TRUE, true, True and 0, f, F, FALSE, false, False. Source: Go's strconv.ParseBool
[[nodiscard]] std::optional<bool> parse_bool(std::string_view text);

/// "30s", "1m30s", "1.5h", "500ms", or plain seconds: "30". Not negative; to the millisecond.
/// Source: Go's time.ParseDuration
[[nodiscard]] std::optional<std::chrono::milliseconds> parse_duration(std::string_view text);

/// "30s", "500ms", "1m30s".
[[nodiscard]] std::string format_duration(std::chrono::milliseconds duration);

/// The parts between commas, without surrounding blanks; empty parts are kept, an empty text has none.
[[nodiscard]] std::vector<std::string> split_list(std::string_view text);

/// A whole number without sign.
[[nodiscard]] std::optional<std::uint64_t> parse_number(std::string_view text);

/// host or [v6] with an optional port, nothing else.
[[nodiscard]] bool is_host_port(std::string_view text);

/// host[:port], *.domain, an address or a CIDR range: what PROXY_REGISTRY_ALLOW takes.
[[nodiscard]] bool is_host_pattern(std::string_view text);

[[nodiscard]] bool is_ip_address(std::string_view text);

/// One level of an MQTT topic: not empty, at most 128 bytes, no '/', '+', '#', '$' or control character.
[[nodiscard]] bool is_topic_level(std::string_view text);

/// The value in quotes for a message: control characters escaped, user information of a URL masked, cut at 200 bytes.
[[nodiscard]] std::string show_value(std::string_view value);

/// What stands before an '@' becomes "***".
[[nodiscard]] std::string mask_user_info(std::string_view value);

/// The candidate that was probably meant, or empty when none is near enough.
[[nodiscard]] std::string_view suggest(std::string_view word, const std::vector<std::string_view>& candidates);

}  // namespace propeller::config
