#include "tier/taker.hpp"

#include <fmt/format.h>

#include "base/digest.hpp"
#include "observe/log.hpp"
#include "registry/kept_content.hpp"
#include "tier/pace.hpp"

namespace propeller::tier {

using observe::kv;

namespace {

constexpr std::size_t kPieceBytesMax = 256 * 1024;

std::int64_t unix_seconds() {
  return std::chrono::duration_cast<std::chrono::seconds>(std::chrono::system_clock::now().time_since_epoch()).count();
}

}  // namespace

async::awaitable<Result<bool>> Taker::take(std::string key, store::BlobDigest digest) {
  const auto text = co_await client_.get_text(names_.record(key), Record::kTextBytesMax);
  if (!text) co_return std::unexpected(text.error());
  // Nothing is what Uploader::forget() leaves.
  if (!*text || (*text)->empty()) co_return false;
  const auto record = parse_record(**text);
  const bool is_right =
      record && record->key == key && record->digest == digest && record->size <= Uploader::kObjectBytesMax;
  if (!is_right) {
    probe_.wrong.add();
    co_return false;
  }
  auto taken = co_await take_bytes(*record);
  if (!taken || !*taken) co_return taken;
  const auto sha256 = base::Digest::parse(digest.to_string());
  if (!sha256) co_return false;
  const auto now = unix_seconds();
  const auto put = co_await store_.put_entry({.key = std::move(key),
                                              .digest = digest,
                                              .size = record->size,
                                              .header_text = registry::kept_fields(record->content_type, *sha256),
                                              .note = {},
                                              .stored_at = now,
                                              .checked_at = now});
  co_return put.has_value();
}

async::awaitable<Result<bool>> Taker::take_bytes(const Record& record) {
  const bool has_waited = under_way_.contains(record.digest);
  co_await wait_for_others(record.digest);
  under_way_.insert(record.digest);
  // Also when it is cancelled.
  struct Ended {
    Taker& taker;
    const store::BlobDigest& digest;
    ~Ended() {
      taker.under_way_.erase(digest);
      taker.ended_.notify_all();
    }
  };
  const Ended ended{*this, record.digest};
  auto joined = co_await store_.join({.key = {}, .digest = record.digest});
  if (!joined) co_return false;
  // That we have it does not say that the tier has: who writes a record alone would open what is private here.
  if (joined->blob) co_return has_waited && joined->blob->size() == record.size;
  if (!joined->writer) co_return false;
  // Who waits does so for the end. Without a reader, what the store does not keep is not downloaded.
  joined->reader.reset();
  co_return co_await download(record, *joined->writer);
}

async::awaitable<void> Taker::wait_for_others(store::BlobDigest digest) {
  while (under_way_.contains(digest)) co_await ended_.wait();
}

async::awaitable<Result<bool>> Taker::download(const Record& record, store::BlobWriter& writer) {
  auto object = co_await client_.get(names_.blob(record.digest));
  if (!object) co_return std::unexpected(object.error());
  if (!*object) co_return false;
  const auto length = (*object)->head().field("content-length");
  if (!length.empty() && length != fmt::to_string(record.size)) {
    distrust(record, "another length");
    co_return false;
  }
  if (!co_await writer.begin({.header_text = {}, .length = record.size, .validator = {}})) co_return false;
  auto copied = co_await copy(**object, record, writer);
  if (!copied || !*copied) co_return copied;
  const auto blob = co_await writer.finish();
  if (!blob) {
    distrust(record, "other bytes");
    co_return false;
  }
  if (*blob) probe_.read_bytes.add(record.size);
  co_return *blob != nullptr;
}

/// In large pieces: each is a way to the store's pool and back.
async::awaitable<Result<bool>> Taker::copy(registry::Exchange& object, const Record& record,
                                           store::BlobWriter& writer) {
  const auto began = std::chrono::steady_clock::now();
  std::string piece;
  for (bool is_over = false; !is_over;) {
    const auto bytes = co_await object.read(kPieceBytesMax - piece.size());
    if (!bytes) co_return std::unexpected(bytes.error().error);
    is_over = bytes->empty();
    piece.append(reinterpret_cast<const char*>(bytes->data()), bytes->size());
    const auto elapsed =
        std::chrono::duration_cast<std::chrono::milliseconds>(std::chrono::steady_clock::now() - began);
    switch (pace_of(writer.offset() + piece.size(), record.size, elapsed)) {
      case Pace::good: break;
      case Pace::too_slow: co_return base::fail(Code::timeout, Origin::upstream, "the second tier sends too slowly");
      case Pace::too_long: co_return false;
    }
    if (piece.size() < kPieceBytesMax && !is_over) continue;
    // Not kept, or more than was said.
    if (const auto written = co_await writer.write(piece); !written) {
      if (written.error().code == Code::digest_mismatch) distrust(record, "more bytes");
      co_return false;
    }
    piece.clear();
  }
  if (writer.offset() == record.size) co_return true;
  co_return base::fail(Code::registry_unavailable, Origin::upstream, "the second tier ended an object too early");
}

void Taker::distrust(const Record& record, std::string_view why) {
  probe_.wrong.add();
  if (uploader_.distrust(record.digest))
    observe::log_warn("the second tier has a wrong object: the registry is asked, and it will be replaced",
                      {kv("digest", record.digest.hex().substr(0, 12)), kv("why", why)});
}

}  // namespace propeller::tier
