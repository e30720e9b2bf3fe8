#include "stream/stream_http.hpp"

#include <algorithm>
#include <boost/asio/post.hpp>
#include <boost/asio/use_future.hpp>

#include "base/assert.hpp"
#include "observe/log.hpp"

namespace propeller::stream {

StreamHttp::StreamHttp(Options options, ChunkChannel& channel, OnImage on_image, Probe& probe)
    : options_(std::move(options)),
      channel_(channel),
      on_image_(std::move(on_image)),
      probe_(probe),
      spool_(options_.stream.spool_dir, options_.stream.spool_size_bytes),
      channel_changed_(core_.executor()) {}

StreamHttp::~StreamHttp() { stop(); }

Result<void> StreamHttp::start(const OpenStore& open_store) {
  if (auto opened = spool_.open(); !opened) return opened;
  if (auto* store = open_store ? open_store() : nullptr; store != nullptr)
    kept_ = std::make_unique<registry::KeptContent>(core_.executor(), *store, pool_);
  client_ = std::make_unique<registry::Client>(core_.executor(), options_.registry, kept_.get());
  source_ = std::make_unique<ImageSource>(
      core_.executor(), *client_, spool_, pool_, options_.stream, [this] { return channel_.is_full(); }, probe_);
  lanes_group_ = std::make_unique<async::TaskGroup>(core_.executor());
  core_.start();
  is_running_ = true;
  return {};
}

void StreamHttp::stop() {
  if (!is_running_) return;
  is_running_ = false;
  const auto unwind = [](StreamHttp& self) -> async::awaitable<void> {
    self.lanes_group_->cancel();
    co_await self.lanes_group_->join();
    self.source_->cancel();
    co_await self.source_->join();
    self.lanes_.clear();
    self.source_.reset();
    self.client_.reset();
    if (self.kept_) co_await self.kept_->stop();
    self.kept_.reset();
  };
  async::asio::co_spawn(core_.executor(), unwind(*this), async::asio::use_future).wait();
  pool_.join();
  core_.stop();
}

void StreamHttp::fetch(LaneId id, Wanted wanted) {
  async::asio::post(core_.executor(), [this, id, wanted = std::move(wanted)]() mutable {
    const auto lane = std::make_shared<Lane>(core_.executor());
    lane->journey.transfer = channel_.transfer_of(id);
    lanes_.emplace(id, lane);
    lanes_group_->spawn(serve(id, lane, std::move(wanted)));
  });
}

void StreamHttp::feed(LaneId id, std::uint64_t chunk_size) {
  ASSERT(chunk_size > 0);
  async::asio::post(core_.executor(), [this, id, chunk_size] {
    if (const auto lane = lanes_.find(id); lane != lanes_.end()) {
      lane->second->chunk_size = chunk_size;
      lane->second->changed.notify_all();
    }
  });
}

void StreamHttp::forget(LaneId id) {
  async::asio::post(core_.executor(), [this, id] {
    if (const auto lane = lanes_.find(id); lane != lanes_.end()) {
      lane->second->is_forgotten = true;
      lane->second->changed.notify_all();
      if (lane->second->image) lane->second->image->changed.notify_all();
    }
    channel_changed_.notify_all();
  });
}

void StreamHttp::wake() {
  if (is_wake_pending_.exchange(true)) return;
  async::asio::post(core_.executor(), [this] {
    is_wake_pending_ = false;
    channel_changed_.notify_all();
    if (source_) source_->resume();
  });
}

void StreamHttp::note_liveness() {
  const std::lock_guard lock(liveness_mutex_);
  liveness_ = client_->liveness();
}

registry::Liveness StreamHttp::registry_liveness() const {
  const std::lock_guard lock(liveness_mutex_);
  return liveness_;
}

async::awaitable<void> StreamHttp::serve(LaneId id, std::shared_ptr<Lane> lane, Wanted wanted) {
  struct Settle {
    StreamHttp& worker;
    LaneId id;
    Lane& lane;
    ~Settle() {
      lane.image = nullptr;
      worker.lanes_.erase(id);
    }
  } settle{*this, id, *lane};

  auto opened = co_await source_->open(std::move(wanted.reference), wanted.begun_with, lane->journey);
  note_liveness();
  if (!opened) {
    channel_.set_retries(id, lane->journey.retries);
    channel_.fail(id, opened.error());
    co_return;
  }
  if (opened->is_fallback) {
    observe::log_warn("the tag does not exist, taking latest", {observe::kv("transfer", lane->journey.transfer),
                                                                observe::kv("manifest", opened->manifest.short_hex())});
  }
  Image& image = *opened->image;
  lane->image = &image;
  ImageInfo info{.digest = image.digest,
                 .source = opened->manifest,
                 .pinned = opened->pinned.to_string(),
                 .size = image.size,
                 .is_at_hand = image.phase == Image::Phase::complete,
                 .is_fallback = opened->is_fallback,
                 .chunk_hashes = nullptr};
  if (wanted.hash_chunk_size > 0 && info.is_at_hand && image.size / wanted.hash_chunk_size < 4096) {
    info.chunk_hashes = co_await source_->chunk_hashes(image.file, image.digest, wanted.hash_chunk_size);
  }
  on_image_(id, std::move(info));
  while (lane->chunk_size == 0 && !lane->is_forgotten) co_await lane->changed.wait();
  if (lane->is_forgotten) co_return;
  if (auto filled = co_await fill_orders(id, lane); !filled) {
    note_retries(id, *lane);
    channel_.fail(id, filled.error());
  }
  note_liveness();
}

void StreamHttp::note_retries(LaneId id, const Lane& lane) {
  channel_.set_retries(id, lane.journey.retries + lane.image->retries);
}

async::awaitable<Result<void>> StreamHttp::fill_orders(LaneId id, std::shared_ptr<Lane> lane) {
  Image& image = *lane->image;
  image.chunk_size = lane->chunk_size;
  while (!lane->is_forgotten) {
    const auto next = channel_.next_order(id);
    if (next.is_closed) break;
    if (!next.order) {
      if (image.phase == Image::Phase::failed) co_return std::unexpected(image.error);
      co_await channel_changed_.wait();
      continue;
    }
    if (auto filled = co_await fill_order(id, *next.order, lane); !filled) co_return filled;
  }
  co_return Result<void>{};
}

async::awaitable<Result<void>> StreamHttp::fill_order(LaneId id, ChunkChannel::Order order,
                                                      std::shared_ptr<Lane> lane) {
  Image& image = *lane->image;
  const auto begin = order.index * lane->chunk_size;
  ASSERT(begin < image.size);
  const auto end = std::min(begin + lane->chunk_size, image.size);
  // A corrupt download can never complete at a client: the last chunk waits for the verdict over the whole.
  const bool is_last = end == image.size;
  while (image.phase != Image::Phase::complete && (is_last || image.file->written() < end)) {
    if (lane->is_forgotten) co_return Result<void>{};
    if (image.phase == Image::Phase::failed) co_return std::unexpected(image.error);
    co_await image.changed.wait();
  }
  // The place comes before the bytes: what waits for one costs no memory.
  for (auto place = ChunkChannel::Place::none; place != ChunkChannel::Place::reserved;) {
    place = channel_.reserve(id, order);
    if (place == ChunkChannel::Place::stale || lane->is_forgotten) co_return Result<void>{};
    if (place == ChunkChannel::Place::none) co_await channel_changed_.wait();
  }
  const auto size = static_cast<std::size_t>(end - begin);
  Chunk chunk{
      .lane = id, .index = order.index, .data = std::make_unique_for_overwrite<std::byte[]>(size), .size = size};
  if (auto read = image.file->read(begin, {chunk.data.get(), chunk.size}); !read)
    co_return std::unexpected(read.error());
  image.taken_bytes = std::max(image.taken_bytes, end);
  if (is_last) note_retries(id, *lane);
  channel_.push(order, std::move(chunk));
  co_return Result<void>{};
}

}  // namespace propeller::stream
