#include "support/images.hpp"

#include <archive.h>
#include <archive_entry.h>

#include <memory>
#include <nlohmann/json.hpp>
#include <stdexcept>

#include "base/digest.hpp"

namespace propeller::support {
namespace {

constexpr const char* kOciLayer = "application/vnd.oci.image.layer.v1.tar";
constexpr const char* kOciConfig = "application/vnd.oci.image.config.v1+json";
constexpr const char* kDockerManifest = "application/vnd.docker.distribution.manifest.v2+json";
constexpr const char* kDockerList = "application/vnd.docker.distribution.manifest.list.v2+json";
constexpr const char* kOciIndex = "application/vnd.oci.image.index.v1+json";

nlohmann::json descriptor(const std::string& media_type, const std::string& digest, std::size_t size) {
  return {{"mediaType", media_type}, {"digest", digest}, {"size", size}};
}

struct PushedManifest {
  std::string digest;
  std::size_t size = 0;
};

PushedManifest push_one(Pusher& pusher, const std::string& repository, const std::string& tag, const Image& image) {
  nlohmann::json layers = nlohmann::json::array();
  for (const auto& layer : image.layers) {
    auto entry = descriptor(layer.media_type, pusher.push_blob(repository, layer.bytes), layer.bytes.size());
    if (!layer.title.empty()) entry["annotations"] = {{"org.opencontainers.image.title", layer.title}};
    layers.push_back(std::move(entry));
  }
  nlohmann::json manifest{
      {"schemaVersion", 2},
      {"mediaType", image.media_type},
      {"config", descriptor(image.config_type, pusher.push_blob(repository, image.config), image.config.size())},
      {"layers", layers}};
  if (!image.artifact_type.empty()) manifest["artifactType"] = image.artifact_type;
  const std::string text = manifest.dump();
  return {pusher.push_manifest(repository, tag, image.media_type, text), text.size()};
}

}  // namespace

std::string make_archive(const Members& members, Packing packing) {
  const std::unique_ptr<archive, decltype(&archive_write_free)> writer(archive_write_new(), &archive_write_free);
  archive* out = writer.get();
  archive_write_set_format_ustar(out);
  if (packing == Packing::gzip) archive_write_add_filter_gzip(out);
  if (packing == Packing::zstd) archive_write_add_filter_zstd(out);
  std::string result;
  const auto append = [](archive*, void* text, const void* bytes, std::size_t size) {
    static_cast<std::string*>(text)->append(static_cast<const char*>(bytes), size);
    return static_cast<la_ssize_t>(size);
  };
  if (archive_write_open(out, &result, nullptr, append, nullptr) != ARCHIVE_OK) throw std::runtime_error("no archive");
  for (const auto& [path, content] : members) {
    const std::unique_ptr<archive_entry, decltype(&archive_entry_free)> entry(archive_entry_new(), &archive_entry_free);
    archive_entry_set_pathname(entry.get(), path.c_str());
    archive_entry_set_size(entry.get(), static_cast<la_int64_t>(content.size()));
    archive_entry_set_filetype(entry.get(), AE_IFREG);
    archive_entry_set_perm(entry.get(), 0644);
    if (archive_write_header(out, entry.get()) != ARCHIVE_OK ||
        archive_write_data(out, content.data(), content.size()) != static_cast<la_ssize_t>(content.size()))
      throw std::runtime_error(archive_error_string(out));
  }
  archive_write_close(out);
  return result;
}

std::string push_image(Pusher& pusher, const std::string& repository, const std::string& tag, const Image& image) {
  return push_one(pusher, repository, tag, image).digest;
}

std::string push_index(Pusher& pusher, const std::string& repository, const std::string& tag,
                       const std::vector<IndexChild>& children, bool is_docker) {
  nlohmann::json manifests = nlohmann::json::array();
  for (const auto& child : children) {
    const auto pushed = push_one(pusher, repository, "", child.image);
    auto entry = descriptor(child.image.media_type, pushed.digest, pushed.size);
    entry["platform"] = {{"os", child.platform.os}, {"architecture", child.platform.architecture}};
    manifests.push_back(std::move(entry));
  }
  const char* type = is_docker ? kDockerList : kOciIndex;
  return pusher.push_manifest(
      repository, tag, type,
      nlohmann::json{{"schemaVersion", 2}, {"mediaType", type}, {"manifests", manifests}}.dump());
}

std::string push_raw(Pusher& pusher, const std::string& repository, const std::string& tag, std::string_view module,
                     const std::string& layer_type) {
  return push_image(pusher, repository, tag, {.layers = {{layer_type, std::string(module)}}});
}

Image wasm_to_oci_image(std::string module) {
  return {.config_type = "application/vnd.wasm.config.v1+json",
          .layers = {{"application/vnd.wasm.content.layer.v1+wasm", std::move(module), "module.wasm"}}};
}

Image oras_typed_image(std::string module) {
  return {.artifact_type = "application/vnd.wasm.config.v0+json",
          .layers = {{"application/wasm", std::move(module), "x.wasm"}}};
}

Image oras_untyped_image(std::string module) {
  return {.artifact_type = "application/vnd.unknown.artifact.v1", .layers = {{kOciLayer, std::move(module), "x.wasm"}}};
}

Image old_wash_image(std::string module) {
  return {.config_type = "application/vnd.wasmcloud.actor.archive.config",
          .layers = {{"application/vnd.module.wasm.content.layer.v1+wasm", std::move(module)},
                     {"application/vnd.oci.image.layer.v1.tar+gzip",
                      make_archive({{"README.md", "beside it"}}, Packing::gzip)}}};
}

Image runwasi_image(std::string module) {
  return {.config_type = kOciConfig,
          .config = R"({"architecture":"wasm","os":"wasip1","config":{},"rootfs":{"type":"layers","diff_ids":[]}})",
          .layers = {{"application/vnd.bytecodealliance.wasm.component.layer.v0+wasm", std::move(module)}}};
}

Image docker_image(const Members& files, Packing packing, bool is_docker_v2s2, const std::string& entry_point) {
  std::string type = is_docker_v2s2 ? "application/vnd.docker.image.rootfs.diff.tar" : kOciLayer;
  if (packing == Packing::gzip) type += is_docker_v2s2 ? ".gzip" : "+gzip";
  if (packing == Packing::zstd) type += is_docker_v2s2 ? ".zstd" : "+zstd";
  nlohmann::json config{{"architecture", "wasm"},
                        {"os", "wasi"},
                        {"config", nlohmann::json::object()},
                        {"rootfs", {{"type", "layers"}, {"diff_ids", nlohmann::json::array()}}}};
  if (!entry_point.empty()) config["config"]["Entrypoint"] = {entry_point};
  return {.media_type = is_docker_v2s2 ? kDockerManifest : "application/vnd.oci.image.manifest.v1+json",
          .config_type = is_docker_v2s2 ? "application/vnd.docker.container.image.v1+json" : kOciConfig,
          .config = config.dump(),
          .layers = {{type, make_archive(files, packing)}}};
}

Image runnable_image(const Members& files) {
  auto image = docker_image(files, Packing::none, true);
  image.config =
      nlohmann::json{{"architecture", "amd64"},
                     {"os", "linux"},
                     {"config", nlohmann::json::object()},
                     {"rootfs",
                      {{"type", "layers"},
                       {"diff_ids", nlohmann::json::array({base::sha256(image.layers.front().bytes).to_string()})}}}}
          .dump();
  return image;
}

Image attestation_image() {
  return {.config_type = kOciConfig,
          .config = R"({"architecture":"unknown","os":"unknown","config":{},"rootfs":{"type":"layers","diff_ids":[]}})",
          .layers = {{"application/vnd.in-toto+json", R"({"_type":"https://in-toto.io/Statement/v0.1"})"}}};
}

Image spin_image(const std::vector<std::pair<std::string, std::string>>& titled_modules) {
  Image image{.config_type = "application/vnd.fermyon.spin.application.v1+config", .layers = {}};
  for (const auto& [title, module] : titled_modules)
    image.layers.push_back({"application/vnd.wasm.content.layer.v1+wasm", module, title});
  return image;
}

Image encrypted_image(std::string ciphertext) {
  return {.config_type = kOciConfig,
          .layers = {{"application/vnd.oci.image.layer.v1.tar+gzip+encrypted", std::move(ciphertext)}}};
}

std::string push_buildx(Pusher& pusher, const std::string& repository, const std::string& tag, std::string module,
                        Packing packing) {
  return push_index(pusher, repository, tag,
                    {{docker_image({{"plugin.wasm", std::move(module)}}, packing, false), {"wasi", "wasm"}},
                     {attestation_image(), {"unknown", "unknown"}}});
}

}  // namespace propeller::support
