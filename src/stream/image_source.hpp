#pragma once

#include <boost/asio/thread_pool.hpp>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <tuple>
#include <vector>

#include "async/event.hpp"
#include "async/task_group.hpp"
#include "config/settings.hpp"
#include "registry/client.hpp"
#include "registry/module.hpp"
#include "store/spool.hpp"
#include "stream/download_places.hpp"
#include "stream/probe.hpp"

namespace propeller::stream {

/// One module on its way into the spool, shared by every lane that wants it.
struct Image {
  explicit Image(const async::asio::any_io_executor& executor) : changed(executor) {}

  /// `streaming`: the bytes are the layer's own, so they may travel while they arrive.
  enum class Phase { opening, streaming, complete, failed };
  Phase phase = Phase::opening;
  Error error;
  Digest digest;
  std::uint64_t size = 0;
  std::shared_ptr<store::SpoolFile> file;
  std::optional<Digest> decided_by;  ///< the configuration whose entry point decided between several modules
  bool was_at_hand = false;          ///< nothing had to be downloaded
  std::uint64_t taken_bytes = 0;     ///< how far the furthest lane has read
  std::uint64_t chunk_size = 0;      ///< of that lane; 0 while none reads
  std::uint32_t users = 0;
  std::uint32_t retries = 0;  ///< of the registry, while it was downloaded
  async::Event changed;
};

/// Keeps an Image wanted; a download that nobody wants any more ends.
class ImageLease {
 public:
  ImageLease() = default;
  explicit ImageLease(std::shared_ptr<Image> image) : image_(std::move(image)) { ++image_->users; }
  ImageLease(ImageLease&& other) noexcept : image_(std::move(other.image_)) {}
  ImageLease& operator=(ImageLease&& other) noexcept {
    std::swap(image_, other.image_);
    return *this;
  }
  ~ImageLease() {
    if (image_ && --image_->users == 0) image_->changed.notify_all();
  }
  [[nodiscard]] Image& operator*() const { return *image_; }
  [[nodiscard]] Image* operator->() const { return image_.get(); }

 private:
  std::shared_ptr<Image> image_;
};

/// One lane's way to its image: for log lines, which carry the transfer's id, and for the summary.
struct Journey {
  std::string transfer;
  std::uint32_t retries = 0;  ///< of the registry, until the manifest was there
};

/// Turns references into images in the spool: resolves, downloads, takes modules out of archives. What the content
/// store has is copied from there.
///
/// Order:    requests for one reference share one resolution, those for one layer share one download, of
///           those who may have it: a registry that names a layer has not given it.
/// Pressure: `must_pause` says that the channel is full; a download that is a chunk ahead of its lanes then stops
///           reading.
/// Bound:    downloads at once by DownloadPlaces; bytes by the spool; chunk hashes by kHashesMax.
/// Threads:  one core; extraction and hashing on the blocking pool.
class ImageSource {
 public:
  ImageSource(async::asio::any_io_executor executor, registry::Client& client, store::Spool& spool,
              async::asio::thread_pool& pool, config::Stream settings, std::function<bool()> must_pause, Probe& probe);

  struct Opened {
    ImageLease image;
    Digest manifest;
    registry::Reference pinned;
    bool is_fallback = false;  ///< the tag does not exist, this is `latest`
  };
  /// Returns when the image is streaming or complete. Lifetime: `journey` outlives the call.
  /// With `begun_with` and a pinned reference the spool is looked at before the registry is asked.
  async::awaitable<Result<Opened>> open(registry::Reference reference, std::optional<Digest> begun_with,
                                        Journey& journey);

  using ChunkHashes = std::shared_ptr<const std::vector<Digest>>;
  /// SHA-256 of every chunk of a complete image; null, since nobody needs them, when the answers in use hold
  /// kHashesMax, or kHashingMax images are being hashed.
  async::awaitable<ChunkHashes> chunk_hashes(std::shared_ptr<store::SpoolFile> file, Digest digest,
                                             std::uint64_t chunk_size);
  static constexpr std::size_t kHashesMax = 64 * 1024;  ///< 2 MiB
  static constexpr std::uint32_t kHashingMax = 4;

  /// Looks at `must_pause` again.
  void resume() { room_.notify_all(); }
  void cancel() { group_.cancel(); }
  async::awaitable<void> join() { return group_.join(); }

 private:
  struct Resolution {
    explicit Resolution(const async::asio::any_io_executor& executor) : done(executor) {}
    Result<registry::ResolvedImage> result = registry::ResolvedImage{};
    std::uint32_t retries = 0;
    bool is_done = false;
    async::Event done;
  };
  using Key = std::tuple<Digest, std::string, std::string>;  ///< layer, path in it, audience
  /// Where the bytes of an image come from.
  struct Origin {
    registry::Reference reference;
    registry::Layer layer;
    std::string audience;  ///< who may have what this registry gives, see Client::audience()
    std::optional<registry::Layer> configuration;
    std::string transfer;  ///< that asked first

    [[nodiscard]] Key key() const { return {layer.digest, reference.path, audience}; }
  };

  async::awaitable<Result<registry::ResolvedImage>> resolve_once(registry::Reference reference, Journey& journey);
  registry::OnRetry on_retry(std::string transfer, std::uint32_t& count);
  ImageLease join_or_begin(const Origin& origin);
  async::awaitable<void> run(std::shared_ptr<Image> image, Origin origin);
  async::awaitable<Result<void>> fill(std::shared_ptr<Image> image, Origin origin);
  async::awaitable<Result<bool>> fill_from_spool(std::shared_ptr<Image> image, Origin origin);
  async::awaitable<Result<bool>> fill_from_store(std::shared_ptr<Image> image, Origin origin);
  async::awaitable<Result<void>> download(std::shared_ptr<Image> image, Origin origin, DownloadPlaces::Ticket place);
  async::awaitable<Result<void>> extract(std::shared_ptr<Image> image, std::shared_ptr<store::SpoolFile> archive,
                                         Origin origin);
  async::awaitable<Result<Digest>> unpack(std::shared_ptr<store::SpoolFile> archive,
                                          std::shared_ptr<store::SpoolFile> module, registry::ExtractOptions options);
  async::awaitable<std::string> entry_point(std::shared_ptr<Image> image, Origin origin);
  async::awaitable<void> remember_audience(const Origin& origin);
  async::awaitable<std::shared_ptr<store::SpoolFile>> find_verified(Digest digest);
  async::awaitable<Result<std::shared_ptr<store::SpoolFile>>> reserve(std::uint64_t size);
  async::awaitable<void> wait_for_room(std::shared_ptr<Image> image, const Origin& origin,
                                       const registry::BlobStream& blob, DownloadPlaces::Ticket place);
  async::awaitable<void> look_around();
  void use(Image& image, Image::Phase phase, const Digest& digest, std::shared_ptr<store::SpoolFile> file,
           std::uint64_t size);

  async::asio::any_io_executor executor_;
  registry::Client& client_;
  store::Spool& spool_;
  async::asio::thread_pool& pool_;
  config::Stream settings_;
  std::function<bool()> must_pause_;
  Probe& probe_;

  std::map<std::string, std::shared_ptr<Resolution>> resolutions_;
  std::map<Key, std::shared_ptr<Image>> images_;
  struct HashSet {
    std::pair<Digest, std::uint64_t> key;
    std::weak_ptr<const std::vector<Digest>> hashes;
  };
  std::vector<HashSet> hash_sets_;  ///< those in use
  std::uint32_t hashing_ = 0;
  DownloadPlaces places_;
  std::uint32_t paused_ = 0;  ///< downloads that wait for room
  bool is_looking_around_ = false;
  async::Event room_;      ///< in the channel
  async::Event released_;  ///< a download ended, began or pauses: somebody else may begin
  async::TaskGroup group_;
};

}  // namespace propeller::stream
