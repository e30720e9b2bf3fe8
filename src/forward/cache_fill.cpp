#include "forward/cache_fill.hpp"

#include "base/clock.hpp"
#include "cache/entry_note.hpp"
#include "forward/compressed_text.hpp"
#include "forward/redaction.hpp"
#include "observe/log.hpp"

namespace propeller::forward {

using observe::kv;

namespace {

// A way to the store's pool and back costs about as much as the work on 32 KiB does.
constexpr std::size_t kPieceBytesMax = 128 * 1024;

async::awaitable<Result<void>> copy(http::BodySource& body, store::BlobWriter& writer) {
  for (;;) {
    const auto piece = co_await body.read(kPieceBytesMax);
    if (!piece) co_return std::unexpected(piece.error());
    if (piece->empty()) break;
    if (auto written = co_await writer.write(*piece); !written) co_return written;
  }
  const auto length = writer.head()->length;
  if (length && writer.offset() < *length)
    co_return fail(Code::connection_reset, Origin::upstream, "the upstream ended the content too early");
  co_return Result<void>();
}

/// How often a download may still be resumed.
class Patience {
 public:
  [[nodiscard]] bool is_over(std::uint64_t offset) {
    stalls_ = offset > reached_ ? 0 : stalls_ + 1;
    reached_ = offset;
    return ++resumes_ > CacheFills::kResumesMax || stalls_ > CacheFills::kStallsMax;
  }
  [[nodiscard]] std::chrono::milliseconds pause() const { return CacheFills::kResumePause * (1 << stalls_); }

 private:
  std::uint64_t reached_ = 0;
  int resumes_ = 0;
  int stalls_ = 0;
};

}  // namespace

async::awaitable<void> CacheFills::stop() {
  tasks_.cancel();
  co_await tasks_.join();
}

async::awaitable<void> CacheFills::run(CacheFill fill) {
  auto done = co_await download(fill);
  if (done) done = co_await keep(fill);
  if (done || done.error().code == Code::cancelled) co_return;
  counters_.count_error();
  observe::log_warn("a download was given up", {kv("url", redact_url(fill.key)), kv("reason", done.error().detail)});
  fill.writer->fail(done.error());
}

async::awaitable<Result<void>> CacheFills::download(CacheFill& fill) {
  auto& writer = *fill.writer;
  if (fill.head) {
    if (auto begun = co_await writer.begin(std::move(*fill.head)); !begun) co_return begun;
  }
  Patience patience;
  for (;;) {
    Result<void> copied;
    if (fill.body) {
      copied = co_await copy(*fill.body, writer);
      fill.body.reset();
      if (copied || !may_pass(copied.error())) co_return copied;
      if (patience.is_over(writer.offset())) co_return copied;
      co_await async::sleep_for(patience.pause());
    }
    const auto length = writer.head()->length;
    auto rest = co_await fill.origin->resume(*writer.head(), {.offset = writer.offset(), .end = length.value_or(0)});
    if (rest) {
      fill.body = std::move(*rest);
      continue;
    }
    if (!may_pass(rest.error()) || patience.is_over(writer.offset())) co_return std::unexpected(rest.error());
    co_await async::sleep_for(patience.pause());
  }
}

/// The entry is put while the download can still be joined, so that nobody in between begins it anew.
async::awaitable<Result<void>> CacheFills::keep(CacheFill& fill) {
  const auto blob = co_await fill.writer->finish();
  if (!blob) co_return std::unexpected(blob.error());
  if (!*blob) co_return Result<void>();
  // Not before its digest has proved that the registry gave it: a page to log in with is a 200, too.
  if (!fill.caller.empty()) accepted_.add(fill.caller, std::chrono::steady_clock::now(), fill.caller_ttl);
  if (is_overtaken(fill)) co_return Result<void>();
  const auto& head = *fill.writer->head();
  const auto now =
      std::chrono::duration_cast<std::chrono::seconds>(std::chrono::system_clock::now().time_since_epoch());
  const auto received_at = head.received_at != 0 ? head.received_at : now.count();
  store::Entry entry{.key = fill.key,
                     .digest = (*blob)->digest(),
                     .size = (*blob)->size(),
                     .status = head.status,
                     .header_text = head.header_text,
                     .note = head.note,
                     .stored_at = received_at,
                     .checked_at = received_at};
  auto put = co_await store_.put_entry(entry);
  if (put && is_overtaken(fill)) (void)co_await store_.erase_entry(fill.key);
  if (put) counters_.count_store();
  if (auto* backing = store_.backing(); put && fill.is_for_everybody && backing != nullptr)
    backing->offer(fill.key, *blob, entry.header_text);
  // Evicted already.
  if (!put && put.error().code == Code::not_found) co_return Result<void>();
  if (!put || !fill.is_text_compressed) co_return put;
  // Nobody joins what has ended while that takes its time.
  fill.writer.reset();
  co_await compress(std::move(entry), *blob);
  co_return put;
}

/// A write has come between.
bool CacheFills::is_overtaken(const CacheFill& fill) const {
  return !fill.url.empty() && invalidations_.generation(fill.url) != fill.generation;
}

/// Puts compressed text in the place of what was just kept. Whatever comes between leaves that as it is.
async::awaitable<void> CacheFills::compress(store::Entry entry, std::shared_ptr<const store::OpenBlob> text) {
  auto note = cache::parse_response_note(entry.note);
  const auto info = store_.blob_info(text->digest());
  // A pin is on the text's digest.
  if (!note || !info || info->is_pinned) co_return;
  const auto blob = co_await compressed_text::compress(store_, text);
  if (!blob) co_return;
  const auto before = std::make_shared<const store::Entry>(entry);
  note->is_zstd = true;
  entry.note = cache::to_text(*note);
  entry.digest = blob->digest();
  const auto replaced = co_await store_.replace_entry(before, std::move(entry));
  (void)co_await store_.erase_unnamed_blob(replaced ? text->digest() : blob->digest());
}

}  // namespace propeller::forward
