#include "tier/uploader.hpp"

#include "observe/log.hpp"

namespace propeller::tier {

using observe::kv;

namespace {

std::string sha256_of(std::string_view text) {
  store::BlobHash hash;
  hash.update(text);
  return hash.finish().hex();
}

}  // namespace

void Uploader::add(Record record, std::shared_ptr<const store::OpenBlob> blob) {
  const bool rests = std::chrono::steady_clock::now() < rests_until_;
  if (rests || waiting_.size() >= kWaitingMax || record.size > kObjectBytesMax) return probe_.dropped.add();
  waiting_.push_back({std::move(record), std::move(blob)});
  show();
  if (workers_ == kAtOnce) return;
  ++workers_;
  tasks_.spawn(work());
}

bool Uploader::distrust(const store::BlobDigest& digest) {
  if (wrong_.contains(digest)) return false;
  if (wrong_.size() >= kWrongMax) wrong_.clear();
  return wrong_.insert(digest).second;
}

async::awaitable<void> Uploader::work() {
  while (!waiting_.empty()) {
    const auto upload = std::move(waiting_.front());
    waiting_.pop_front();
    show();
    if (const auto sent = co_await send(upload); !sent) {
      fail(sent.error());
      continue;
    }
    probe_.uploaded.add();
    if (std::exchange(is_failing_, false)) observe::log_info("the second tier takes uploads again");
  }
  --workers_;
}

void Uploader::fail(const Error& error) {
  probe_.write_errors.add();
  probe_.dropped.add(waiting_.size() + 1);
  waiting_.clear();
  show();
  rests_until_ = std::chrono::steady_clock::now() + rest_;
  if (!std::exchange(is_failing_, true))
    observe::log_warn("the second tier takes no uploads: others have to fetch for themselves",
                      {kv("reason", error.detail)});
}

/// The record last: where it is, the bytes are.
async::awaitable<Result<void>> Uploader::send(const Upload& upload) {
  const auto& record = upload.record;
  const auto text = format_record(record);
  if (!text) co_return Result<void>();
  const auto is_stored = co_await is_there(record);
  if (!is_stored) co_return std::unexpected(is_stored.error());
  if (!*is_stored) {
    auto sent = co_await client_.put(
        names_.blob(record.digest),
        {.file = upload.blob->fd(), .text = {}, .size = record.size, .sha256 = record.digest.hex()});
    if (!sent) co_return sent;
    probe_.uploaded_bytes.add(record.size);
    wrong_.erase(record.digest);
  }
  co_return co_await client_.put(names_.record(record.key),
                                 {.text = *text, .size = text->size(), .sha256 = sha256_of(*text)});
}

async::awaitable<Result<bool>> Uploader::is_there(const Record& record) {
  if (wrong_.contains(record.digest)) co_return false;
  const auto size = co_await client_.find_size(names_.blob(record.digest));
  if (!size) co_return std::unexpected(size.error());
  co_return *size == record.size;
}

}  // namespace propeller::tier
