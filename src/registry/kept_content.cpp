#include "registry/kept_content.hpp"

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <cctype>
#include <cerrno>
#include <chrono>
#include <cstring>
#include <utility>

#include "async/offload.hpp"
#include "registry/kept_tag.hpp"
#include "registry/manifest.hpp"

namespace propeller::registry {

namespace {

constexpr std::string_view kContentType = "Content-Type: ";
constexpr std::string_view kLineEnd = "\r\n";

std::int64_t unix_seconds() {
  return std::chrono::duration_cast<std::chrono::seconds>(std::chrono::system_clock::now().time_since_epoch()).count();
}

/// A value that is one field's, whatever a registry said.
bool is_plain(std::string_view value) {
  return std::ranges::none_of(value, [](unsigned char c) { return std::iscntrl(c) != 0; });
}

}  // namespace

std::string kept_fields(std::string_view content_type, const Digest& digest) {
  constexpr std::size_t kContentTypeMax = 256;
  std::string text;
  if (!content_type.empty() && content_type.size() <= kContentTypeMax && is_plain(content_type))
    text = fmt::format("{}{}{}", kContentType, content_type, kLineEnd);
  return text + fmt::format("Docker-Content-Digest: {}{}", digest.to_string(), kLineEnd);
}

std::string kept_content_type(std::string_view header_text) {
  const auto is_same = [](char a, char b) { return std::tolower(static_cast<unsigned char>(a)) == std::tolower(b); };
  const auto found = std::ranges::search(header_text, kContentType, is_same);
  // At the start of a line only: a value may say anything.
  const bool is_at_start = found.begin() == header_text.begin() || *(found.begin() - 1) == '\n';
  if (found.empty() || !is_at_start) return {};
  const std::string_view rest(found.end(), header_text.end());
  return std::string(rest.substr(0, rest.find(kLineEnd)));
}

KeptContent::KeptContent(const async::asio::any_io_executor& executor, store::ContentStore& store,
                         async::asio::thread_pool& pool)
    : store_(store), pool_(pool), writing_(executor) {}

async::awaitable<std::shared_ptr<const store::OpenBlob>> KeptContent::find_blob(std::string key) {
  const auto entry = co_await store_.find_entry(std::move(key));
  // A note would be a condition that others have put to it.
  if (!entry || !*entry || !(*entry)->digest || (*entry)->status != 200 || !(*entry)->note.empty()) co_return nullptr;
  co_return co_await store_.find_blob(*(*entry)->digest);
}

async::awaitable<std::optional<Document>> KeptContent::find_document(std::string key) {
  if (const auto slot = pending_.find(key); slot != pending_.end() && !slot->second.last) co_return std::nullopt;
  const auto blob = co_await find_blob(key);
  const auto entry = co_await store_.find_entry(std::move(key));
  if (!blob || blob->size() > kManifestBytesMax || !entry || !*entry) co_return std::nullopt;
  const auto digest = Digest::parse(blob->digest().to_string());
  if (!digest) co_return std::nullopt;
  auto text = co_await read_piece({.file = blob->fd(), .offset = 0, .count = blob->size()});
  if (!text) co_return std::nullopt;
  co_return Document{
      .text = std::move(*text), .content_type = kept_content_type((*entry)->header_text), .digest = *digest};
}

/// What is written down of a tag for everybody: an entry for each form of `Accept`.
async::awaitable<std::vector<store::Entry>> KeptContent::list_tag(std::string url) {
  constexpr std::size_t kFormsMax = 100;
  const auto prefix = std::move(url) + std::string(kTagMark);
  auto entries = co_await store_.list_entries(prefix, "", kFormsMax);
  if (!entries) co_return std::vector<store::Entry>();
  std::erase_if(*entries, [&](const auto& entry) { return entry.key.find(' ', prefix.size()) != std::string::npos; });
  co_return std::move(*entries);
}

async::awaitable<std::optional<Digest>> KeptContent::find_tag(std::string url) {
  const auto entries = co_await list_tag(std::move(url));
  const auto newest = std::ranges::max_element(entries, {}, &store::Entry::checked_at);
  if (newest == entries.end()) co_return std::nullopt;
  const auto digest = Digest::parse(parse_tag_note(newest->note).value_or(""));
  co_return digest ? std::optional(*digest) : std::nullopt;
}

async::awaitable<void> KeptContent::forget_tag(std::string url) {
  for (auto& entry : co_await list_tag(std::move(url))) (void)co_await store_.erase_entry(std::move(entry.key));
}

void KeptContent::keep_document(const std::vector<std::string>& keys, Document document) {
  const auto wish = std::make_shared<const Document>(std::move(document));
  for (const auto& key : keys) {
    if (pending_.contains(key) || pending_.size() < kWritingMax) set(key, wish);
  }
}

// Whatever else is being written: what is refused now must not be found later.
void KeptContent::forget(const std::string& key) { set(key, nullptr); }

void KeptContent::set(const std::string& key, Wish wish) {
  const auto [slot, is_first] = pending_.insert_or_assign(key, Pending{.last = std::move(wish)});
  if (is_first) writing_.spawn(write_pending(key));
}

async::awaitable<void> KeptContent::write_pending(std::string key) {
  while (std::exchange(pending_.at(key).is_new, false)) {
    if (const auto wish = pending_.at(key).last) {
      co_await write_document(key, *wish);
    } else {
      (void)co_await store_.erase_entry(key);
    }
  }
  pending_.erase(key);
}

async::awaitable<void> KeptContent::write_document(std::string key, const Document& document) {
  if (const auto there = co_await find_blob(key); there && there->digest() == document.digest) co_return;
  store::BlobHead head{.header_text = kept_fields(document.content_type, document.digest),
                       .length = document.text.size()};
  if (co_await put_entry(key, head, document.digest, document.text.size())) co_return;
  auto joined = co_await join(key, document.digest);
  if (!joined.writer) co_return;
  // Nobody else reads: written or not, there is nothing to wait for.
  joined.reader.reset();
  co_await publish_now(
      {.writer = std::move(joined.writer), .key = std::move(key), .rest = document.text, .head = std::move(head)});
}

async::awaitable<store::Joined> KeptContent::join(std::string key, Digest digest) {
  auto joined = co_await store_.join({.key = std::move(key), .digest = digest});
  if (!joined) co_return store::Joined{};
  co_return std::move(*joined);
}

async::awaitable<std::shared_ptr<const store::OpenBlob>> KeptContent::bring_blob(std::string key, Digest digest) {
  auto* backing = store_.backing();
  if (backing == nullptr || !co_await backing->bring(key, digest)) co_return nullptr;
  co_return co_await find_blob(std::move(key));
}

async::awaitable<Result<std::string>> KeptContent::read_piece(store::FilePiece piece) {
  co_return co_await async::offload(pool_, [piece]() -> Result<std::string> {
    std::string bytes(piece.count, '\0');
    for (std::size_t filled = 0; filled < bytes.size();) {
      const ssize_t got =
          ::pread(piece.file, bytes.data() + filled, bytes.size() - filled, static_cast<off_t>(piece.offset + filled));
      if (got < 0 && errno == EINTR) continue;
      if (got <= 0) {
        return fail(
            Code::io, Origin::internal,
            fmt::format("cannot read from the content store: {}", got < 0 ? std::strerror(errno) : "cut short"));
      }
      filled += static_cast<std::size_t>(got);
    }
    return bytes;
  });
}

async::awaitable<bool> KeptContent::write_rest(Publication& publication) {
  auto& writer = *publication.writer;
  if (writer.head() == nullptr && !co_await writer.begin(publication.head)) co_return false;
  co_return publication.rest.empty() || co_await writer.write(publication.rest);
}

// The entry is put while the download can still be joined, so that nobody in between begins it anew.
async::awaitable<void> KeptContent::publish_now(Publication publication) {
  // False: it cannot be kept, and nobody else is there to read it.
  if (!co_await write_rest(publication)) co_return;
  const auto blob = co_await publication.writer->finish();
  if (!blob || !*blob) co_return;
  const auto digest = Digest::parse((*blob)->digest().to_string());
  if (!digest || !co_await put_entry(publication.key, publication.head, *digest, (*blob)->size())) co_return;
  if (auto* backing = store_.backing(); backing != nullptr && publication.is_for_everybody)
    backing->offer(std::move(publication.key), *blob, publication.head.header_text);
}

async::awaitable<bool> KeptContent::put_entry(std::string key, const store::BlobHead& head, Digest digest,
                                              std::uint64_t size) {
  if (!store_.has_blob(digest)) co_return false;
  const auto now = unix_seconds();
  const auto put = co_await store_.put_entry({.key = std::move(key),
                                              .digest = digest,
                                              .size = size,
                                              .header_text = head.header_text,
                                              .note = {},
                                              .stored_at = now,
                                              .checked_at = now});
  co_return put.has_value();
}

}  // namespace propeller::registry
