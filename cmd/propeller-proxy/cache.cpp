// `cache`: what the running proxy has kept, seen and changed through its API.
#include <fmt/format.h>
#include <unistd.h>

#include <array>
#include <nlohmann/json.hpp>

#include "api_client.hpp"
#include "command.hpp"
#include "config/parse.hpp"
#include "observe/escape.hpp"
#include "registry/url.hpp"

namespace propeller::cmd {

using nlohmann::json;

namespace {

constexpr std::string_view kEntriesPath = "/api/cache/entries";
constexpr std::size_t kPage = 1000;
constexpr int kOk = 200;

/// One call of `cache`.
struct CacheCall {
  std::vector<std::string> words = {};  ///< behind the action
  Parsed flags;
  ApiClient api;

  [[nodiscard]] bool has(std::string_view flag) const { return flags.own.contains(flag); }
  [[nodiscard]] std::string get(std::string_view flag) const {
    const auto found = flags.own.find(flag);
    return found == flags.own.end() ? std::string() : found->second;
  }
};

constexpr std::size_t kShownBytesMax = 16 * 1024;

int failed(std::string_view why) {
  // A registry's own words may be in it: nothing there may move the terminal's cursor.
  fmt::print(stderr, "propeller-proxy cache: {}\n", observe::text_message(why, kShownBytesMax));
  return kExitFailure;
}

std::string reason_of(const ApiReply& reply) {
  const auto found = reply.body.is_object() ? reply.body.find("error") : reply.body.end();
  if (reply.body.is_object() && found != reply.body.end() && found->is_string()) return found->get<std::string>();
  return fmt::format("the API answered {}", reply.status);
}

/// The body of an answer that says 200.
Result<json> asked(const CacheCall& call, const ApiRequest& request) {
  auto reply = call.api.ask(request);
  if (!reply) return std::unexpected(reply.error());
  if (reply->status != kOk) return fail(Code::bad_request, Origin::client, reason_of(*reply));
  return std::move(reply->body);
}

std::string text_of(const json& object, std::string_view name) {
  const auto found = object.find(name);
  return found != object.end() && found->is_string() ? found->get<std::string>() : std::string();
}

std::uint64_t number_of(const json& object, std::string_view name) {
  const auto found = object.find(name);
  return found != object.end() && found->is_number_unsigned() ? found->get<std::uint64_t>() : 0;
}

bool flag_of(const json& object, std::string_view name) {
  const auto found = object.find(name);
  return found != object.end() && found->is_boolean() && found->get<bool>();
}

std::string readable_bytes(std::uint64_t bytes) {
  constexpr std::array kUnits{"B", "KiB", "MiB", "GiB", "TiB"};
  constexpr double kStep = 1024;
  auto value = static_cast<double>(bytes);
  std::size_t unit = 0;
  for (; value >= kStep && unit + 1 < kUnits.size(); ++unit) value /= kStep;
  return unit == 0 ? fmt::format("{} B", bytes) : fmt::format("{:.1f} {}", value, kUnits[unit]);
}

std::string filters_of(const CacheCall& call) {
  std::string query;
  for (const std::string_view name : {"host", "prefix", "repository", "digest", "kind"}) {
    const auto value = call.get(fmt::format("--{}", name));
    if (!value.empty()) query += fmt::format("&{}={}", name, registry::percent_encode(value));
  }
  return query;
}

void print_row(const json& entry, bool has_digests) {
  const auto freshness = entry.find("freshness");
  const auto state = freshness == entry.end() ? std::string("-") : text_of(*freshness, "state");
  const auto key = text_of(entry, "key");
  auto used = text_of(entry, "last_used");
  if (used.empty()) used = "-";
  fmt::print("{:>10}  {:<6}  {:<5}  {:<20}  {:<3}  {}{}\n", readable_bytes(number_of(entry, "size")),
             text_of(entry, "kind"), state, used, flag_of(entry, "pinned") ? "pin" : "-",
             has_digests ? fmt::format("{:<71}  ", text_of(entry, "digest")) : "",
             key.empty() ? text_of(entry, "digest") : observe::text_message(key, kShownBytesMax));
}

/// What stands in a table goes to a terminal: nothing there may move its cursor. The API's keys have no controls.
int list(const CacheCall& call) {
  if (!call.words.empty()) return usage_error("cache", "ls takes no words; --prefix, --host and others choose");
  const bool is_json = call.has("--json");
  const bool has_digests = call.has("--digests");
  std::string cursor;
  bool is_first = true;
  for (;;) {
    const auto page =
        asked(call, {.path = fmt::format("{}?limit={}{}{}", kEntriesPath, kPage, filters_of(call),
                                         cursor.empty() ? "" : "&cursor=" + registry::percent_encode(cursor))});
    if (!page) return failed(page.error().detail);
    if (is_first && !is_json)
      fmt::print("{:>10}  {:<6}  {:<5}  {:<20}  {:<3}  {}KEY\n", "SIZE", "KIND", "STATE", "LAST USED", "PIN",
                 has_digests ? fmt::format("{:<71}  ", "DIGEST") : "");
    is_first = false;
    const auto entries = page->find("entries");
    if (entries == page->end() || !entries->is_array()) return failed("the API's answer has no entries");
    for (const auto& entry : *entries) {
      if (is_json)
        fmt::print("{}\n", entry.dump());
      else
        print_row(entry, has_digests);
    }
    cursor = text_of(*page, "cursor");
    if (cursor.empty()) return kExitOk;
  }
}

int purge(const CacheCall& call, const json& what) {
  const auto gone = asked(call, {.method = "POST", .path = "/api/cache/purge", .body = what.dump()});
  if (!gone) return failed(gone.error().detail);
  const auto entries = number_of(*gone, "entries");
  fmt::print("{} {}, {} removed\n", entries, entries == 1 ? "entry" : "entries",
             readable_bytes(number_of(*gone, "bytes")));
  return entries == 0 ? kExitFailure : kExitOk;
}

bool is_digest(std::string_view word) { return word.starts_with("sha256:") || word.starts_with("sha512:"); }

int remove(const CacheCall& call) {
  json what = json::object();
  for (const std::string_view name : {"prefix", "repository", "host"}) {
    const auto value = call.get(fmt::format("--{}", name));
    if (!value.empty()) what[std::string(name)] = value;
  }
  if (call.words.empty() == what.empty())
    return usage_error("cache", "rm takes a DIGEST or KEY, or --prefix, --repository or --host");
  if (!what.empty()) return purge(call, what);
  if (call.words.size() > 1) return usage_error("cache", "rm takes one DIGEST or KEY at a time");
  const auto& word = call.words.front();
  if (!is_digest(word)) return purge(call, {{"key", word}});
  const auto gone = asked(call, {.method = "DELETE", .path = "/api/cache/" + registry::percent_encode(word)});
  if (!gone) return failed(gone.error().detail);
  fmt::print("{} removed\n", readable_bytes(number_of(*gone, "bytes")));
  return kExitOk;
}

int set_pin(const CacheCall& call, bool is_pinned) {
  if (call.words.size() != 1 || !is_digest(call.words.front()))
    return usage_error("cache", "pin and unpin take one DIGEST: `propeller-proxy cache ls --digests` shows them");
  const auto done = asked(call, {.method = is_pinned ? "PUT" : "DELETE",
                                 .path = "/api/cache/pins/" + registry::percent_encode(call.words.front())});
  return done ? kExitOk : failed(done.error().detail);
}

/// A line that is written over, where somebody looks at it.
void show_progress(const std::string& line) {
  static const bool is_terminal = ::isatty(STDERR_FILENO) == 1;
  if (is_terminal) fmt::print(stderr, "\r\x1b[K{}", line);
}

/// Listens to the end; the last event's data.
Result<json> worked(const CacheCall& call, const ApiRequest& request,
                    const std::function<void(std::string_view name, const json& data)>& show) {
  json last;
  std::string end;
  const auto reply = call.api.listen(request, [&](std::string_view name, const json& data) {
    show(name, data);
    last = data;
    end = name;
    return name == "progress";
  });
  show_progress("");
  if (!reply) return std::unexpected(reply.error());
  if (reply->status != kOk) return fail(Code::bad_request, Origin::client, reason_of(*reply));
  if (end == "error") return fail(Code::io, Origin::internal, text_of(last, "error"));
  if (end != "done") return fail(Code::io, Origin::upstream, "the proxy ended before it was done");
  return last;
}

int verify(const CacheCall& call) {
  if (!call.words.empty()) return usage_error("cache", "verify takes no words");
  const auto show = [](std::string_view, const json& data) {
    for (const auto& digest : data.value("dropped", json::array())) {
      if (digest.is_string()) fmt::print("damaged, dropped: {}\n", digest.get<std::string>());
    }
    show_progress(fmt::format("{} of {} blobs, {}", number_of(data, "blobs"), number_of(data, "blobs_total"),
                              readable_bytes(number_of(data, "bytes"))));
  };
  const auto done = worked(call, {.method = "POST", .path = "/api/cache/verify"}, show);
  if (!done) return failed(done.error().detail);
  const auto damaged = number_of(*done, "damaged");
  fmt::print("{} blobs, {} read, {} damaged\n", number_of(*done, "blobs"), readable_bytes(number_of(*done, "bytes")),
             damaged);
  return damaged == 0 ? kExitOk : kExitFailure;
}

int sweep(const CacheCall& call) {
  if (!call.words.empty()) return usage_error("cache", "gc takes no words");
  const auto show = [](std::string_view, const json& data) {
    show_progress(fmt::format("{} freed", readable_bytes(number_of(data, "bytes"))));
  };
  const auto done = worked(
      call, {.method = "POST", .path = "/api/cache/gc", .body = call.has("--unnamed") ? R"({"unnamed":true})" : ""},
      show);
  if (!done) return failed(done.error().detail);
  fmt::print(
      "{} freed: {} blobs evicted, {} stray files removed, {} taken in, {} entries without content, {} blobs without "
      "an entry\n",
      readable_bytes(number_of(*done, "bytes")), number_of(*done, "evicted"), number_of(*done, "removed"),
      number_of(*done, "adopted"), number_of(*done, "entries"), number_of(*done, "unnamed"));
  return kExitOk;
}

int pull(const CacheCall& call) {
  if (call.words.size() != 1) return usage_error("cache", "pull takes one image: ghcr.io/owner/image:tag");
  json what = {{"reference", call.words.front()}};
  if (call.has("--platform")) what["platform"] = call.get("--platform");
  const auto show = [](std::string_view, const json& data) {
    show_progress(fmt::format("{} of {} blobs, {} of {}", number_of(data, "blobs"), number_of(data, "blobs_total"),
                              readable_bytes(number_of(data, "bytes")),
                              readable_bytes(number_of(data, "bytes_total"))));
  };
  const auto done = worked(call, {.method = "POST", .path = "/api/cache/pull", .body = what.dump()}, show);
  if (!done) return failed(done.error().detail);
  fmt::print("{}\n{} blobs, {}, {} of them there already\n", text_of(*done, "digest"), number_of(*done, "blobs"),
             readable_bytes(number_of(*done, "bytes")), number_of(*done, "from_cache"));
  return kExitOk;
}

int act(std::string_view action, const CacheCall& call) {
  if (action == "ls") return list(call);
  if (action == "rm") return remove(call);
  if (action == "pin") return set_pin(call, true);
  if (action == "unpin") return set_pin(call, false);
  if (action == "pull") return pull(call);
  if (action == "verify") return verify(call);
  if (action == "gc") return sweep(call);
  return usage_error("cache", fmt::format("unknown action {}: ls, rm, pull, pin, unpin, verify and gc are there",
                                          config::show_value(std::string(action))));
}

}  // namespace

int run_cache(const Call& call) {
  const auto& command = command_named("cache");
  auto arguments = call.arguments;
  auto words = take_words(command, arguments);
  int exit_code = kExitOk;
  auto flags = parse_flags(command, arguments, exit_code);
  if (!flags) return exit_code;
  if (words.empty()) return usage_error("cache", "say what to do: ls, rm, pull, pin, unpin, verify or gc");
  const auto configuration = load_forward_configuration(call, flags->configuration);
  print_problems(configuration.problems);
  if (!configuration.problems.errors.empty()) return kExitUsage;
  const auto& api = configuration.settings.api;
  if (api.listen.port == 0)
    return usage_error("cache", "proxy.api_port is 0: say with --api-port which port the proxy got");
  const auto action = words.front();
  words.erase(words.begin());
  return act(action, {.words = std::move(words), .flags = std::move(*flags), .api = ApiClient(api)});
}

}  // namespace propeller::cmd
