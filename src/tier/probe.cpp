#include "tier/probe.hpp"

namespace propeller::tier {

Probe::Probe(observe::Metrics& m)
    : hits(m.counter("propeller_tier_hits_total", "Downloads that the second tier made unnecessary.")),
      misses(m.counter("propeller_tier_misses_total", "Downloads that it had nothing for.")),
      skipped(m.counter("propeller_tier_skipped_total", "Downloads it was not asked about: it is out, or busy.")),
      read_errors(m.counter("propeller_tier_errors_total", "Requests that it failed.", "kind=\"read\"")),
      write_errors(m.counter("propeller_tier_errors_total", "Requests that it failed.", "kind=\"write\"")),
      wrong(m.counter("propeller_tier_wrong_total", "Objects of it with other content than their names say.")),
      read_bytes(m.counter("propeller_tier_read_bytes_total", "Bytes of the hits.")),
      uploaded(m.counter("propeller_tier_uploads_total", "Contents that it was given, or had already.")),
      uploaded_bytes(m.counter("propeller_tier_uploaded_bytes_total", "Bytes that it was given.")),
      dropped(m.counter("propeller_tier_dropped_total", "Contents that it was not given: it is out, or behind.")),
      up(m.gauge("propeller_tier_up", "1 while the second tier is asked, 0 while it is out.")),
      waiting(m.gauge("propeller_tier_uploads_waiting", "Contents that it is to be given.")) {}

}  // namespace propeller::tier
