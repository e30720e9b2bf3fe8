#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "base/digest.hpp"
#include "base/error.hpp"
#include "mqtt/ranges.hpp"

/// The JSON of the wire (PROTOCOL 1.2, 2.1 to 2.3), both directions: the bridge writes chunks, statuses and
/// manifests, `fetch` and the tests read them. Pure functions.
namespace propeller::mqtt {

inline constexpr std::size_t kRequestBytesMax = 64 * 1024;
inline constexpr std::size_t kAppNameBytesMax = 1024;

enum class Delivery { broadcast, direct };
enum class Encoding { json, raw };
enum class Compression { none, zstd };

/// A wish for an image: `{"app_name":…}` and the options of PROTOCOL 2.2. Unset means "as the bridge likes".
struct ImageRequest {
  std::string app_name = {};  ///< byte for byte as it came; never normalised
  std::string proplet_id = {};
  Delivery deliver = Delivery::broadcast;
  std::optional<Encoding> encoding = {};
  Compression compression = Compression::none;
  std::optional<std::uint64_t> chunk_size = {};
  std::optional<std::uint32_t> window = {};
  std::optional<Digest> digest = {};
  std::optional<Ranges> missing = {};
  std::optional<std::chrono::milliseconds> deadline = {};
};

/// `{"transfer":"…","ack":n}` or `{"transfer":"…","missing":"3-7,9"}`.
struct Acknowledgement {
  std::string transfer = {};
  std::optional<std::uint64_t> received_in_order = {};
  std::optional<Ranges> missing = {};
};

using ProxyMessage = std::variant<ImageRequest, Acknowledgement>;

/// What arrives on `…/proplet`. Bound: kRequestBytesMax, nesting 8. Errors: bad_request with a sentence; where the
/// text is JSON with a usable app_name but another field is wrong, `app_name_of` still finds it for the status.
[[nodiscard]] Result<ProxyMessage> parse_message(std::string_view json);
/// The app_name of a request that parse_message refused, if there is one.
[[nodiscard]] std::string app_name_of(std::string_view json);

/// JSON text of one chunk: `{"app_name":"…","chunk_idx":0,"total_chunks":21,"data":"<base64>"}`, compact, in this
/// order. Writes the base64 straight into the result: one pass over `bytes`, one allocation.
[[nodiscard]] std::string encode_chunk(std::string_view app_name, std::uint64_t index, std::uint64_t total,
                                       std::span<const std::byte> bytes);
/// Size in bytes of what encode_chunk would write.
[[nodiscard]] std::size_t encoded_chunk_size(std::string_view app_name, std::uint64_t index, std::uint64_t total,
                                             std::size_t bytes);
/// The most raw bytes a chunk may hold so that its message stays within `message_bytes_max`; 0 when nothing fits.
[[nodiscard]] std::size_t raw_bytes_that_fit(std::string_view app_name, std::uint64_t total,
                                             std::size_t message_bytes_max);

struct ChunkMessage {
  std::string app_name = {};
  std::uint64_t index = 0;
  std::uint64_t total = 0;
  std::string data = {};  ///< decoded
};
[[nodiscard]] Result<ChunkMessage> parse_chunk(std::string_view json);

enum class State { accepted, fetching, sending, done, failed };
[[nodiscard]] std::string_view to_string(State state);

struct Status {
  std::string app_name = {};
  std::string transfer = {};
  std::string proplet_id = {};  ///< empty: left out
  State state = State::accepted;
  std::optional<Digest> digest = {};  ///< of the delivered bytes
  std::optional<Digest> source = {};  ///< of the manifest
  std::optional<std::uint64_t> size = {}, total_chunks = {}, sent = {};
  std::string code = {}, message = {};  ///< `failed` only
};
[[nodiscard]] std::string encode_status(const Status& status);
[[nodiscard]] Result<Status> parse_status(std::string_view json);

/// PROTOCOL 2.3: what precedes a direct delivery.
struct DirectManifest {
  std::string transfer = {}, app_name = {};
  std::optional<Digest> digest = {};
  std::uint64_t size = 0;
  std::string media_type = "application/wasm";
  std::uint64_t chunk_size = 0, total_chunks = 0;
  std::optional<std::uint32_t> window = {};  ///< chunks that may be in flight before an acknowledgement
  Compression compression = Compression::none;
  Encoding encoding = Encoding::raw;
  std::vector<std::string> chunk_sha256 = {};  ///< hex; at most kChunkHashesMax, else left out
};
inline constexpr std::size_t kChunkHashesMax = 4096;
[[nodiscard]] std::string encode_manifest(const DirectManifest& manifest);
[[nodiscard]] Result<DirectManifest> parse_manifest(std::string_view json);

[[nodiscard]] std::string encode_request(const ImageRequest& request);
[[nodiscard]] std::string encode_acknowledgement(const Acknowledgement& ack);

}  // namespace propeller::mqtt
