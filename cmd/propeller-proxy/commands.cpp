#include "command.hpp"

#include "base/assert.hpp"
#include "fetch.hpp"

namespace propeller::cmd {

namespace {

constexpr Option kCheckOptions[] = {
    {"--strict", "", "Count warnings as errors"},
    {"--markdown", "", "Print the table of variables for the README instead"},
    {"--manual", "", "Print the manual page instead"},
};

constexpr Option kHealthcheckOptions[] = {
    {"--drain-file", "FILE", "Unhealthy while this file exists: takes the process out of service before it is stopped"},
    {"--ready", "", "Ask /ready instead of /health"},
    {"--timeout", "DURATION", "How long to wait for the answer (default 3s)"},
    {"--http-port", "PORT", "As PROXY_HTTP_PORT (default 9191)"},
    {"--http-address", "ADDRESS", "As PROXY_HTTP_ADDRESS (default 127.0.0.1; a wildcard is asked over loopback)"},
};

constexpr std::string_view kServiceExits =
    "0  stopped by SIGTERM or SIGINT\n"
    "1  failure at run time: a port is taken, the spool cannot be opened; or a second signal\n"
    "2  bad usage or configuration";

constexpr Command kCommands[] = {
    {.name = "run",
     .synopsis = "[FLAG...]",
     .summary = "Run the bridge (the default command)",
     .description =
         "Subscribes to the request topic of each channel, downloads the WASM images that devices ask for from an OCI\n"
         "registry, and publishes them in chunks. Health, readiness and metrics are on PROXY_HTTP_PORT. SIGTERM and\n"
         "SIGINT let transfers in progress finish within PROXY_SHUTDOWN_TIMEOUT; a second one ends at once.",
     .options = {},
     .examples = "PROXY_PROPLET_ID=p1 PROXY_PROPLET_KEY=secret PROXY_CHANNEL_ID=c1 propeller-proxy\n"
                 "propeller-proxy run --mqtt-address ssl://broker.example.org:8883 --registry-url ghcr.io/acme\n"
                 "propeller-proxy --log-level debug --chunk-size 128KiB",
     .exit_codes = kServiceExits,
     .takes_configuration = true,
     .run = run_run},
    {.name = "check",
     .synopsis = "[--strict] [FLAG...]",
     .summary = "Validate the configuration and print it",
     .description = "Prints the configuration that `run` would use, with where each value comes from and without "
                    "secrets, then every\n"
                    "warning and error, on standard error.",
     .options = kCheckOptions,
     .examples = "propeller-proxy check\n"
                 "propeller-proxy check --strict --mqtt-qos 2",
     .exit_codes = "0  the configuration can be used\n"
                   "2  it cannot, or --strict and there are warnings",
     .takes_configuration = true,
     .run = run_check},
    fetch_command(),
    {.name = "healthcheck",
     .synopsis = "[--drain-file FILE] [--ready] [--timeout DURATION]",
     .summary = "Ask the health port of the bridge on this machine (for containers)",
     .description = "Asks http://PROXY_HTTP_ADDRESS:PROXY_HTTP_PORT/health. Healthy means: connected and subscribed to "
                    "the broker.\n"
                    "Ready means: healthy, and the registry answered lately or has not been asked.",
     .options = kHealthcheckOptions,
     .examples = "propeller-proxy healthcheck\n"
                 "propeller-proxy healthcheck --drain-file /run/propeller-proxy/drain",
     .exit_codes = "0  healthy\n"
                   "1  not healthy, no answer, or the drain file exists\n"
                   "2  bad usage",
     .takes_configuration = false,
     .run = run_healthcheck},
    {.name = "version",
     .synopsis = "",
     .summary = "Print the version",
     .description = "Prints the name and the version.",
     .options = {},
     .examples = "propeller-proxy version",
     .exit_codes = "0  always",
     .takes_configuration = false,
     .run = run_version},
};

}  // namespace

std::span<const Command> commands() { return kCommands; }

const Command& command_named(std::string_view name) {
  for (const auto& command : kCommands) {
    if (command.name == name) return command;
  }
  ASSERT(false && "a command names itself");
  return kCommands[0];
}

}  // namespace propeller::cmd
