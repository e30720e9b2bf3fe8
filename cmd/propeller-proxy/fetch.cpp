#include "fetch.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>

#include "base/random.hpp"
#include "base/units.hpp"
#include "config/parse.hpp"
#include "config/variables.hpp"
#include "device/advice.hpp"
#include "device/fetch.hpp"
#include "mqtt/topics.hpp"

namespace propeller::cmd {

namespace {

constexpr std::uint64_t kWindowMax = 64;  // what a bridge grants at most
constexpr std::chrono::hours kTimeoutMax{24};

/// Short names for flags of the configuration.
constexpr std::array<std::pair<std::string_view, std::string_view>, 5> kShort{{{"--broker", "--mqtt-address"},
                                                                               {"--channel", "--channel-id"},
                                                                               {"--tenant", "--tenant-id"},
                                                                               {"--family", "--topic-family"},
                                                                               {"--qos", "--mqtt-qos"}}};

bool takes_value(std::string_view flag) {
  for (const auto& option : kFetchOptions) {
    if (option.flag == flag) return !option.placeholder.empty();
  }
  for (const auto& variable : config::variables()) {
    for (const auto name : variable.names()) {
      if (config::flag_of(name) == flag) return !variable.is_switch;
    }
  }
  return false;
}

struct Arguments {
  std::vector<std::string> flags;
  std::vector<std::string> references;
};

// The parser of all commands knows long flags only: takes the reference out, and makes -o a long one.
Arguments split(const std::vector<std::string>& arguments) {
  Arguments result;
  for (std::size_t i = 0; i < arguments.size(); ++i) {
    const std::string& argument = arguments[i];
    if (argument == "-o" && i + 1 < arguments.size()) {
      result.flags.push_back("--output=" + arguments[++i]);
    } else if (!argument.starts_with('-')) {
      result.references.push_back(argument);
    } else {
      result.flags.push_back(argument);
      if (takes_value(argument) && i + 1 < arguments.size()) result.flags.back() += "=" + arguments[++i];
    }
  }
  return result;
}

bool is_set(const config::Environment& environment, std::string_view name) {
  const auto found = environment.find(name);
  return found != environment.end() && !found->second.empty();
}

// A device needs less than a bridge: no spool, and on an open broker neither id nor key.
config::Loaded load_for_device(Call call, const config::Flags& flags) {
  if (!is_set(call.environment, "PROXY_SPOOL_DIR")) call.environment["PROXY_SPOOL_DIR"] = ".";
  const auto first = load_configuration(call, flags);
  const bool is_nameless = first.settings.mqtt.username.empty();
  const bool is_keyless = first.settings.mqtt.password.empty();
  if (is_nameless) call.environment["PROXY_PROPLET_ID"] = "anonymous";
  if (is_keyless) call.environment["PROXY_PROPLET_KEY"] = "none";
  auto loaded = load_configuration(call, flags);
  if (is_keyless) {
    loaded.settings.mqtt.username.clear();
    loaded.settings.mqtt.password = Secret();
  }
  return loaded;
}

/// The own flags, by value. An error is a sentence for usage_error().
class OwnFlags {
 public:
  explicit OwnFlags(const config::Flags& flags) : flags_(flags) {}

  bool has(std::string_view flag) const { return flags_.contains(flag); }
  std::string text(std::string_view flag) const {
    const auto found = flags_.find(flag);
    return found == flags_.end() ? std::string() : found->second;
  }
  std::string problem(std::string_view flag, std::string_view allowed) const {
    return fmt::format("{}={}: allowed is {}", flag, config::show_value(text(flag)), allowed);
  }

 private:
  const config::Flags& flags_;
};

std::optional<std::string> read_request(const OwnFlags& own, device::FetchOptions& options) {
  auto& request = options.download.request;
  if (own.has("--raw")) request.encoding = mqtt::Encoding::raw;
  if (own.has("--window")) {
    const auto window = config::parse_number(own.text("--window"));
    if (!window || *window == 0 || *window > kWindowMax)
      return own.problem("--window", fmt::format("1 to {}", kWindowMax));
    request.window = static_cast<std::uint32_t>(*window);
  }
  if (const auto compression = own.text("--compression"); compression == "zstd") {
    request.compression = mqtt::Compression::zstd;
  } else if (own.has("--compression") && compression != "none") {
    return own.problem("--compression", "none or zstd");
  }
  if (own.has("--direct") || request.encoding || request.window || request.compression != mqtt::Compression::none) {
    request.deliver = mqtt::Delivery::direct;
    if (!request.encoding) request.encoding = mqtt::Encoding::json;
  }
  if (own.has("--timeout")) {
    const auto timeout = config::parse_duration(own.text("--timeout"));
    if (!timeout || timeout->count() == 0 || *timeout > kTimeoutMax)
      return own.problem("--timeout", "a duration up to 24h");
    options.download.silence_max = *timeout;
  }
  const auto output = own.text("--output");
  if (output.empty()) return "-o FILE is missing: where to put the image (- is standard output)";
  if (output != "-") options.output = output;
  options.is_resumed = own.has("--resume");
  if (options.is_resumed && output == "-") return "--resume needs a file: standard output keeps nothing";
  options.is_quiet = own.has("--quiet");
  return std::nullopt;
}

// Two clients of one id throw each other off the broker, so the bridge's own is not taken.
std::string device_id(const config::Settings& settings) {
  const auto suffix = "fetch-" + base::random_hex(4);
  const auto id = settings.mqtt.username.empty() ? suffix : fmt::format("{}-{}", settings.mqtt.username, suffix);
  return mqtt::is_topic_level(id) ? id : suffix;
}

void report_failure(const Error& error) {
  fmt::print(stderr, "propeller-proxy fetch: {}\n", device::for_terminal(base::describe(error)));
  if (const auto advice = device::advice_for(base::to_string(error.code)); !advice.empty()) {
    fmt::print(stderr, "{}\n", advice);
  }
}

void report_success(const device::FetchOptions& options, const device::Delivered& delivered, double seconds) {
  if (options.is_quiet) return;
  fmt::print(
      stderr, "{}: {} in {:.2f} s, {}/s\n{} {}\n", options.output.empty() ? "-" : options.output.native(),
      base::format_bytes(delivered.size), seconds,
      base::format_bytes(static_cast<std::uint64_t>(static_cast<double>(delivered.size) / std::max(seconds, 1e-3))),
      delivered.digest.to_string(),
      delivered.is_verified ? "(verified)" : "(not verified: the bridge did not say what it should be)");
}

}  // namespace

int run_fetch(const Call& call) {
  const auto arguments = split(call.arguments);
  int exit_code = kExitOk;
  auto flags = parse_flags(command_named("fetch"), arguments.flags, exit_code);
  if (!flags) return exit_code;
  for (const auto& [brief, full] : kShort) {
    if (flags->own.contains(brief)) flags->configuration[std::string(full)] = flags->own.at(std::string(brief));
  }
  if (arguments.references.size() != 1) {
    return usage_error("fetch", arguments.references.empty() ? "the REFERENCE is missing: which image to fetch"
                                                             : "one REFERENCE at a time");
  }
  const auto loaded = load_for_device(call, flags->configuration);
  for (const auto& text : loaded.problems.errors) fmt::print(stderr, "error: {}\n", text);
  if (!loaded.problems.errors.empty()) return kExitUsage;
  const auto& settings = loaded.settings;
  if (settings.channels.size() != 1)
    return usage_error("fetch", "several channels are configured: name one with --channel");

  device::FetchOptions options{
      .mqtt = settings.mqtt, .qos = settings.channels.front().qos, .download = {}, .output = {}};
  options.mqtt.client_id = device_id(settings);
  options.download.topics = mqtt::topics_of(settings.channels.front());
  options.download.image_size_max_bytes = settings.stream.image_size_max_bytes;
  options.download.request.app_name = arguments.references.front();
  options.download.request.proplet_id = options.mqtt.client_id;
  if (flags->configuration.contains("--chunk-size")) {
    options.download.request.chunk_size = settings.stream.chunk_size_bytes;
  }
  if (const auto problem = read_request(OwnFlags(flags->own), options)) return usage_error("fetch", *problem);

  const auto begun = std::chrono::steady_clock::now();
  const auto delivered = device::fetch(options);
  if (!delivered) {
    report_failure(delivered.error());
    return kExitFailure;
  }
  report_success(options, *delivered, std::chrono::duration<double>(std::chrono::steady_clock::now() - begun).count());
  return kExitOk;
}

}  // namespace propeller::cmd
