#include "cache/entry_note.hpp"

#include <fmt/format.h>

#include "http/syntax.hpp"

namespace propeller::cache {

namespace {

constexpr std::string_view kAge = "response age=";
constexpr std::string_view kByPack = " by-pack";
constexpr std::string_view kZstd = " zstd";
constexpr std::string_view kVariant = " variant=";
constexpr std::string_view kVary = "vary ";

/// Takes `word` from the end of `text`, if it is there.
bool take_last(std::string_view& text, std::string_view word) {
  if (!text.ends_with(word)) return false;
  text.remove_suffix(word.size());
  return true;
}

}  // namespace

std::string to_text(const ResponseNote& note) {
  return fmt::format("{}{}{}{}{}{}", kAge, note.initial_age.count(), note.is_by_pack ? kByPack : "",
                     note.is_zstd ? kZstd : "", kVariant, note.variant);
}

std::optional<ResponseNote> parse_response_note(std::string_view text) {
  if (!text.starts_with(kAge)) return std::nullopt;
  text.remove_prefix(kAge.size());
  const auto end = text.find(kVariant);
  if (end == std::string_view::npos) return std::nullopt;
  auto before = text.substr(0, end);
  const bool is_zstd = take_last(before, kZstd);
  const bool is_by_pack = take_last(before, kByPack);
  const auto age = http::parse_decimal(before);
  if (!age || *age > static_cast<std::uint64_t>(kSecondsMax.count())) return std::nullopt;
  return ResponseNote{.initial_age = seconds(*age),
                      .variant = std::string(text.substr(end + kVariant.size())),
                      .is_by_pack = is_by_pack,
                      .is_zstd = is_zstd};
}

std::string vary_note(std::string_view names) { return std::string(kVary).append(names); }

std::optional<std::string_view> parse_vary_note(std::string_view text) {
  if (!text.starts_with(kVary)) return std::nullopt;
  return text.substr(kVary.size());
}

}  // namespace propeller::cache
