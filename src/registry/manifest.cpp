#include "registry/manifest.hpp"

#include <nlohmann/json.hpp>
#include <optional>

#include "registry/json.hpp"

namespace propeller::registry {

namespace {

using nlohmann::json;

std::unexpected<Error> unusable(std::string what) { return fail(Code::no_module, Origin::upstream, std::move(what)); }

// Titles and media types end up in messages and logs.
std::string printable(std::string_view text) {
  std::string result(text.substr(0, kTitleBytesMax));
  for (char& c : result) {
    if (static_cast<unsigned char>(c) < 0x20 || c == 0x7f) c = '?';
  }
  return result;
}

std::string annotation(const json& descriptor, const char* key) {
  const auto annotations = descriptor.find("annotations");
  if (annotations == descriptor.end() || !annotations->is_object()) return {};
  return std::string(string_at(*annotations, key));
}

Result<Digest> digest_of(const json& descriptor) {
  auto digest = Digest::parse(string_at(descriptor, "digest"));
  if (!digest) return unusable("the manifest names content by something else than a sha256 digest");
  return *digest;
}

Result<Layer> parse_layer(const json& descriptor) {
  if (!descriptor.is_object()) return unusable("the manifest's list of layers is malformed");
  const auto digest = digest_of(descriptor);
  if (!digest) return std::unexpected(digest.error());
  const auto size = descriptor.find("size");
  if (size == descriptor.end() || !size->is_number_unsigned())
    return unusable("the manifest has a layer without a size");
  return Layer{.digest = *digest,
               .size = size->get<std::uint64_t>(),
               .media_type = printable(string_at(descriptor, "mediaType")),
               .title = printable(annotation(descriptor, "org.opencontainers.image.title"))};
}

Result<IndexChild> parse_child(const json& descriptor) {
  if (!descriptor.is_object()) return unusable("the index's list of manifests is malformed");
  const auto digest = digest_of(descriptor);
  if (!digest) return std::unexpected(digest.error());
  IndexChild child{.digest = *digest, .os = {}, .architecture = {}, .is_attestation = false};
  if (const auto platform = descriptor.find("platform"); platform != descriptor.end() && platform->is_object()) {
    child.os = printable(string_at(*platform, "os"));
    child.architecture = printable(string_at(*platform, "architecture"));
  }
  child.is_attestation = (child.os == "unknown" && child.architecture == "unknown") ||
                         annotation(descriptor, "vnd.docker.reference.type") == "attestation-manifest";
  return child;
}

template <class T, class Parse>
Result<std::vector<T>> parse_list(const json& list, Parse parse) {
  if (!list.is_array()) return unusable("the manifest is malformed");
  if (list.size() > kDescriptorsMax)
    return fail(Code::too_large, Origin::upstream, "the manifest lists more than 1024 parts");
  std::vector<T> result;
  result.reserve(list.size());
  for (const auto& entry : list) {
    auto parsed = parse(entry);
    if (!parsed) return std::unexpected(parsed.error());
    result.push_back(std::move(*parsed));
  }
  return result;
}

bool is_schema_1(const json& document, std::string_view type) {
  const auto version = document.find("schemaVersion");
  return type.starts_with("application/vnd.docker.distribution.manifest.v1+") ||
         (version != document.end() && version->is_number() && *version == 1);
}

}  // namespace

Result<std::variant<Manifest, Index>> parse_manifest(std::string_view text, std::string_view content_type) {
  if (text.size() > kManifestBytesMax)
    return fail(Code::too_large, Origin::upstream, "the manifest is larger than 4 MiB");
  const auto document = parse_json(text, Code::no_module, "the manifest");
  if (!document) return std::unexpected(document.error());
  auto type = string_at(*document, "mediaType");
  if (type.empty()) type = content_type.substr(0, content_type.find(';'));
  if (is_schema_1(*document, type))
    return unusable(
        "the image has a Docker schema 1 manifest, which is not supported: push it again with a current tool");

  // A document that can be read as both would let two readers of one digest see two images (CVE-2021-41190).
  const auto children = document->find("manifests");
  const auto layers = document->contains("layers") ? document->find("layers") : document->find("blobs");
  const bool has_children = children != document->end();
  const bool has_layers = layers != document->end();
  if (has_children && has_layers) return unusable("the manifest is both an image and an index");
  const bool is_index_type = type.ends_with("image.index.v1+json") || type.ends_with("manifest.list.v2+json");
  const bool is_image_type = type.ends_with("image.manifest.v1+json") || type.ends_with("manifest.v2+json");
  if ((is_index_type && has_layers) || (is_image_type && has_children))
    return unusable("the manifest's media type and content differ");
  if (has_children) {
    auto list = parse_list<IndexChild>(*children, parse_child);
    if (!list) return std::unexpected(list.error());
    return Index{.children = std::move(*list)};
  }
  if (!has_layers) return unusable("the reference points at something that is no image manifest and no index");
  auto list = parse_list<Layer>(*layers, parse_layer);
  if (!list) return std::unexpected(list.error());
  Manifest manifest{.layers = std::move(*list), .configuration = std::nullopt};
  if (const auto configuration = document->find("config"); configuration != document->end()) {
    // Only ever used to decide between several modules, so one that is malformed is none.
    if (auto descriptor = parse_layer(*configuration)) manifest.configuration = std::move(*descriptor);
  }
  return manifest;
}

std::string entry_point_of(std::string_view configuration) {
  if (configuration.size() > kConfigurationBytesMax) return {};
  const auto document = parse_json(configuration, Code::no_module, "the image's configuration");
  if (!document || !document->is_object()) return {};
  const auto config = document->find("config");
  if (config == document->end() || !config->is_object()) return {};
  for (const char* key : {"Entrypoint", "Cmd"}) {
    const auto words = config->find(key);
    if (words != config->end() && words->is_array() && !words->empty() && words->front().is_string())
      return words->front().get<std::string>();
  }
  return {};
}

}  // namespace propeller::registry
