#include "stream/probe.hpp"

#include <fmt/format.h>

#include <array>

namespace propeller::stream {

namespace {
constexpr std::array<double, 10> kSeconds{0.01, 0.05, 0.1, 0.5, 1, 5, 10, 30, 55, 120};
}

Probe::Probe(observe::Metrics& metrics)
    : requests(metrics.counter("propeller_bridge_requests_total", "Requests received from devices.")),
      requests_refused(
          metrics.counter("propeller_bridge_requests_refused_total", "Requests answered with a failure at once.")),
      transfers_done(
          metrics.counter("propeller_bridge_transfers_done_total", "Transfers that were sent to the last chunk.")),
      chunks_sent(metrics.counter("propeller_bridge_chunks_sent_total", "Chunks the broker has acknowledged.")),
      bytes_sent(metrics.counter("propeller_bridge_sent_bytes_total",
                                 "Image bytes the broker has acknowledged, before encoding.")),
      chunks_resent(
          metrics.counter("propeller_bridge_chunks_resent_total", "Chunks sent again because the connection broke.")),
      statuses_dropped(metrics.counter("propeller_bridge_statuses_dropped_total",
                                       "Status messages dropped because too many waited.")),
      messages_dropped(metrics.counter("propeller_bridge_messages_dropped_total",
                                       "Received messages that were dropped or cut: too many at once, or too large.")),
      downloads(metrics.counter("propeller_bridge_downloads_total", "Blobs fetched from a registry.")),
      downloaded_bytes(
          metrics.counter("propeller_bridge_downloaded_bytes_total", "Blob bytes received from registries.")),
      spool_hits(metrics.counter("propeller_bridge_spool_hits_total", "Images that were in the spool already.")),
      store_hits(metrics.counter("propeller_bridge_store_hits_total", "Images taken from the content store.")),
      remembered(metrics.counter("propeller_bridge_remembered_manifests_total",
                                 "Images found by what a registry that did not answer had said before.")),
      downloads_paused(
          metrics.counter("propeller_bridge_downloads_paused_total", "Times a full channel paused a download.")),
      registry_retries(metrics.counter("propeller_bridge_registry_retries_total",
                                       "Registry requests sent again because of a fault.")),
      broker_disconnects(
          metrics.counter("propeller_bridge_broker_disconnects_total", "Broken or refused broker connections.")),
      transfers_active(metrics.gauge("propeller_bridge_transfers_active", "Transfers being sent.")),
      transfers_waiting(
          metrics.gauge("propeller_bridge_transfers_waiting", "Transfers accepted and not being sent yet.")),
      transfer_seconds(
          metrics.histogram("propeller_bridge_transfer_seconds", "Seconds from request to last chunk.", kSeconds)),
      metrics_(metrics) {}

observe::Counter& Probe::failed(std::string_view code) {
  return metrics_.counter("propeller_bridge_transfers_failed_total", "Transfers and requests that failed, by code.",
                          fmt::format("code=\"{}\"", code));
}

}  // namespace propeller::stream
