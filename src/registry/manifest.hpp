#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "base/digest.hpp"
#include "base/error.hpp"
#include "registry/layer.hpp"

namespace propeller::registry {

inline constexpr std::size_t kManifestBytesMax = 4 * 1024 * 1024;
inline constexpr std::size_t kDescriptorsMax = 1024;  ///< layers of a manifest, children of an index
inline constexpr std::size_t kTitleBytesMax = 512;

/// What a manifest GET says it understands.
inline constexpr std::string_view kManifestAccept =
    "Accept: application/vnd.oci.image.manifest.v1+json, application/vnd.oci.image.index.v1+json, "
    "application/vnd.docker.distribution.manifest.v2+json, application/vnd.docker.distribution.manifest.list.v2+json, "
    "application/vnd.oci.artifact.manifest.v1+json";

/// One manifest that an index lists.
struct IndexChild {
  Digest digest;
  std::string os;
  std::string architecture;
  bool is_attestation = false;  ///< unknown/unknown, or said to be by its annotation
};

struct Index {
  std::vector<IndexChild> children;
};

struct Manifest {
  std::vector<Layer> layers;           ///< as listed
  std::optional<Layer> configuration;  ///< the image's configuration, where there is a usable one
};

/// Takes the text of a manifest or index of the OCI or Docker v2 kind apart. `content_type` decides where the text does
/// not say. Errors: no_module for what is no such document; too_large for too many descriptors.
/// Source: OCI image-spec 1.1 manifest.md, image-index.md; Docker Image Manifest V2, Schema 2
[[nodiscard]] Result<std::variant<Manifest, Index>> parse_manifest(std::string_view text,
                                                                   std::string_view content_type);

inline constexpr std::size_t kConfigurationBytesMax = 1024 * 1024;

/// What a container of the image would run: the first word of Entrypoint, else of Cmd; empty where it says neither.
/// Source: OCI image-spec 1.1 config.md
[[nodiscard]] std::string entry_point_of(std::string_view configuration);

}  // namespace propeller::registry
