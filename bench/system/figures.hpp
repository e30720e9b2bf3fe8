#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "system/receiver.hpp"
#include "system/site.hpp"

namespace propeller::bench {

/// One line of the table: medians over the rounds.
struct Figure {
  std::uint64_t size = 0;
  std::size_t at_once = 1;
  Delivery delivery = Delivery::broadcast;
  int round_trip_ms = 0;
  bool is_cold = false;
  double seconds = 0;
  double bytes_per_second = 0;       ///< of the images
  double wire_bytes_per_second = 0;  ///< of the messages' payloads
  double cpu_seconds_per_gib = 0;
  std::uint64_t peak_bytes = 0;
  bool is_complete = true;
};

[[nodiscard]] double median(std::vector<double> values);

struct Plan {
  std::uint64_t size = 0;
  std::size_t at_once = 1;
  Delivery delivery = Delivery::broadcast;
  bool is_cold = false;
  int rounds = 3;
};
/// Measures on the bridge that runs. A cold measurement asks for images that were never asked for.
[[nodiscard]] Figure measure(Site& site, Receiver& receiver, const Plan& plan, int round_trip_ms);

void print_head();
void print(const Figure& figure);
[[nodiscard]] std::string size_text(std::uint64_t bytes);

}  // namespace propeller::bench
