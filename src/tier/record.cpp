#include "tier/record.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>

namespace propeller::tier {

namespace {

constexpr std::string_view kFirstLine = "propeller-proxy record 1";
constexpr std::size_t kErrorCodeBytesMax = 64;

bool is_plain(std::string_view value) {
  return std::ranges::none_of(value, [](char c) { return static_cast<unsigned char>(c) < 0x20 || c == 0x7f; });
}

/// The value of the next line, which has this name; nothing when it has not.
std::optional<std::string_view> take_line(std::string_view& text, std::string_view name) {
  const auto end = text.find('\n');
  if (end == std::string_view::npos) return std::nullopt;
  auto line = text.substr(0, end);
  text.remove_prefix(end + 1);
  if (!line.starts_with(name) || line.substr(name.size(), 1) != " ") return std::nullopt;
  line.remove_prefix(name.size() + 1);
  return is_plain(line) ? std::optional(line) : std::nullopt;
}

std::optional<std::uint64_t> parse_size(std::string_view text) {
  std::uint64_t size = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), size);
  const bool is_whole = error == std::errc() && end == text.data() + text.size();
  return is_whole && fmt::to_string(size) == text ? std::optional(size) : std::nullopt;
}

bool is_sha256(const store::BlobDigest& digest) { return digest.algorithm() == store::DigestAlgorithm::sha256; }

}  // namespace

std::optional<std::string> format_record(Record record) {
  if (record.key.empty() || record.key.size() > Record::kKeyBytesMax || !is_plain(record.key)) return std::nullopt;
  if (!is_sha256(record.digest)) return std::nullopt;
  if (record.content_type.size() > Record::kTypeBytesMax || !is_plain(record.content_type)) record.content_type.clear();
  return fmt::format("{}\nkey {}\ndigest {}\nsize {}\ntype {}\n", kFirstLine, record.key, record.digest.to_string(),
                     record.size, record.content_type);
}

std::optional<Record> parse_record(std::string_view text) {
  if (!text.starts_with(kFirstLine) || text.substr(kFirstLine.size(), 1) != "\n") return std::nullopt;
  text.remove_prefix(kFirstLine.size() + 1);
  const auto key = take_line(text, "key");
  const auto digest_text = take_line(text, "digest");
  const auto size_text = take_line(text, "size");
  const auto type = take_line(text, "type");
  if (!key || !digest_text || !size_text || !type || !text.empty()) return std::nullopt;
  const auto digest = store::BlobDigest::parse(*digest_text);
  const auto size = parse_size(*size_text);
  if (!digest || !is_sha256(*digest) || !size) return std::nullopt;
  if (key->empty() || key->size() > Record::kKeyBytesMax || type->size() > Record::kTypeBytesMax) return std::nullopt;
  return Record{.key = std::string(*key), .digest = *digest, .size = *size, .content_type = std::string(*type)};
}

std::string ObjectNames::blob(const store::BlobDigest& digest) const {
  const auto hex = digest.hex();
  return fmt::format("{}sha256/{}/{}", prefix_, hex.substr(0, 2), hex);
}

std::string ObjectNames::record(std::string_view key) const {
  store::BlobHash hash;
  hash.update(key);
  const auto hex = hash.finish().hex();
  return fmt::format("{}records/{}/{}", prefix_, hex.substr(0, 2), hex);
}

std::string_view error_code(std::string_view document) {
  constexpr std::string_view kBegin = "<Code>", kEnd = "</Code>";
  const auto begin = document.find(kBegin);
  if (begin == std::string_view::npos) return {};
  const auto rest = document.substr(begin + kBegin.size());
  const auto code = rest.substr(0, rest.find(kEnd));
  const auto is_letter = [](char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z'); };
  const auto is_known = [&](char c) { return is_letter(c) || (c >= '0' && c <= '9'); };
  return code.size() <= kErrorCodeBytesMax && std::ranges::all_of(code, is_known) ? code : std::string_view();
}

}  // namespace propeller::tier
