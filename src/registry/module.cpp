#include "registry/module.hpp"

#include <archive.h>
#include <archive_entry.h>
#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <array>
#include <limits>
#include <memory>
#include <optional>
#include <vector>

#include "base/assert.hpp"
#include "base/units.hpp"
#include "registry/archive_error.hpp"
#include "registry/decompress.hpp"

namespace propeller::registry {

namespace {

constexpr std::size_t kMembersMax = 100'000;
constexpr std::size_t kNamesListedMax = 20;
constexpr std::uint64_t kUnpackedFactor = 16;
constexpr std::uint64_t kUnpackedBytesMin = base::kMiB;  // room for the padding of archives with small modules
constexpr std::size_t kPieceBytes = 128 * base::kKiB;
constexpr std::size_t kTarMagicOffset = 257;
constexpr std::string_view kWasmMagic("\0asm", 4);

bool has_at(std::span<const std::byte> bytes, std::size_t offset, std::string_view wanted) {
  if (bytes.size() < offset + wanted.size()) return false;
  return std::ranges::equal(bytes.subspan(offset, wanted.size()), std::as_bytes(std::span(wanted)));
}

// Names are compared as "bin/add.wasm", however the archive or the reference spells it: "./bin/add.wasm",
// "/bin//add.wasm".
std::string normalised(std::string_view path) {
  std::string text;
  while (!path.empty()) {
    const std::size_t end = std::min(path.find('/'), path.size());
    const std::string_view part = path.substr(0, end);
    path.remove_prefix(std::min(end + 1, path.size()));
    if (part.empty() || part == ".") continue;
    if (!text.empty()) text.push_back('/');
    text.append(part);
  }
  return text;
}

bool is_whiteout(std::string_view path) {
  const std::size_t slash = path.rfind('/');
  return path.substr(slash == std::string_view::npos ? 0 : slash + 1).starts_with(".wh.");
}

using Write = std::function<Result<void>(std::span<const std::byte>)>;

/// Hands the module on, and sees to it that it is one and not larger than allowed.
class ModuleWriter {
 public:
  ModuleWriter(std::uint64_t bytes_max, const Write& write) : bytes_max_(bytes_max), write_(write) {}

  // The first piece holds at least four bytes, unless the whole is shorter.
  Result<void> put(std::span<const std::byte> piece, std::string_view name) {
    if (bytes_ == 0 && !has_at(piece, 0, kWasmMagic)) {
      return fail(Code::no_module, Origin::upstream,
                  fmt::format("{} is not a WASM module: it does not begin with \\0asm", printable(name)));
    }
    bytes_ += piece.size();
    if (bytes_ > bytes_max_) {
      return fail(Code::too_large, Origin::upstream,
                  fmt::format("{} is larger than the {} that are allowed (PROXY_MAX_IMAGE_SIZE)", printable(name),
                              base::format_bytes(bytes_max_)));
    }
    return write_(piece);
  }

 private:
  std::uint64_t bytes_max_;
  std::uint64_t bytes_ = 0;
  const Write& write_;
};

struct Member {
  std::string name;  ///< normalised
  std::size_t index = 0;
  std::uint64_t size = 0;
};

/// One pass over a tar.
class TarReader {
 public:
  explicit TarReader(std::unique_ptr<ByteSource> source) : source_(std::move(source)), archive_(archive_read_new()) {
    ASSERT(archive_ != nullptr);
    archive_read_support_format_tar(archive_.get());
  }

  /// The next regular file, by header; nullopt at the end.
  Result<std::optional<Member>> next() {
    if (!is_open_ && archive_read_open(archive_.get(), this, nullptr, feed, nullptr) != ARCHIVE_OK) return failed();
    is_open_ = true;
    for (;;) {
      archive_entry* entry = nullptr;
      const int code = archive_read_next_header(archive_.get(), &entry);
      if (code == ARCHIVE_EOF) return std::nullopt;
      if (code < ARCHIVE_WARN) return failed();
      if (++headers_ > kMembersMax) {
        return fail(Code::too_large, Origin::upstream,
                    fmt::format("the archive has more than {} members", kMembersMax));
      }
      // A hard link has no bytes of its own, and nothing is ever written under a member's name.
      if (archive_entry_filetype(entry) != AE_IFREG || archive_entry_hardlink(entry) != nullptr) continue;
      const char* utf8 = archive_entry_pathname_utf8(entry);
      const char* name = utf8 != nullptr ? utf8 : archive_entry_pathname(entry);
      if (name == nullptr) continue;
      Member member{.name = normalised(name), .index = headers_, .size = 0};
      if (member.name.empty() || is_whiteout(member.name)) continue;
      member.size = static_cast<std::uint64_t>(std::max<la_int64_t>(archive_entry_size(entry), 0));
      return member;
    }
  }

  /// Fills `out` with the next bytes of the member that next() gave; fewer only at its end.
  Result<std::size_t> read(std::span<std::byte> out) {
    const la_ssize_t count = archive_read_data(archive_.get(), out.data(), out.size());
    if (count < 0) return std::unexpected(failed().error());
    return static_cast<std::size_t>(count);
  }

 private:
  static la_ssize_t feed(archive* reader, void* self, const void** data) {
    return feed_archive(reader, *static_cast<TarReader*>(self)->source_, static_cast<TarReader*>(self)->error_, data);
  }
  std::unexpected<Error> failed() const {
    if (error_) return std::unexpected(*error_);
    return damaged_archive(error_text(archive_.get()));
  }

  std::unique_ptr<ByteSource> source_;
  std::optional<Error> error_;
  ArchivePtr archive_;
  bool is_open_ = false;
  std::size_t headers_ = 0;
};

/// Decides which member it is, from the names alone. A later member replaces an earlier one of the same name.
class Choice {
 public:
  explicit Choice(const ExtractOptions& options)
      : path_(normalised(options.path)), entry_point_(normalised(options.entry_point)) {}

  void see(const Member& member) {
    if (member.name == path_) named_ = member;
    if (member.name == "plugin.wasm") plugin_ = member;
    if (!entry_point_.empty() && member.name == entry_point_) entry_ = member;
    if (!member.name.ends_with(".wasm")) return;
    const auto same = std::ranges::find(modules_, member.name, &Member::name);
    if (same != modules_.end()) {
      *same = member;
    } else if (modules_.size() < kNamesListedMax) {
      modules_.push_back(member);
    } else {
      is_cut_ = true;
    }
  }

  Result<Member> choose() const {
    if (!path_.empty()) {
      if (named_) return *named_;
      return fail(Code::no_module, Origin::client, fmt::format("the image has no file {}{}", printable(path_), hint()));
    }
    if (plugin_) return *plugin_;
    if (modules_.size() == 1) return modules_.front();
    if (entry_) return *entry_;
    if (modules_.empty()) {
      return fail(Code::no_module, Origin::upstream, "the archive has no plugin.wasm and no other file *.wasm");
    }
    return fail(Code::ambiguous_module, Origin::client,
                fmt::format("the image has several modules; name one with #path: {}", names()));
  }

 private:
  std::string names() const {
    std::vector<std::string> names;
    for (const Member& member : modules_) names.push_back(printable(member.name));
    if (is_cut_) names.emplace_back("and more");
    return fmt::format("{}", fmt::join(names, ", "));
  }
  std::string hint() const { return modules_.empty() ? "" : fmt::format("; it has {}", names()); }

  std::string path_, entry_point_;
  std::optional<Member> named_, plugin_, entry_;
  std::vector<Member> modules_;  // at most kNamesListedMax
  bool is_cut_ = false;
};

struct Unpacking {
  int fd = -1;
  std::uint64_t bytes_max = 0;
};

Result<Member> choose_member(const Unpacking& unpacking, const ExtractOptions& options) {
  auto source = open_unpacked(unpacking.fd, unpacking.bytes_max);
  if (!source) return std::unexpected(source.error());
  TarReader tar(std::move(*source));
  Choice choice(options);
  for (;;) {
    auto member = tar.next();
    if (!member) return std::unexpected(member.error());
    if (!*member) return choice.choose();
    choice.see(**member);
  }
}

// The archive is read twice: which member it is, is known only after the last header.
Result<void> extract_from_tar(const Unpacking& unpacking, const ExtractOptions& options, ModuleWriter& out) {
  const auto chosen = choose_member(unpacking, options);
  if (!chosen) return std::unexpected(chosen.error());
  auto source = open_unpacked(unpacking.fd, unpacking.bytes_max);
  if (!source) return std::unexpected(source.error());
  TarReader tar(std::move(*source));
  for (;;) {
    const auto member = tar.next();
    if (!member) return std::unexpected(member.error());
    if (!*member) return fail(Code::io, Origin::internal, "the layer changed in the spool while it was read");
    if ((*member)->index == chosen->index) break;
  }
  std::vector<std::byte> piece(kPieceBytes);
  std::uint64_t bytes = 0;
  do {
    const auto count = tar.read(piece);
    if (!count) return std::unexpected(count.error());
    if (*count == 0 && bytes > 0) break;
    if (auto put = out.put(std::span(piece).first(*count), chosen->name); !put) return put;
    bytes += *count;
  } while (bytes < chosen->size);
  return {};
}

// A compressed module that is in no archive.
Result<void> copy_all(ByteSource& source, std::span<const std::byte> head, ModuleWriter& out) {
  if (auto put = out.put(head, "the layer"); !put) return put;
  for (;;) {
    const auto bytes = source.read();
    if (!bytes) return std::unexpected(bytes.error());
    if (bytes->empty()) return {};
    if (auto put = out.put(*bytes, "the layer"); !put) return put;
  }
}

// A source may begin with a few bytes only; what the bytes are needs kSniffBytes of them.
Result<std::vector<std::byte>> read_head(ByteSource& source) {
  std::vector<std::byte> head;
  while (head.size() < kSniffBytes) {
    const auto bytes = source.read();
    if (!bytes) return std::unexpected(bytes.error());
    if (bytes->empty()) break;
    head.insert(head.end(), bytes->begin(), bytes->end());
  }
  return head;
}

}  // namespace

ContentKind sniff(std::span<const std::byte> head) {
  if (has_at(head, 0, kWasmMagic)) return ContentKind::wasm;
  if (has_at(head, 0, "\x1f\x8b")) return ContentKind::gzip;
  if (has_at(head, 0, "\x28\xb5\x2f\xfd")) return ContentKind::zstd;
  if (has_at(head, kTarMagicOffset, "ustar")) return ContentKind::tar;
  return ContentKind::unknown;
}

Result<void> extract_module(int archive_fd, const ExtractOptions& options, const Write& write) {
  ASSERT(options.size_max_bytes > 0);
  const std::uint64_t archive_max = options.size_max_bytes > std::numeric_limits<std::uint64_t>::max() / kUnpackedFactor
                                        ? std::numeric_limits<std::uint64_t>::max()
                                        : options.size_max_bytes * kUnpackedFactor;
  const Unpacking unpacking{archive_fd, std::max(archive_max, kUnpackedBytesMin)};
  auto source = open_unpacked(unpacking.fd, unpacking.bytes_max);
  if (!source) return std::unexpected(source.error());
  const auto head = read_head(**source);
  if (!head) return std::unexpected(head.error());
  ModuleWriter out(options.size_max_bytes, write);
  switch (sniff(*head)) {
    case ContentKind::wasm: return copy_all(**source, *head, out);
    case ContentKind::tar: return extract_from_tar(unpacking, options, out);
    case ContentKind::gzip:
    case ContentKind::zstd:
      return fail(Code::no_module, Origin::upstream, "the layer is compressed more than once, which no builder does");
    case ContentKind::unknown: break;
  }
  return fail(Code::no_module, Origin::upstream, "the layer is neither a WASM module nor an archive with one");
}

}  // namespace propeller::registry
