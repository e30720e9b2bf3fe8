#include "stream/image_source.hpp"

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <utility>

#include "async/offload.hpp"
#include "base/assert.hpp"
#include "observe/log.hpp"

namespace propeller::stream {

namespace {

constexpr std::size_t kReadBytes = 256 * 1024;
constexpr std::chrono::milliseconds kLookAroundInterval{100};
constexpr std::chrono::seconds kSpoolPatience{50};  // what deployed clients wait, less the sending

using store::SpoolFile;

std::size_t read_head(const SpoolFile& file, std::span<std::byte> head) {
  const auto size = static_cast<std::size_t>(std::min<std::uint64_t>(head.size(), file.written()));
  return file.read(0, head.first(size)) ? size : 0;
}

// Blocking.
Result<void> copy(const store::OpenBlob& blob, SpoolFile& to) {
  std::vector<std::byte> buffer(static_cast<std::size_t>(std::min<std::uint64_t>(kReadBytes, blob.size())));
  while (to.written() < blob.size()) {
    const ssize_t got = ::pread(blob.fd(), buffer.data(), buffer.size(), static_cast<off_t>(to.written()));
    if (got < 0 && errno == EINTR) continue;
    if (got <= 0) return fail(Code::io, base::Origin::internal, "a blob of the content store cannot be read");
    if (auto appended = to.append(std::span(buffer).first(static_cast<std::size_t>(got))); !appended) return appended;
  }
  return {};
}

bool is_archive(registry::ContentKind kind) {
  return kind == registry::ContentKind::gzip || kind == registry::ContentKind::zstd ||
         kind == registry::ContentKind::tar;
}

std::unexpected<Error> no_module(const registry::Layer& layer) {
  return fail(Code::no_module, base::Origin::upstream,
              fmt::format("layer {} ({}) is neither WASM nor an archive", layer.digest.short_hex(), layer.media_type));
}

std::unexpected<Error> nobody_waits() {
  return fail(Code::cancelled, base::Origin::internal, "nobody waits for the image any more");
}

}  // namespace

ImageSource::ImageSource(async::asio::any_io_executor executor, registry::Client& client, store::Spool& spool,
                         async::asio::thread_pool& pool, config::Stream settings, std::function<bool()> must_pause,
                         Probe& probe)
    : executor_(executor),
      client_(client),
      spool_(spool),
      pool_(pool),
      settings_(std::move(settings)),
      must_pause_(std::move(must_pause)),
      probe_(probe),
      places_(settings_.chunk_size_bytes),
      room_(executor),
      released_(executor),
      group_(executor) {}

async::awaitable<Result<ImageSource::Opened>> ImageSource::open(registry::Reference reference,
                                                                std::optional<Digest> begun_with, Journey& journey) {
  // A set that was begun is finished also while the registry is down.
  if (begun_with && reference.digest) {
    if (auto file = co_await find_verified(*begun_with)) {
      auto image = std::make_shared<Image>(executor_);
      image->was_at_hand = true;
      const auto size = file->written();
      use(*image, Image::Phase::complete, *begun_with, std::move(file), size);
      co_return Opened{ImageLease(std::move(image)), *reference.digest, reference, false};
    }
  }
  auto resolved = co_await resolve_once(reference, journey);
  if (!resolved) co_return std::unexpected(resolved.error());
  if (resolved->is_from_memory) {
    probe_.remembered.add();
    observe::log_warn("the registry does not answer: taking what it said the last time",
                      {observe::kv("transfer", journey.transfer), observe::kv("reference", reference.to_string()),
                       observe::kv("manifest", resolved->manifest.short_hex())});
  }
  Error last{Code::no_module, base::Origin::upstream, "the image has no layer with a WASM module"};
  for (const auto& layer : resolved->candidates) {
    if (layer.size == 0) continue;
    if (layer.size > settings_.image_size_max_bytes) {
      last = {Code::too_large, base::Origin::upstream,
              fmt::format("the layer has {} bytes, PROXY_MAX_IMAGE_SIZE allows {}", layer.size,
                          settings_.image_size_max_bytes)};
      continue;
    }
    auto audience = co_await client_.audience(reference, layer.digest);
    if (!audience) co_return std::unexpected(audience.error());
    auto image = join_or_begin({reference, layer, std::move(*audience), resolved->configuration, journey.transfer});
    while (image->phase == Image::Phase::opening) co_await image->changed.wait();
    const bool is_anothers_choice =
        image->decided_by && (!resolved->configuration || *image->decided_by != resolved->configuration->digest);
    if (is_anothers_choice) {
      co_return fail(Code::ambiguous_module, base::Origin::upstream,
                     "the layer has several modules and is being delivered for another image; name one with #path");
    }
    if (image->phase != Image::Phase::failed) {
      co_return Opened{std::move(image), resolved->manifest, reference.pinned(resolved->manifest),
                       resolved->is_fallback};
    }
    journey.retries += image->retries;
    last = image->error;
    if (last.code != Code::no_module) break;
  }
  co_return std::unexpected(last);
}

async::awaitable<Result<registry::ResolvedImage>> ImageSource::resolve_once(registry::Reference reference,
                                                                            Journey& journey) {
  const std::string key = reference.to_string();
  if (const auto found = resolutions_.find(key); found != resolutions_.end()) {
    const auto resolution = found->second;
    while (!resolution->is_done) co_await resolution->done.wait();
    journey.retries += resolution->retries;
    co_return resolution->result;
  }
  const auto resolution = std::make_shared<Resolution>(executor_);
  resolutions_.emplace(key, resolution);
  // Also when this coroutine is cancelled, those who joined it are told.
  struct Settle {
    ImageSource& source;
    const std::string& key;
    Resolution& resolution;
    ~Settle() {
      if (!resolution.is_done)
        resolution.result = fail(Code::shutting_down, base::Origin::internal, "the resolution was cancelled");
      resolution.is_done = true;
      source.resolutions_.erase(key);
      resolution.done.notify_all();
    }
  } settle{*this, key, *resolution};
  resolution->result = co_await client_.resolve(reference, on_retry(journey.transfer, resolution->retries));
  resolution->is_done = true;
  journey.retries += resolution->retries;
  co_return resolution->result;
}

registry::OnRetry ImageSource::on_retry(std::string transfer, std::uint32_t& count) {
  return [this, transfer = std::move(transfer), &count](const registry::Retry& retry) {
    ++count;
    probe_.registry_retries.add();
    observe::log_warn("asking the registry again",
                      {observe::kv("transfer", transfer), observe::kv("reason", base::describe(retry.why)),
                       observe::kv("attempt", retry.attempt), observe::kv("pause_ms", retry.pause.count())});
  };
}

ImageLease ImageSource::join_or_begin(const Origin& origin) {
  const Key key = origin.key();
  if (const auto found = images_.find(key); found != images_.end()) return ImageLease(found->second);
  const auto image = std::make_shared<Image>(executor_);
  images_.emplace(key, image);
  ImageLease lease(image);
  group_.spawn(run(image, origin));
  return lease;
}

async::awaitable<void> ImageSource::run(std::shared_ptr<Image> image, Origin origin) {
  struct Settle {
    ImageSource& source;
    Image& image;
    Key key;
    ~Settle() {
      // Cancelled in the middle.
      if (image.phase != Image::Phase::complete && image.phase != Image::Phase::failed) {
        image.error = {Code::shutting_down, base::Origin::internal, "the download was cancelled"};
        image.phase = Image::Phase::failed;
      }
      // A complete image is found in the spool from now on; a failed one may be tried again.
      source.images_.erase(key);
      image.changed.notify_all();
      source.released_.notify_all();
    }
  } settle{*this, *image, origin.key()};
  if (auto filled = co_await fill(image, origin); !filled) {
    image->error = filled.error();
    image->phase = Image::Phase::failed;
  }
}

async::awaitable<Result<void>> ImageSource::fill(std::shared_ptr<Image> image, Origin origin) {
  auto found = co_await fill_from_spool(image, origin);
  if (!found) co_return std::unexpected(found.error());
  if (*found) {
    probe_.spool_hits.add();
    co_return Result<void>{};
  }
  found = co_await fill_from_store(image, origin);
  if (!found) co_return std::unexpected(found.error());
  if (*found) {
    probe_.store_hits.add();
    co_return Result<void>{};
  }
  struct Place {
    DownloadPlaces& places;
    DownloadPlaces::Ticket ticket;
    ~Place() { places.leave(ticket); }
  } place{places_, places_.enter(origin.layer.size, std::chrono::steady_clock::now())};
  while (!places_.try_begin(place.ticket, std::chrono::steady_clock::now())) {
    co_await released_.wait();
    if (image->users == 0) co_return nobody_waits();
  }
  // There may be another free place, which those behind this one may take now.
  released_.notify_all();
  co_return co_await download(image, origin, place.ticket);
}

async::awaitable<Result<bool>> ImageSource::fill_from_spool(std::shared_ptr<Image> image, Origin origin) {
  const auto is_for = [&](std::string_view audience) { return spool_.is_for(origin.layer.digest, audience); };
  if (!is_for(registry::Client::kAnybody) && !is_for(origin.audience)) co_return false;
  if (const auto module = spool_.module_of(origin.layer.digest, origin.reference.path)) {
    if (auto file = co_await find_verified(*module)) {
      image->was_at_hand = true;
      const auto size = file->written();
      use(*image, Image::Phase::complete, *module, std::move(file), size);
      co_return true;
    }
  }
  auto file = co_await find_verified(origin.layer.digest);
  if (!file) co_return false;
  std::array<std::byte, registry::kSniffBytes> head;
  const auto kind = registry::sniff(std::span(head).first(read_head(*file, head)));
  image->was_at_hand = true;
  if (kind == registry::ContentKind::wasm || (settings_.is_pass_through && !is_archive(kind))) {
    use(*image, Image::Phase::complete, origin.layer.digest, file, file->written());
    co_return true;
  }
  if (!is_archive(kind)) co_return no_module(origin.layer);
  if (auto extracted = co_await extract(image, file, origin); !extracted) co_return std::unexpected(extracted.error());
  co_return true;
}

// Copied, since every image is in the spool: no code has to ask where a chunk comes from.
async::awaitable<Result<bool>> ImageSource::fill_from_store(std::shared_ptr<Image> image, Origin origin) {
  const auto blob = co_await client_.find_blob(origin.reference, origin.layer.digest);
  if (!blob || blob->size() != origin.layer.size) co_return false;
  auto reserved = co_await reserve(blob->size());
  if (!reserved) co_return std::unexpected(reserved.error());
  const auto file = *reserved;
  const auto copied = co_await async::offload(pool_, [blob, file] { return copy(*blob, *file); });
  if (!copied) {
    observe::log_warn("the content store's copy cannot be used",
                      {observe::kv("transfer", origin.transfer), observe::kv("reason", copied.error().detail)});
    co_return false;
  }
  if (auto committed = spool_.commit(file, origin.layer.digest); !committed)
    co_return std::unexpected(committed.error());
  spool_.remember_audience(origin.layer.digest, registry::Client::kAnybody);
  co_return co_await fill_from_spool(image, origin);
}

async::awaitable<Result<void>> ImageSource::download(std::shared_ptr<Image> image, Origin origin,
                                                     DownloadPlaces::Ticket place) {
  auto reserved = co_await reserve(origin.layer.size);
  if (!reserved) co_return std::unexpected(reserved.error());
  const auto file = *reserved;
  auto blob = co_await client_.open_blob(origin.reference, origin.layer.digest, origin.layer.size,
                                         on_retry(origin.transfer, image->retries));
  if (!blob) co_return std::unexpected(blob.error());
  // What rides along on another's download may have to go on alone.
  bool is_counted = false;
  const auto count = [&](std::size_t bytes) {
    if (!(*blob)->is_from_registry()) return;
    if (!std::exchange(is_counted, true)) probe_.downloads.add();
    probe_.downloaded_bytes.add(bytes);
  };
  count(0);

  auto kind = registry::ContentKind::unknown;
  bool is_judged = false;
  for (;;) {
    auto bytes = co_await (*blob)->read(kReadBytes);
    if (!bytes) co_return std::unexpected(bytes.error());
    const bool is_end = bytes->empty();
    if (auto appended = file->append(*bytes); !appended) co_return std::unexpected(appended.error());
    if (!is_end) count(bytes->size());
    if (!is_judged && (is_end || file->written() >= registry::kSniffBytes || file->written() == origin.layer.size)) {
      std::array<std::byte, registry::kSniffBytes> head;
      kind = registry::sniff(std::span(head).first(read_head(*file, head)));
      is_judged = true;
      if (kind == registry::ContentKind::unknown && !settings_.is_pass_through) co_return no_module(origin.layer);
      if (!is_archive(kind)) use(*image, Image::Phase::streaming, origin.layer.digest, file, origin.layer.size);
    }
    if (is_end) break;
    image->changed.notify_all();
    co_await wait_for_room(image, origin, **blob, place);
    if (image->users == 0) co_return nobody_waits();
  }
  if (auto committed = spool_.commit(file, origin.layer.digest); !committed)
    co_return std::unexpected(committed.error());
  co_await remember_audience(origin);
  if (is_archive(kind)) co_return co_await extract(image, file, origin);
  use(*image, Image::Phase::complete, origin.layer.digest, file, origin.layer.size);
  co_return Result<void>{};
}

// The login may be another one by now: then nobody knows which of them brought it.
async::awaitable<void> ImageSource::remember_audience(const Origin& origin) {
  const auto audience = co_await client_.audience(origin.reference, origin.layer.digest);
  if (audience && *audience == origin.audience) spool_.remember_audience(origin.layer.digest, origin.audience);
}

// The bytes wait in the registry's TCP window: what is not read is not sent. Clients of the forward proxy that ride
// along on this download do not wait for our broker.
async::awaitable<void> ImageSource::wait_for_room(std::shared_ptr<Image> image, const Origin& origin,
                                                  const registry::BlobStream& blob, DownloadPlaces::Ticket place) {
  const auto is_ahead = [](const Image& each) {
    return each.phase == Image::Phase::streaming && each.chunk_size > 0 &&
           each.file->written() >= each.taken_bytes + each.chunk_size;
  };
  const auto must_wait = [&] { return is_ahead(*image) && must_pause_() && !blob.is_awaited(); };
  if (!must_wait()) co_return;
  probe_.downloads_paused.add();
  observe::log_debug("the download waits for the broker",
                     {observe::kv("transfer", origin.transfer), observe::kv("downloaded", image->file->written())});
  places_.pause(place);
  released_.notify_all();
  struct Paused {
    std::uint32_t& count;
    ~Paused() { --count; }
  } paused{++paused_};
  if (!std::exchange(is_looking_around_, true)) group_.spawn(look_around());
  while (image->users > 0 && must_wait()) co_await room_.wait();
  places_.resume(place);
}

// Nobody tells us that somebody rides along.
async::awaitable<void> ImageSource::look_around() {
  while (paused_ > 0) {
    co_await async::sleep_for(kLookAroundInterval);
    room_.notify_all();
  }
  is_looking_around_ = false;
}

async::awaitable<std::shared_ptr<SpoolFile>> ImageSource::find_verified(Digest digest) {
  if (auto file = spool_.find(digest)) co_return file;
  auto file = spool_.find_unverified(digest);
  if (!file) co_return nullptr;
  auto found = co_await async::offload(pool_, [file]() -> Result<Digest> { return store::hash_file(*file); });
  spool_.settle(file, found.value_or(Digest{}));
  if (found && *found == digest) co_return file;
  observe::log_warn("a file of the spool was damaged and is dropped", {observe::kv("digest", digest.short_hex())});
  co_return nullptr;
}

async::awaitable<Result<std::shared_ptr<SpoolFile>>> ImageSource::reserve(std::uint64_t size) {
  const auto deadline = std::chrono::steady_clock::now() + kSpoolPatience;
  for (;;) {
    auto file = spool_.create(size);
    if (file || file.error().code != Code::overloaded || std::chrono::steady_clock::now() >= deadline) co_return file;
    co_await async::sleep_for(std::chrono::milliseconds(200));
  }
}

void ImageSource::use(Image& image, Image::Phase phase, const Digest& digest, std::shared_ptr<SpoolFile> file,
                      std::uint64_t size) {
  ASSERT(size > 0);
  image.digest = digest;
  image.file = std::move(file);
  image.size = size;
  image.phase = phase;
  image.changed.notify_all();
}

}  // namespace propeller::stream
