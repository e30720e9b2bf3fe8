#pragma once

#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "support/pusher.hpp"

/// Images in every shape of PROTOCOL 1.5, as the tools that push them leave them in a registry.
namespace propeller::support {

enum class Packing { none, gzip, zstd };

using Members = std::vector<std::pair<std::string, std::string>>;  ///< path and content

/// A tar archive (ustar) of these files, packed.
[[nodiscard]] std::string make_archive(const Members& members, Packing packing);

struct ImageLayer {
  std::string media_type;
  std::string bytes;
  std::string title = {};  ///< org.opencontainers.image.title
};

struct Image {
  std::string media_type = "application/vnd.oci.image.manifest.v1+json";
  std::string artifact_type = {};
  std::string config_type = "application/vnd.oci.empty.v1+json";
  std::string config = "{}";
  std::vector<ImageLayer> layers;
};

struct Platform {
  std::string os, architecture;
};

/// All return the digest of what the tag points at ("sha256:…"). An empty tag: by digest only.
std::string push_image(Pusher& pusher, const std::string& repository, const std::string& tag, const Image& image);

struct IndexChild {
  Image image;
  Platform platform;
};
std::string push_index(Pusher& pusher, const std::string& repository, const std::string& tag,
                       const std::vector<IndexChild>& children, bool is_docker = false);

/// The module as the one layer, whatever its type says.
std::string push_raw(Pusher& pusher, const std::string& repository, const std::string& tag, std::string_view module,
                     const std::string& layer_type = "application/wasm");

// One function for each line of the table.
[[nodiscard]] Image wasm_to_oci_image(std::string module);
[[nodiscard]] Image oras_typed_image(std::string module);
[[nodiscard]] Image oras_untyped_image(std::string module);
[[nodiscard]] Image old_wash_image(std::string module);  ///< other layers beside it
[[nodiscard]] Image runwasi_image(std::string module);
[[nodiscard]] Image docker_image(const Members& files, Packing packing, bool is_docker_v2s2,
                                 const std::string& entry_point = {});
/// As an engine takes it: the configuration names what the layer unpacks to.
[[nodiscard]] Image runnable_image(const Members& files);
[[nodiscard]] Image attestation_image();
[[nodiscard]] Image spin_image(const std::vector<std::pair<std::string, std::string>>& titled_modules);
[[nodiscard]] Image encrypted_image(std::string ciphertext);

/// What `docker buildx build --push` leaves: an index of the image and its attestation (unknown/unknown).
std::string push_buildx(Pusher& pusher, const std::string& repository, const std::string& tag, std::string module,
                        Packing packing);

}  // namespace propeller::support
