#include "store/probe.hpp"

namespace propeller::store {

Probe::Probe(observe::Metrics& metrics)
    : hits(metrics.counter("propeller_store_hits_total", "Askers that found the blob complete.")),
      misses(metrics.counter("propeller_store_misses_total", "Askers that began a download.")),
      collapsed(metrics.counter("propeller_store_collapsed_total", "Askers that joined a download on its way.")),
      stored(metrics.counter("propeller_store_stored_total", "Blobs stored.")),
      stored_bytes(metrics.counter("propeller_store_stored_bytes_total", "Bytes of the blobs stored.")),
      evicted(metrics.counter("propeller_store_evicted_total", "Blobs that made room for others.")),
      refused(metrics.counter("propeller_store_refused_total", "Blobs not kept: too large, not admitted, no room.")),
      damaged(metrics.counter("propeller_store_damaged_total", "Blobs dropped because their file was wrong.")),
      mismatches(metrics.counter("propeller_store_mismatches_total", "Downloads whose digest or length was wrong.")),
      take_overs(metrics.counter("propeller_store_take_overs_total", "Downloads that another reader went on with.")),
      disk_failures(metrics.counter("propeller_store_disk_failures_total", "Writes that the disk refused.")),
      swept(metrics.counter("propeller_store_swept_total", "Files of a crash removed at start.")),
      bytes(metrics.gauge("propeller_store_bytes", "Bytes of the store, drafts included.")),
      blobs(metrics.gauge("propeller_store_blobs", "Blobs in the store.")),
      storing(metrics.gauge("propeller_store_storing", "0 while the disk is full, read-only or broken.")) {}

}  // namespace propeller::store
