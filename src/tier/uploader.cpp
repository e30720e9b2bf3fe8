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
  const bool has_place = waiting_.size() < kWaitingMax && record.size <= kObjectBytesMax &&
                         (held_bytes_ == 0 || held_bytes_ + record.size <= kHeldBytesMax);
  auto text = rests || !has_place ? std::nullopt : format_record(record);
  if (!text) return probe_.dropped.add();
  held_bytes_ += record.size;
  waiting_.push_back({std::move(record), std::move(*text), std::move(blob)});
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
    const auto sent = co_await send(upload);
    held_bytes_ -= upload.record.size;
    if (!sent) {
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
  if (error.code == Code::bad_request) return probe_.dropped.add();
  probe_.dropped.add(waiting_.size() + 1);
  for (const auto& upload : waiting_) held_bytes_ -= upload.record.size;
  waiting_.clear();
  show();
  rests_until_ = std::chrono::steady_clock::now() + rest_;
  if (!std::exchange(is_failing_, true))
    observe::log_warn("the second tier takes no uploads: others have to fetch for themselves",
                      {kv("reason", error.detail)});
}

void Uploader::forget(std::string key) {
  std::erase_if(waiting_, [&](const Upload& upload) {
    if (upload.record.key != key) return false;
    held_bytes_ -= upload.record.size;
    return true;
  });
  show();
  tasks_.spawn(erase_record(std::move(key)));
}

/// An empty one in its place: it needs no further right than uploads do.
async::awaitable<void> Uploader::erase_record(std::string key) {
  const auto name = names_.record(key);
  const auto there = co_await client_.find_size(name);
  if (!there || !*there || **there == 0) co_return;
  const auto erased = co_await client_.put(name, {.text = {}, .size = 0, .sha256 = sha256_of({})});
  if (erased) co_return;
  probe_.write_errors.add();
  observe::log_warn("the second tier still has a record of what was taken away", {kv("reason", erased.error().detail)});
}

/// The record last: where it is, the bytes are.
async::awaitable<Result<void>> Uploader::send(const Upload& upload) {
  const auto& record = upload.record;
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
  co_return co_await client_.put(
      names_.record(record.key),
      {.text = upload.record_text, .size = upload.record_text.size(), .sha256 = sha256_of(upload.record_text)});
}

async::awaitable<Result<bool>> Uploader::is_there(const Record& record) {
  if (wrong_.contains(record.digest)) co_return false;
  const auto size = co_await client_.find_size(names_.blob(record.digest));
  if (!size) co_return std::unexpected(size.error());
  co_return *size == record.size;
}

}  // namespace propeller::tier
