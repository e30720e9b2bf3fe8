#pragma once

#include "observe/metrics.hpp"

namespace propeller::stream {

/// The bridge's figures; the logic counts and knows no more.
struct Probe {
  explicit Probe(observe::Metrics& metrics);

  observe::Counter& requests;
  observe::Counter& requests_refused;
  observe::Counter& transfers_done;
  observe::Counter& chunks_sent;
  observe::Counter& bytes_sent;     ///< raw bytes of acknowledged chunks
  observe::Counter& chunks_resent;  ///< given back after a connection broke
  observe::Counter& statuses_dropped;
  observe::Counter& messages_dropped;  ///< received: too many at once, or cut because too large
  observe::Counter& downloads;         ///< blobs fetched from a registry
  observe::Counter& downloaded_bytes;
  observe::Counter& spool_hits;        ///< images that were at hand
  observe::Counter& store_hits;        ///< images that came from the content store
  observe::Counter& remembered;        ///< manifests as they were the last time: the registry did not answer
  observe::Counter& downloads_paused;  ///< times a full channel paused a download
  observe::Counter& registry_retries;
  observe::Counter& broker_disconnects;
  observe::Gauge& transfers_active;
  observe::Gauge& transfers_waiting;
  observe::Histogram& transfer_seconds;

  /// propeller_bridge_transfers_failed_total{code="…"}
  observe::Counter& failed(std::string_view code);

 private:
  observe::Metrics& metrics_;
};

}  // namespace propeller::stream
