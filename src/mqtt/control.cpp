#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <limits>
#include <nlohmann/json.hpp>

#include "base/assert.hpp"
#include "mqtt/json_fields.hpp"
#include "mqtt/payload.hpp"
#include "mqtt/topics.hpp"

/// The small messages of payload.hpp: requests, acknowledgements, statuses, manifests.
namespace propeller::mqtt {

namespace {

constexpr std::size_t kStatusBytesMax = 64 * 1024;
constexpr std::size_t kStatusSentenceBytesMax = 2048;
constexpr std::size_t kManifestBytesMax = 1024 * 1024;
constexpr std::size_t kTransferBytesMax = 128;
constexpr std::uint64_t kDeadlineMillisecondsMax = 7ULL * 24 * 3600 * 1000;

using Json = nlohmann::ordered_json;

constexpr std::array<std::pair<Delivery, std::string_view>, 2> kDeliveries{
    {{Delivery::broadcast, "broadcast"}, {Delivery::direct, "direct"}}};
constexpr std::array<std::pair<Encoding, std::string_view>, 2> kEncodings{
    {{Encoding::json, "json"}, {Encoding::raw, "raw"}}};
constexpr std::array<std::pair<Compression, std::string_view>, 2> kCompressions{
    {{Compression::none, "none"}, {Compression::zstd, "zstd"}}};
constexpr std::array<std::pair<State, std::string_view>, 5> kStates{{{State::accepted, "accepted"},
                                                                     {State::fetching, "fetching"},
                                                                     {State::sending, "sending"},
                                                                     {State::done, "done"},
                                                                     {State::failed, "failed"}}};

template <class T, std::size_t N>
std::string_view name_in(const std::array<std::pair<T, std::string_view>, N>& names, T value) {
  const auto entry = std::ranges::find(names, value, &std::pair<T, std::string_view>::first);
  ASSERT(entry != names.end());
  return entry->second;
}

template <class T, std::size_t N>
std::optional<T> choice(JsonFields& fields, std::string_view field,
                        const std::array<std::pair<T, std::string_view>, N>& names) {
  const auto text = fields.text(field);
  if (!text) return std::nullopt;
  const auto entry = std::ranges::find(names, std::string_view(*text), &std::pair<T, std::string_view>::second);
  if (entry != names.end()) return entry->first;
  std::string allowed;
  for (const auto& [value, name] : names) allowed.append(allowed.empty() ? "" : ", ").append(name);
  fields.refuse(fmt::format("\"{}\" has to be one of: {}", field, allowed));
  return std::nullopt;
}

std::optional<std::uint64_t> positive(JsonFields& fields, std::string_view field) {
  const auto value = fields.number(field);
  if (value == 0) fields.refuse(fmt::format("\"{}\" has to be at least 1", field));
  return value;
}

std::optional<Digest> digest(JsonFields& fields, std::string_view field) {
  const auto text = fields.text(field);
  if (!text) return std::nullopt;
  const auto parsed = Digest::parse(*text);
  if (parsed) return *parsed;
  fields.refuse(fmt::format("\"{}\" has to be sha256: and 64 lower-case hex digits", field));
  return std::nullopt;
}

std::optional<Ranges> ranges(JsonFields& fields, std::string_view field) {
  const auto text = fields.text(field);
  if (!text) return std::nullopt;
  auto parsed = Ranges::parse(*text);
  if (parsed) return std::move(*parsed);
  fields.refuse(fmt::format("\"{}\": {}", field, parsed.error().detail));
  return std::nullopt;
}

/// A transfer id becomes a topic level of its own.
std::string transfer_of(JsonFields& fields) {
  auto transfer = fields.required_text("transfer");
  if (!fields.error() && (transfer.size() > kTransferBytesMax || !is_topic_level(transfer)))
    fields.refuse("\"transfer\" is not a transfer id");
  return transfer;
}

std::optional<std::uint32_t> small_number(JsonFields& fields, std::string_view name) {
  const auto value = positive(fields, name);
  if (!value) return std::nullopt;
  return static_cast<std::uint32_t>(std::min<std::uint64_t>(*value, std::numeric_limits<std::uint32_t>::max()));
}

Result<ProxyMessage> request_in(JsonFields& fields) {
  ImageRequest request;
  request.app_name = fields.required_text("app_name");
  if (!fields.error() && request.app_name.empty()) fields.refuse("\"app_name\" is empty");
  if (request.app_name.size() > kAppNameBytesMax)
    fields.refuse(fmt::format("\"app_name\" is longer than {} bytes", kAppNameBytesMax));
  request.proplet_id = fields.text("proplet_id").value_or(std::string());
  if (!request.proplet_id.empty() && !is_topic_level(request.proplet_id)) {
    fields.refuse("\"proplet_id\" has to be at most 128 bytes without '/', '+', '#', '$' and control characters");
  }
  request.deliver = choice(fields, "deliver", kDeliveries).value_or(request.deliver);
  request.encoding = choice(fields, "encoding", kEncodings);
  request.compression = choice(fields, "compression", kCompressions).value_or(request.compression);
  request.chunk_size = positive(fields, "chunk_size");
  request.window = small_number(fields, "window");
  request.digest = digest(fields, "digest");
  request.missing = ranges(fields, "missing");
  if (const auto deadline = positive(fields, "deadline_ms")) {
    request.deadline = std::chrono::milliseconds(std::min(*deadline, kDeadlineMillisecondsMax));
  }
  if (fields.error()) return std::unexpected(*fields.error());
  return request;
}

Result<ProxyMessage> acknowledgement_in(JsonFields& fields) {
  Acknowledgement ack{
      .transfer = transfer_of(fields), .received_in_order = fields.number("ack"), .missing = ranges(fields, "missing")};
  if (!ack.received_in_order && !ack.missing) fields.refuse("an acknowledgement needs \"ack\" or \"missing\"");
  if (fields.error()) return std::unexpected(*fields.error());
  return ack;
}

/// Text from registries and brokers may not be UTF-8; what is not becomes U+FFFD instead of an exception.
std::string dump(const Json& json) { return json.dump(-1, ' ', false, Json::error_handler_t::replace); }

}  // namespace

Result<ProxyMessage> parse_message(std::string_view json) {
  constexpr std::string_view kNames[] = {"app_name",    "proplet_id",  "deliver",  "encoding",
                                         "compression", "chunk_size",  "window",   "digest",
                                         "missing",     "deadline_ms", "transfer", "ack"};
  JsonFields fields(json, kRequestBytesMax, kNames);
  if (fields.error()) return std::unexpected(*fields.error());
  return !fields.has("app_name") && fields.has("transfer") ? acknowledgement_in(fields) : request_in(fields);
}

std::string app_name_of(std::string_view json) {
  constexpr std::string_view kNames[] = {"app_name"};
  JsonFields fields(json, kRequestBytesMax, kNames);
  auto name = fields.text("app_name").value_or(std::string());
  return fields.error() || name.size() > kAppNameBytesMax ? std::string() : name;
}

std::string encode_request(const ImageRequest& request) {
  Json json;
  json["app_name"] = request.app_name;
  if (!request.proplet_id.empty()) json["proplet_id"] = request.proplet_id;
  if (request.deliver != Delivery::broadcast) json["deliver"] = name_in(kDeliveries, request.deliver);
  if (request.encoding) json["encoding"] = name_in(kEncodings, *request.encoding);
  if (request.compression != Compression::none) json["compression"] = name_in(kCompressions, request.compression);
  if (request.chunk_size) json["chunk_size"] = *request.chunk_size;
  if (request.window) json["window"] = *request.window;
  if (request.digest) json["digest"] = request.digest->to_string();
  if (request.missing) json["missing"] = request.missing->to_string();
  if (request.deadline) json["deadline_ms"] = request.deadline->count();
  return dump(json);
}

std::string encode_acknowledgement(const Acknowledgement& ack) {
  Json json;
  json["transfer"] = ack.transfer;
  if (ack.received_in_order) json["ack"] = *ack.received_in_order;
  if (ack.missing) json["missing"] = ack.missing->to_string();
  return dump(json);
}

std::string_view to_string(State state) { return name_in(kStates, state); }

std::string encode_status(const Status& status) {
  Json json;
  json["app_name"] = status.app_name;
  json["transfer"] = status.transfer;
  if (!status.proplet_id.empty()) json["proplet_id"] = status.proplet_id;
  json["state"] = to_string(status.state);
  if (status.digest) json["digest"] = status.digest->to_string();
  if (status.source) json["source"] = status.source->to_string();
  if (status.size) json["size"] = *status.size;
  if (status.total_chunks) json["total_chunks"] = *status.total_chunks;
  if (status.sent) json["sent"] = *status.sent;
  if (!status.code.empty()) json["code"] = status.code;
  if (!status.message.empty()) json["message"] = status.message.substr(0, kStatusSentenceBytesMax);
  return dump(json);
}

Result<Status> parse_status(std::string_view json) {
  constexpr std::string_view kNames[] = {"app_name", "transfer",     "proplet_id", "state", "digest", "source",
                                         "size",     "total_chunks", "sent",       "code",  "message"};
  JsonFields fields(json, kStatusBytesMax, kNames);
  Status status;
  status.app_name = fields.required_text("app_name");
  status.transfer = fields.text("transfer").value_or(std::string());
  status.proplet_id = fields.text("proplet_id").value_or(std::string());
  const auto state = choice(fields, "state", kStates);
  if (!state) fields.refuse("\"state\" is missing");
  status.digest = digest(fields, "digest");
  status.source = digest(fields, "source");
  status.size = fields.number("size");
  status.total_chunks = fields.number("total_chunks");
  status.sent = fields.number("sent");
  status.code = fields.text("code").value_or(std::string());
  status.message = fields.text("message").value_or(std::string());
  if (fields.error()) return std::unexpected(*fields.error());
  status.state = *state;
  return status;
}

std::string encode_manifest(const DirectManifest& manifest) {
  Json json;
  json["transfer"] = manifest.transfer;
  json["app_name"] = manifest.app_name;
  if (manifest.digest) json["digest"] = manifest.digest->to_string();
  json["size"] = manifest.size;
  json["media_type"] = manifest.media_type;
  json["chunk_size"] = manifest.chunk_size;
  json["total_chunks"] = manifest.total_chunks;
  if (manifest.window) json["window"] = *manifest.window;
  json["compression"] = name_in(kCompressions, manifest.compression);
  json["encoding"] = name_in(kEncodings, manifest.encoding);
  if (!manifest.chunk_sha256.empty() && manifest.chunk_sha256.size() <= kChunkHashesMax)
    json["chunk_sha256"] = manifest.chunk_sha256;
  return dump(json);
}

Result<DirectManifest> parse_manifest(std::string_view json) {
  constexpr std::string_view kNames[] = {"transfer",    "app_name",   "digest",       "size",
                                         "media_type",  "chunk_size", "total_chunks", "window",
                                         "compression", "encoding",   "chunk_sha256"};
  JsonFields fields(json, kManifestBytesMax, kNames);
  DirectManifest manifest;
  manifest.transfer = transfer_of(fields);
  manifest.app_name = fields.required_text("app_name");
  manifest.digest = digest(fields, "digest");
  manifest.size = fields.required_number("size");
  manifest.media_type = fields.text("media_type").value_or(manifest.media_type);
  manifest.chunk_size = fields.required_number("chunk_size");
  manifest.total_chunks = fields.required_number("total_chunks");
  manifest.window = small_number(fields, "window");
  manifest.compression = choice(fields, "compression", kCompressions).value_or(manifest.compression);
  manifest.encoding = choice(fields, "encoding", kEncodings).value_or(manifest.encoding);
  manifest.chunk_sha256 = fields.texts("chunk_sha256");
  if (fields.error()) return std::unexpected(*fields.error());
  return manifest;
}

}  // namespace propeller::mqtt
