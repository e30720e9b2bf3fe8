#pragma once

#include <chrono>
#include <cstdint>
#include <deque>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "mqtt/payload.hpp"
#include "registry/reference.hpp"
#include "stream/admission.hpp"
#include "stream/chunk_channel.hpp"
#include "stream/delivery_plan.hpp"
#include "stream/stream_http.hpp"

namespace propeller::stream {

/// What a direct delivery has beyond a broadcast (PROTOCOL 2.2, 2.3).
struct Direct {
  std::string topic_base;  ///< manifest and chunk topics are below it, without a trailing slash
  std::string correlation_data;
  mqtt::Encoding encoding = mqtt::Encoding::raw;
  mqtt::Compression compression = mqtt::Compression::none;
  std::uint32_t window = 8;
  std::optional<Digest> digest;
  std::optional<mqtt::Ranges> missing;

  bool is_announced = false;      ///< the manifest has left; no chunk before
  bool is_manifest_lost = false;  ///< with the connection: announced anew, without hashes
  std::uint32_t manifest_losses = 0;

  std::uint64_t received_in_order = 0;  ///< the device has every chunk below this
  std::set<std::uint64_t> outstanding;  ///< ordered or sent, and not covered by an acknowledgement; at most `window`
  steady_clock::time_point heard{};     ///< of the last acknowledgement
};

/// A device that takes part in a broadcast only if it is of these bytes.
struct DigestWish {
  std::string proplet_id;
  Digest digest;
};

/// One image on its way to one channel, or to one device of it. A value; Dispatcher decides.
struct Transfer {
  /// `paused`: a direct delivery whose device does not answer.
  enum class Stage { fetching, waiting, sending, paused };

  std::string id;
  std::size_t channel = 0;  ///< index into the configured channels
  std::string app_name;     ///< byte for byte as asked
  std::string proplet_id;   ///< of the one who asked first; may be empty
  registry::Reference reference;
  std::optional<Direct> direct;
  std::optional<steady_clock::time_point> deadline;  ///< the last one's, when several asked; none when one has none
  std::vector<DigestWish> wishes;                    ///< of a broadcast whose digest is not known yet

  Stage stage = Stage::fetching;
  LaneId lane = 0;
  ImageInfo image;
  std::uint64_t chunk_size = 0;
  std::uint64_t total_chunks = 0;
  std::optional<Digest> must_be;  ///< a begun set goes on from these bytes only
  std::uint64_t begin_at = 0;     ///< first chunk of a set that is taken up again
  bool is_taken_up = false;       ///< begun by an earlier process
  DeliveryPlan plan;
  std::deque<std::uint64_t> ordered;  ///< taken from the plan, not acknowledged by the broker, in order
  std::uint64_t paced_messages = 0;   ///< as told to the channel's Pacing
  bool is_begun = false;              ///< a chunk has left
  bool is_joined_late = false;        ///< by somebody who misses what a begun set has sent; see DeliveryPlan::join()
  bool is_told_to_wait = false;

  std::uint32_t requests = 1;  ///< devices that asked for it
  std::uint32_t refetches = 0;
  std::uint32_t breaks = 0;  ///< disconnects since the last acknowledged chunk
  std::uint64_t chunks_delivered = 0, bytes_delivered = 0, chunks_resent = 0;
  steady_clock::time_point asked{}, began{}, reported{};

  [[nodiscard]] bool is_small() const { return total_chunks == 1; }
  [[nodiscard]] bool has_begun() const { return is_begun || is_taken_up; }
  [[nodiscard]] std::uint64_t remaining_bytes() const { return (plan.remaining() + ordered.size()) * chunk_size; }
};

}  // namespace propeller::stream
