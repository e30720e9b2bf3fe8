#pragma once

#include <atomic>
#include <boost/asio/thread_pool.hpp>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "async/core.hpp"
#include "async/event.hpp"
#include "async/task_group.hpp"
#include "config/settings.hpp"
#include "registry/client.hpp"
#include "store/spool.hpp"
#include "stream/chunk_channel.hpp"
#include "stream/image_source.hpp"
#include "stream/probe.hpp"

namespace propeller::stream {

/// What StreamMQTT has to know of an image before it can plan the sending.
struct ImageInfo {
  Digest digest;       ///< of the delivered bytes
  Digest source;       ///< of the manifest
  std::string pinned;  ///< the reference, named by the manifest's digest
  std::uint64_t size = 0;
  bool is_at_hand = false;                ///< whole, in the spool
  bool is_fallback = false;               ///< the tag does not exist, this is `latest`
  ImageSource::ChunkHashes chunk_hashes;  ///< when asked for and at hand; may be null
};

/// What a lane is to be filled with.
struct Wanted {
  registry::Reference reference;
  std::uint64_t hash_chunk_size = 0;      ///< hashes of chunks of this size are wanted; 0: none
  std::optional<Digest> begun_with = {};  ///< the bytes of a set that was begun: if they are at hand, nobody is asked
};

/// The registry worker: fills the lanes of the chunk channel with images from registries and the spool. The only
/// place of the bridge that talks to registries.
///
/// Order:    see ChunkChannel; the last chunk of an image is handed over only after its SHA-256 was verified.
/// Errors:   ChunkChannel::fail() of the lane.
/// Threads:  one of its own (`StreamHTTP`) and two for blocking work; fetch(), feed(), forget(), wake() from any.
/// Lifetime: `channel` and `probe` outlive it. stop() joins.
class StreamHttp {
 public:
  struct Options {
    config::Registry registry;
    config::Stream stream;
  };
  /// What the site keeps of registries; null: nothing. Called when the spool is open. Lifetime: until stop() is over.
  using OpenStore = std::function<store::ContentStore*()>;
  /// Called on this worker's thread.
  using OnImage = std::function<void(LaneId, ImageInfo)>;

  StreamHttp(Options options, ChunkChannel& channel, OnImage on_image, Probe& probe);
  ~StreamHttp();
  StreamHttp(const StreamHttp&) = delete;
  StreamHttp& operator=(const StreamHttp&) = delete;

  /// Opens the spool and starts the thread. Errors: io, overloaded (another process has the spool).
  [[nodiscard]] Result<void> start(const OpenStore& open_store);
  void stop();

  /// Finds the image for a lane; OnImage or a failed lane follows.
  void fetch(LaneId lane, Wanted wanted);
  /// The lane's orders are filled from now on, with chunks of this size.
  void feed(LaneId lane, std::uint64_t chunk_size);
  /// The lane was closed.
  void forget(LaneId lane);
  /// Something changed in the channel.
  void wake();

  [[nodiscard]] registry::Liveness registry_liveness() const;

 private:
  struct Lane {
    explicit Lane(const async::asio::any_io_executor& executor) : changed(executor) {}
    std::uint64_t chunk_size = 0;
    bool is_forgotten = false;
    Image* image = nullptr;  ///< while the lane is served
    Journey journey;
    async::Event changed;
  };

  async::awaitable<void> serve(LaneId id, std::shared_ptr<Lane> lane, Wanted wanted);
  async::awaitable<Result<void>> fill_orders(LaneId id, std::shared_ptr<Lane> lane);
  async::awaitable<Result<void>> fill_order(LaneId id, ChunkChannel::Order order, std::shared_ptr<Lane> lane);
  void note_liveness();
  void note_retries(LaneId id, const Lane& lane);

  Options options_;
  ChunkChannel& channel_;
  OnImage on_image_;
  Probe& probe_;

  store::Spool spool_;
  async::asio::thread_pool pool_{2};
  async::Core core_{"StreamHTTP"};
  std::unique_ptr<registry::KeptContent> kept_;  ///< null: there is no store
  std::unique_ptr<registry::Client> client_;
  std::unique_ptr<ImageSource> source_;
  std::unique_ptr<async::TaskGroup> lanes_group_;
  std::map<LaneId, std::shared_ptr<Lane>> lanes_;
  async::Event channel_changed_;
  std::atomic<bool> is_wake_pending_ = false;
  mutable std::mutex liveness_mutex_;
  registry::Liveness liveness_;
  bool is_running_ = false;
};

}  // namespace propeller::stream
