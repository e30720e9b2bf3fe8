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

constexpr Option kTrustOptions[] = {
    {"--user", "NAME", "Whose browsers' database (NSS) is meant; default: of who runs this"},
    {"--skip-system-trust", "", "Leave the system's bundle and Java's key stores alone"},
    {"--skip-user-trust", "", "Leave the browsers' database alone"},
};

constexpr Option kImportOptions[] = {
    {"--public", "", "Anybody may have what is in there"},
};

constexpr Option kCacheOptions[] = {
    {"--host", "HOST", "ls, rm: what came from there"},
    {"--repository", "NAME", "ls, rm: of a registry, with or without its host: ghcr.io/owner/image"},
    {"--prefix", "URL", "ls, rm: whose key begins so"},
    {"--digest", "DIGEST", "ls: with this content"},
    {"--kind", "KIND", "ls: digest (content that its path names), tag, or http (all else)"},
    {"--digests", "", "ls: show each one's digest too"},
    {"--json", "", "ls: an object a line, with all there is to know"},
    {"--platform", "OS/ARCHITECTURE", "pull: of an image for several (default: this machine's, on linux)"},
    {"--unnamed", "", "gc: drop blobs that no entry names and nobody has pinned, too"},
};

constexpr Option kEnvOptions[] = {
    {"--shell", "FORM", "sh (default), fish, systemd (a drop-in) or docker (a file for --env-file)"},
    {"--host", "HOST",
     "The name or address by which clients reach the proxy, from a container say (default: this machine)"},
};

constexpr Option kExecOptions[] = {
    {"--wait", "DURATION", "How long the proxy may take to be healthy (default 30s)"},
};

constexpr Option kInitOptions[] = {
    {"--child", "COMMAND", "What to start, with quotes as in a shell but without one; several are started in order"},
    {"--wait", "DURATION", "How long the proxy may take to be healthy (default 10s)"},
    {"--stop-timeout", "DURATION", "How long each program may take to end before it is killed (default 5s)"},
    kTrustOptions[0],
    kTrustOptions[1],
    kTrustOptions[2],
};

constexpr std::string_view kTrustExits =
    "0  every store that is there is as it was asked for\n"
    "1  one is not, or there is none\n"
    "2  bad usage or configuration";

constexpr std::string_view kServiceExits =
    "0  stopped by SIGTERM or SIGINT\n"
    "1  failure at run time: a port is taken, the spool cannot be opened, another process has the cache;\n"
    "   or a second signal\n"
    "2  bad usage or configuration";

constexpr Command kCommands[] = {
    {.name = "run",
     .synopsis = "[FLAG...]",
     .summary = "Run what is configured: the bridge, the forward proxy, or both (the default command)",
     .description =
         "The bridge runs when ids or a broker are set: it subscribes to the request topic of each channel, downloads\n"
         "the WASM images that devices ask for, and publishes them in chunks. The forward proxy runs with a file\n"
         "(propeller-proxy.yaml) that has `proxy:`, `cache:` or `mirror:`, with PROXY_PORT, or when nothing at all\n"
         "is configured: HTTP, intercepted HTTPS and SOCKS on one port, a cache, and its API. docs/configuration.md\n"
         "has the keys of the file.\n"
         "Health, readiness and metrics are on PROXY_HTTP_PORT. SIGTERM and SIGINT let what is in progress finish\n"
         "within PROXY_SHUTDOWN_TIMEOUT; a second one ends at once. SIGHUP, or saving the file, reads it again.",
     .options = {},
     .examples = "PROXY_PROPLET_ID=p1 PROXY_PROPLET_KEY=secret PROXY_CHANNEL_ID=c1 propeller-proxy\n"
                 "propeller-proxy run --config /etc/propeller-proxy/propeller-proxy.yaml\n"
                 "propeller-proxy run --proxy-port 3128 --cert-dir /var/lib/propeller-proxy/certs\n"
                 "propeller-proxy run --mqtt-address ssl://broker.example.org:8883 --registry-url ghcr.io/acme\n"
                 "propeller-proxy --log-level debug --chunk-size 128KiB",
     .exit_codes = kServiceExits,
     .takes_configuration = true,
     .takes_site = true,
     .run = run_run},
    {.name = "check",
     .synopsis = "[--strict] [FLAG...]",
     .summary = "Validate the configuration and print it",
     .description = "Prints the configuration that `run` would use, with where each value comes from and without "
                    "secrets, then every\n"
                    "warning and error of the planes that would run, with file and line, on standard error.",
     .options = kCheckOptions,
     .examples = "propeller-proxy check\n"
                 "propeller-proxy check --config propeller-proxy.yaml\n"
                 "propeller-proxy check --strict --mqtt-qos 2",
     .exit_codes = "0  the configuration can be used\n"
                   "2  it cannot, or --strict and there are warnings",
     .takes_configuration = true,
     .takes_site = true,
     .run = run_check},
    fetch_command(),
    {.name = "healthcheck",
     .synopsis = "[--drain-file FILE] [--ready] [--timeout DURATION]",
     .summary = "Ask the health port of the process on this machine (for containers)",
     .description =
         "Asks http://PROXY_HTTP_ADDRESS:PROXY_HTTP_PORT/health. Healthy means: the bridge, where it runs, is\n"
         "connected and subscribed to the broker, and the forward proxy, where it runs, listens. Ready\n"
         "means: healthy, not stopping, and the registry answered lately or has not been asked.",
     .options = kHealthcheckOptions,
     .examples = "propeller-proxy healthcheck\n"
                 "propeller-proxy healthcheck --drain-file /run/propeller-proxy/drain",
     .exit_codes = "0  healthy\n"
                   "1  not healthy, no answer, or the drain file exists\n"
                   "2  bad usage",
     .takes_configuration = false,
     .run = run_healthcheck},
    {.name = "trust",
     .synopsis = "install|remove|status [FLAG...]",
     .summary = "Make the programs of this machine trust the forward proxy's authority",
     .description =
         "Puts ca.crt of tls.cert_dir into the system's certificates (Debian, Alpine, Fedora), the browsers' database\n"
         "(NSS, with certutil) and Java's key stores (with keytool), as far as they are there, takes it out again, or\n"
         "says where it is. `install` makes the authority when there is none yet. Nothing counts as installed\n"
         "that was not found there afterwards. The system's stores want root.",
     .options = kTrustOptions,
     .examples = "sudo propeller-proxy trust install --config /etc/propeller-proxy/propeller-proxy.yaml --user ann\n"
                 "propeller-proxy trust status --cert-dir ./certs\n"
                 "propeller-proxy trust install --cert-dir ./certs --skip-system-trust",
     .exit_codes = kTrustExits,
     .takes_configuration = false,
     .takes_site = true,
     .run = run_trust},
    {.name = "init-certs",
     .synopsis = "[FLAG...]",
     .summary = "As `trust install`, under the name it has with existing proxies",
     .description = "Makes the authority when there is none, and installs it. Flags may have one dash.",
     .options = kTrustOptions,
     .examples = "propeller-proxy init-certs -config config.yaml -user ann",
     .exit_codes = kTrustExits,
     .takes_configuration = false,
     .takes_site = true,
     .run = run_init_certs},
    {.name = "env",
     .synopsis = "[--shell FORM] [--host HOST] [FLAG...]",
     .summary = "Print the variables with which programs use the forward proxy",
     .description =
         "HTTP_PROXY, HTTPS_PROXY, ALL_PROXY and NO_PROXY, in both cases, and where programs look for authorities.\n"
         "Those that add a file to their own list (Node.js, Deno) get ca.crt of tls.cert_dir; those that replace it "
         "get\n"
         "bundle.crt there, which is made of the system's list and ours and brought up to date. NO_PROXY of the\n"
         "caller is kept. The authority has to be there: the proxy makes it when it starts first.",
     .options = kEnvOptions,
     .examples = "eval \"$(propeller-proxy env --config /etc/propeller-proxy/propeller-proxy.yaml)\"\n"
                 "propeller-proxy env --shell fish | source\n"
                 "propeller-proxy env --shell systemd > /etc/systemd/system/docker.service.d/proxy.conf\n"
                 "propeller-proxy env --shell docker --host 172.17.0.1 > proxy.env",
     .exit_codes = "0  printed\n"
                   "1  there is no authority yet, or its port is not known\n"
                   "2  bad usage or configuration",
     .takes_configuration = false,
     .takes_site = true,
     .run = run_env},
    {.name = "exec",
     .synopsis = "[--wait DURATION] [FLAG...] -- COMMAND [ARGUMENT...]",
     .summary = "Start a program with those variables once the forward proxy is healthy",
     .description =
         "Waits until the proxy's API answers, then becomes COMMAND (execvp): its signals and its exit code\n"
         "are its own.",
     .options = kExecOptions,
     .examples = "propeller-proxy exec -- npm ci\n"
                 "propeller-proxy exec --wait 5s --config propeller-proxy.yaml -- sh -c 'curl -sS https://example.org'",
     .exit_codes = "125  the proxy is not healthy in time, or has no authority\n"
                   "126  COMMAND cannot be started\n"
                   "127  there is no such COMMAND\n"
                   "2    bad usage or configuration\n"
                   "else that of COMMAND",
     .takes_configuration = false,
     .takes_site = true,
     .run = run_exec},
    {.name = "init",
     .synopsis = "--child COMMAND [--child COMMAND...] [FLAG...]",
     .summary = "Process 1 of a container: the forward proxy first, then programs that use it",
     .description =
         "Makes the authority and installs it as `trust install` does (what fails there is a warning), starts\n"
         "`propeller-proxy run`, waits until it is healthy, and starts each COMMAND with the variables of `env`, in\n"
         "order. When the proxy is not healthy in time they are started all the same, without the variables, and a\n"
         "line says so. A COMMAND is taken apart as a shell does ('...', \"...\", backslash) but nothing is expanded;\n"
         "use sh -c '...' for that. They have no standard input.\n"
         "Orphans are reaped. SIGHUP goes to all, SIGUSR1, SIGUSR2, SIGQUIT and SIGWINCH to each COMMAND. SIGTERM and\n"
         "SIGINT stop all of them, in reverse order, each within --stop-timeout; a second one kills them. When one\n"
         "COMMAND ends by itself, the others are stopped too. The proxy is started again when it ends.",
     .options = kInitOptions,
     .examples = "propeller-proxy init --child dockerd --child \"agent-api --listen 0.0.0.0:8080\"\n"
                 "propeller-proxy init --config /data/propeller-proxy.yaml --child \"sh -c 'exec my-server $PORT'\"",
     .exit_codes = "0    stopped by SIGTERM or SIGINT\n"
                   "2    bad usage\n"
                   "else that of the first COMMAND that ended by itself: 128 + the signal that killed it, 127 when it\n"
                   "     could not be started",
     .takes_configuration = false,
     .takes_site = true,
     .run = run_init},
    {.name = "cache",
     .synopsis = "ls|rm|pull|pin|unpin|verify|gc [DIGEST|KEY|IMAGE] [FLAG...]",
     .summary = "Show and change what the running forward proxy has kept",
     .description =
         "Asks the API of the proxy that runs with this configuration, with its token where this user may read it.\n"
         "`ls` lists what is kept. `rm` removes a DIGEST with every entry that names it, a KEY as `ls` shows it, or "
         "all\n"
         "that fits --prefix, --repository or --host. `pull` fetches an IMAGE through the registry mirror, so that it "
         "is\n"
         "there before a client asks. What is pinned is not evicted, nor removed with its entries;\n"
         "at most half of cache.max_size can be. `verify` reads every blob again and drops what is damaged. `gc`\n"
         "gives the disk cache.min_free back, takes in or removes files that the index does not know, drops entries\n"
         "whose content is gone; with --unnamed also content that is there by its digest alone.",
     .options = kCacheOptions,
     .examples = "propeller-proxy cache ls --config /etc/propeller-proxy/propeller-proxy.yaml\n"
                 "propeller-proxy cache ls --repository library/alpine --json\n"
                 "propeller-proxy cache rm --prefix https://deb.debian.org/\n"
                 "propeller-proxy cache rm https://example.org/page\n"
                 "propeller-proxy cache pull ghcr.io/owner/image:tag --platform linux/arm64\n"
                 "propeller-proxy cache verify",
     .exit_codes = "0  done\n"
                   "1  the proxy does not answer, it refused, nothing was there to remove, or verify found damage\n"
                   "2  bad usage or configuration",
     .takes_configuration = false,
     .takes_site = true,
     .run = run_cache},
    {.name = "import-cache",
     .synopsis = "[FLAG...] DIRECTORY",
     .summary = "Take over the cache directory of an existing proxy",
     .description =
         "Reads DIRECTORY (cache.dir of the existing proxy) into our cache.dir, once: bodies whose key names\n"
         "their digest are verified and kept, everything else is counted. The old files stay as they are.\n"
         "The proxy must not be running on our cache.dir meanwhile.\n"
         "The old cache does not say who might have what is in it. With --public anybody may, by URL, as before;\n"
         "without, it is kept by digest and given to nobody until it has been asked for from its source.",
     .options = kImportOptions,
     .examples = "propeller-proxy import-cache --config propeller-proxy.yaml --public /.data/proxy/cache",
     .exit_codes = "0  what can be used is there\n"
                   "1  the directory or our cache cannot be opened, or something did not fit\n"
                   "2  bad usage or configuration",
     .takes_configuration = false,
     .takes_site = true,
     .run = run_import_cache},
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
