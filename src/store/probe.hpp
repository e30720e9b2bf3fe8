#pragma once

#include "observe/metrics.hpp"

namespace propeller::store {

/// The content store's figures; the logic counts and knows no more.
struct Probe {
  explicit Probe(observe::Metrics& metrics);

  observe::Counter& hits;       ///< joins that found the blob complete
  observe::Counter& misses;     ///< joins that began a download
  observe::Counter& collapsed;  ///< joins that found a download on its way
  observe::Counter& stored;     ///< blobs published
  observe::Counter& stored_bytes;
  observe::Counter& evicted;
  observe::Counter& refused;     ///< not kept: too large, not admitted, no room
  observe::Counter& damaged;     ///< dropped: length or digest wrong at rest
  observe::Counter& mismatches;  ///< downloads whose digest or length was wrong
  observe::Counter& take_overs;
  observe::Counter& disk_failures;  ///< writes that the disk refused
  observe::Counter& swept;          ///< drafts and strays removed at start
  observe::Gauge& bytes;
  observe::Gauge& blobs;
  observe::Gauge& storing;  ///< 0 while the disk is full, read-only or broken
};

}  // namespace propeller::store
