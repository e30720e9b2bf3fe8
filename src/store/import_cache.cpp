#include "store/import_cache.hpp"

#include <fcntl.h>
#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <system_error>
#include <vector>

#include "store/layout_directory.hpp"

namespace propeller::store {

namespace {

constexpr std::size_t kImportPieceBytes = 256 * 1024;
constexpr std::size_t kHexDigits = 64;
constexpr std::size_t kOldNameBytes = 64;
// The old cache kept answers to ranges, too; here a digest vouches for the whole.
constexpr int kOk = 200;

std::uint64_t big_endian(std::string_view bytes) {
  std::uint64_t value = 0;
  for (const char byte : bytes) value = value << 8 | static_cast<std::uint8_t>(byte);
  return value;
}

bool is_token(char c) {
  constexpr std::string_view kOthers = "!#$%&'*+-.^_`|~";
  return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || kOthers.contains(c);
}

std::optional<std::string> read_some(int file, std::uint64_t offset, std::size_t count) {
  std::string bytes(count, '\0');
  const ssize_t got = ::pread(file, bytes.data(), count, static_cast<off_t>(offset));
  if (got < 0) return std::nullopt;
  bytes.resize(static_cast<std::size_t>(got));
  return bytes;
}

std::optional<std::string> read_key(const std::filesystem::path& path) {
  const base::FileDescriptor file(::open(path.c_str(), O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC));
  if (!file.is_open()) return std::nullopt;
  auto key = read_some(file.get(), 0, Entry::kKeyBytesMax + 1);
  if (!key || key->empty() || key->size() > Entry::kKeyBytesMax) return std::nullopt;
  return key;
}

// One old entry, opened and understood.
struct OldEntry {
  base::FileDescriptor file;
  OldHead head;
  std::string header_text;
  std::uint64_t body_offset = 0;
  std::uint64_t body_bytes = 0;
};

std::optional<OldEntry> open_old(const std::filesystem::path& path) {
  base::FileDescriptor file(::open(path.c_str(), O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC));
  const auto state = state_of(file.get());
  if (!state) return std::nullopt;
  const auto fixed = read_some(file.get(), 0, OldHead::kFixedBytes);
  const auto head = fixed ? parse_old_head(*fixed) : std::nullopt;
  if (!head || OldHead::kFixedBytes + head->header_bytes > state->size) return std::nullopt;
  const auto lines = read_some(file.get(), OldHead::kFixedBytes, head->header_bytes);
  auto text = lines ? convert_old_headers(*lines) : std::nullopt;
  if (!text) return std::nullopt;
  const std::uint64_t body = OldHead::kFixedBytes + head->header_bytes;
  return OldEntry{.file = std::move(file),
                  .head = *head,
                  .header_text = std::move(*text),
                  .body_offset = body,
                  .body_bytes = state->size - body};
}

async::awaitable<Result<std::shared_ptr<const OpenBlob>>> copy_body(const OldEntry& old, BlobWriter& writer) {
  auto begun =
      co_await writer.begin({.status = kOk, .header_text = old.header_text, .length = old.body_bytes, .validator = {}});
  if (!begun) co_return std::unexpected(begun.error());
  while (writer.offset() < old.body_bytes) {
    const std::uint64_t left = old.body_bytes - writer.offset();
    const auto piece = read_some(old.file.get(), old.body_offset + writer.offset(),
                                 static_cast<std::size_t>(std::min<std::uint64_t>(left, kImportPieceBytes)));
    if (!piece || piece->empty()) {
      Error error{Code::io, Origin::internal, "cannot read the old cache"};
      writer.fail(error);
      co_return std::unexpected(std::move(error));
    }
    if (auto written = co_await writer.write(*piece); !written) co_return std::unexpected(written.error());
  }
  co_return co_await writer.finish();
}

/// What was said to the one client that fetched it, or about the message it came in: neither is for those who get it
/// from here.
bool is_of_one_message(std::string_view name) {
  constexpr std::string_view kProxy = "proxy-";
  constexpr std::array<std::string_view, 11> kNames{
      "authentication-info", "connection", "content-length", "content-range",     "keep-alive", "set-cookie",
      "set-cookie2",         "te",         "trailer",        "transfer-encoding", "upgrade"};
  std::string lower(name);
  std::ranges::transform(lower, lower.begin(),
                         [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c | 0x20) : c; });
  return lower.starts_with(kProxy) || std::ranges::find(kNames, lower) != kNames.end();
}

async::awaitable<void> put_entries(const OldEntry& old, const BlobDigest& digest, std::string_view key,
                                   ContentStore& store) {
  for (auto& url : urls_of_old_key(key)) {
    // Without it the blob is still there by its digest: nothing to stop for.
    static_cast<void>(co_await store.put_entry({.key = std::move(url),
                                                .digest = digest,
                                                .size = old.body_bytes,
                                                .status = kOk,
                                                .header_text = old.header_text,
                                                .note = {},
                                                .stored_at = old.head.stored_at,
                                                .checked_at = old.head.stored_at}));
  }
}

async::awaitable<void> import_entry(const std::filesystem::path& path, const BlobDigest& digest, std::string_view key,
                                    ContentStore& store, const ImportOptions& options, ImportCounts& counts) {
  const auto old = open_old(path);
  if (!old) {
    ++counts.damaged;
    co_return;
  }
  auto joined = co_await store.join({.key = {}, .digest = digest});
  if (!joined || (!joined->blob && !joined->writer)) {
    ++counts.refused;
    co_return;
  }
  if (joined->blob) {
    // Under several hosts and repositories it was there several times.
    ++counts.present;
    if (options.is_public && joined->blob->size() == old->body_bytes) co_await put_entries(*old, digest, key, store);
    co_return;
  }
  joined->reader.reset();
  const auto stored = co_await copy_body(*old, *joined->writer);
  if (!stored) {
    ++(stored.error().code == Code::digest_mismatch ? counts.damaged : counts.refused);
    co_return;
  }
  if (!*stored) {
    ++counts.refused;
    co_return;
  }
  ++counts.imported;
  counts.bytes += old->body_bytes;
  if (options.is_public) co_await put_entries(*old, digest, key, store);
}

}  // namespace

std::optional<OldHead> parse_old_head(std::string_view bytes) {
  if (bytes.size() < OldHead::kFixedBytes) return std::nullopt;
  const std::uint64_t status = big_endian(bytes.substr(0, 4));
  const std::uint64_t header_bytes = big_endian(bytes.substr(12, 4));
  if (status < 200 || status > 299 || header_bytes > OldHead::kHeaderBytesMax) return std::nullopt;
  return OldHead{.stored_at = static_cast<std::int64_t>(big_endian(bytes.substr(4, 8))), .header_bytes = header_bytes};
}

std::optional<std::string> convert_old_headers(std::string_view text) {
  std::string converted;
  while (!text.empty()) {
    const auto end = text.find('\n');
    if (end == std::string_view::npos) return std::nullopt;
    const std::string_view line = text.substr(0, end);
    text.remove_prefix(end + 1);
    const auto colon = line.find(':');
    if (colon == std::string_view::npos || colon == 0) return std::nullopt;
    const std::string_view name = line.substr(0, colon);
    const std::string_view value = line.substr(colon + 1);
    if (!std::ranges::all_of(name, is_token)) return std::nullopt;
    if (value.find_first_of(std::string_view("\r\0", 2)) != std::string_view::npos) return std::nullopt;
    if (is_of_one_message(name)) continue;
    converted.append(name).append(": ").append(value).append("\r\n");
  }
  return converted;
}

std::optional<BlobDigest> digest_in_key(std::string_view key) {
  constexpr std::string_view kPrefix = "sha256:";
  if (const auto place = key.find(kPrefix); place != std::string_view::npos) {
    const auto digest = BlobDigest::parse(key.substr(place, kPrefix.size() + kHexDigits));
    if (digest) return *digest;
  }
  for (auto slash = key.find('/'); slash != std::string_view::npos; slash = key.find('/', slash + 1)) {
    const std::string_view name = key.substr(slash + 1, kHexDigits);
    if (key.substr(slash + 1 + name.size()).empty() || key[slash + 1 + name.size()] != '/') continue;
    if (const auto digest = BlobDigest::parse(fmt::format("{}{}", kPrefix, name))) return *digest;
  }
  return std::nullopt;
}

std::vector<std::string> urls_of_old_key(std::string_view key) {
  const auto slash = key.find('/');
  if (slash == std::string_view::npos || slash == 0) return {};
  std::string authority(key.substr(0, slash));
  std::ranges::transform(authority, authority.begin(),
                         [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c | 0x20) : c; });
  const auto path = key.substr(slash);
  const bool is_secure = authority.ends_with(":443");
  const bool is_plain = authority.ends_with(":80");
  if (is_secure) return {fmt::format("https://{}{}", authority.substr(0, authority.size() - 4), path)};
  if (is_plain) return {fmt::format("http://{}{}", authority.substr(0, authority.size() - 3), path)};
  const auto colon = authority.rfind(':');
  const bool has_port = colon != std::string::npos && authority.find(']', colon) == std::string::npos;
  if (!has_port) return {fmt::format("http://{}{}", authority, path)};
  return {fmt::format("https://{}{}", authority, path), fmt::format("http://{}{}", authority, path)};
}

async::awaitable<Result<ImportCounts>> import_cache(ImportOptions options, ContentStore& store) {
  ImportCounts counts;
  std::error_code error;
  std::filesystem::directory_iterator files(options.directory, error);
  for (; !error && files != std::filesystem::directory_iterator(); files.increment(error)) {
    const std::filesystem::path path = files->path();
    // An entry without its key was never complete; temporary files have other names.
    if (path.filename().native().size() != kOldNameBytes || !path.extension().empty()) continue;
    const auto key = read_key(path.native() + ".meta");
    if (!key) {
      ++counts.damaged;
      continue;
    }
    const auto slash = key->find('/');
    const std::string_view url_path = slash == std::string::npos ? "/" : std::string_view(*key).substr(slash);
    const auto digest = digest_in_key(url_path);
    if (options.is_wanted && !options.is_wanted(url_path))
      ++counts.not_wanted;
    else if (!digest)
      ++counts.undigested;
    else
      co_await import_entry(path, *digest, *key, store, options, counts);
  }
  if (error) {
    co_return fail(Code::io, Origin::client,
                   fmt::format("cannot read {}: {}", options.directory.native(), error.message()));
  }
  co_return counts;
}

}  // namespace propeller::store
