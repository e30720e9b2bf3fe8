#pragma once

#include "command.hpp"

namespace propeller::cmd {

int run_fetch(const Call& call);

inline constexpr Option kFetchOptions[] = {
    {"--output", "FILE", "Where to put the image (also -o); - is standard output"},
    {"--broker", "URL", "As --mqtt-address"},
    {"--channel", "ID", "As --channel-id"},
    {"--tenant", "ID", "As --tenant-id"},
    {"--family", "NAME", "As --topic-family"},
    {"--qos", "0|1|2", "As --mqtt-qos"},
    {"--direct", "", "For this device alone, with acknowledgements, instead of to the whole channel"},
    {"--raw", "", "Chunks as bytes instead of JSON; implies --direct"},
    {"--compression", "none|zstd", "Of each chunk; zstd implies --direct"},
    {"--window", "N", "Chunks in flight before an acknowledgement, 1 to 64 (default 8); implies --direct"},
    {"--resume", "", "Go on with what an interrupted fetch left in FILE.part; with --direct only the rest is sent"},
    {"--timeout", "DURATION", "Give up when nothing about the image came for so long (default 60s)"},
    {"--quiet", "", "No progress, only errors"},
};

constexpr Command fetch_command() {
  return {.name = "fetch",
          .synopsis = "[FLAG...] REFERENCE -o FILE",
          .summary = "Ask for an image over MQTT, as a device does",
          .description =
              "Asks the bridge on the channel for the image, puts its chunks together, verifies the digest when the\n"
              "bridge says it, and only then gives the file its name. Broker, ids, key and TLS come from the same\n"
              "variables and flags as for `run`; without an id and a key it connects anonymously. --chunk-size is a "
              "wish that a\n"
              "direct delivery heeds; a broadcast has the bridge's.",
          .options = kFetchOptions,
          .examples =
              "propeller-proxy fetch --channel c1 docker.io/acme/add:1.2 -o add.wasm\n"
              "propeller-proxy fetch --direct --raw --compression zstd acme/add -o add.wasm\n"
              "propeller-proxy fetch --direct --resume acme/add -o add.wasm",
          .exit_codes =
              "0  FILE is there, whole\n"
              "1  it failed; the first word of the last message is the code\n"
              "2  bad usage or configuration",
          .takes_configuration = true,
          .run = run_fetch};
}

}  // namespace propeller::cmd
