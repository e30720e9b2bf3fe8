#include "registry/choice.hpp"

#include <algorithm>
#include <array>
#include <charconv>
#include <optional>
#include <string>

namespace propeller::registry {

namespace {

constexpr std::size_t kListedMax = 10;

bool is_wasm_type(const Layer& layer) {
  return layer.media_type.ends_with("+wasm") || layer.media_type == "application/wasm";
}
bool is_encrypted(const Layer& layer) { return layer.media_type.ends_with("+encrypted"); }
bool has_wasm_title(const Layer& layer) { return layer.title.ends_with(".wasm"); }

bool is_content(const Layer& layer) {
  return layer.media_type != "application/vnd.oci.empty.v1+json" && layer.media_type != "application/vnd.in-toto+json";
}

template <class Range, class Name>
std::string listed(const Range& range, Name name) {
  std::string text;
  std::size_t count = 0;
  for (const auto& entry : range) {
    if (count++ == kListedMax) return text + ", …";
    if (!text.empty()) text += ", ";
    text += name(entry);
  }
  return text;
}

std::string name_of(const Layer& layer) { return layer.title.empty() ? layer.digest.to_string() : layer.title; }

std::string name_of_child(const IndexChild& child) {
  const std::string platform =
      child.os.empty() && child.architecture.empty() ? "no platform" : child.os + "/" + child.architecture;
  return platform + " (" + child.digest.to_string() + ")";
}

std::vector<Layer> only(const std::vector<Layer>& layers, bool (*is_wanted)(const Layer&)) {
  std::vector<Layer> result;
  std::ranges::copy_if(layers, std::back_inserter(result), is_wanted);
  return result;
}

// The layer that `path` names: by title, by digest, or by its place in the manifest.
std::optional<Layer> named_layer(const std::vector<Layer>& layers, std::string_view path) {
  for (const auto& layer : layers) {
    if (layer.title == path || layer.digest.to_string() == path) return layer;
  }
  std::size_t place = 0;
  const auto [end, error] = std::from_chars(path.data(), path.data() + path.size(), place);
  if (error == std::errc{} && end == path.data() + path.size() && place < layers.size()) return layers[place];
  return std::nullopt;
}

std::unexpected<Error> refuse_encrypted() {
  return fail(Code::encrypted, Origin::upstream, "the image's layers are encrypted: push it unencrypted for devices");
}

std::unexpected<Error> ambiguous(const std::vector<Layer>& layers) {
  return fail(Code::ambiguous_module, Origin::client,
              "the image has several modules, name one after '#': " + listed(layers, name_of));
}

}  // namespace

Result<Digest> choose_child(const Index& index, std::string_view path) {
  std::vector<IndexChild> children;
  std::ranges::copy_if(index.children, std::back_inserter(children),
                       [](const IndexChild& child) { return !child.is_attestation; });
  if (children.empty()) return fail(Code::no_module, Origin::upstream, "the index lists no image");
  for (const auto& child : children) {
    if (child.digest.to_string() == path) return child.digest;
  }
  for (const std::string_view os : {"wasi", "wasip1", "wasip2"}) {
    const auto found = std::ranges::find_if(
        children, [&](const IndexChild& child) { return child.os == os && child.architecture == "wasm"; });
    if (found != children.end()) return found->digest;
  }
  if (children.size() == 1) return children.front().digest;
  const auto amd64 = std::ranges::find_if(
      children, [](const IndexChild& child) { return child.os == "linux" && child.architecture == "amd64"; });
  if (amd64 != children.end()) return amd64->digest;
  return fail(Code::ambiguous_module, Origin::client,
              "the image is built for several platforms and none is wasi/wasm, name one by its digest: " +
                  listed(children, name_of_child));
}

Result<std::vector<Layer>> choose_layers(const Manifest& manifest, std::string_view path) {
  if (!path.empty()) {
    if (auto layer = named_layer(manifest.layers, path)) {
      if (is_encrypted(*layer)) return refuse_encrypted();
      return std::vector{std::move(*layer)};
    }
  }
  const auto content = only(manifest.layers, is_content);
  if (content.empty()) return fail(Code::no_module, Origin::upstream, "the image has no layers");
  const auto open = only(content, [](const Layer& layer) { return !is_encrypted(layer); });
  auto wasm = only(open, is_wasm_type);
  auto titled = only(open, [](const Layer& layer) { return !is_wasm_type(layer) && has_wasm_title(layer); });
  auto rest = only(open, [](const Layer& layer) { return !is_wasm_type(layer) && !has_wasm_title(layer); });
  // Where some layer is encrypted and nothing open says that it is a module, the module is in the encrypted one.
  if (wasm.empty() && titled.empty() && open.size() != content.size()) return refuse_encrypted();
  std::ranges::reverse(rest);

  std::vector<Layer> order;
  const auto append = [&order](std::vector<Layer>& part) { std::ranges::move(part, std::back_inserter(order)); };
  if (!path.empty()) {
    // No layer has that name: a member of an archive, then. A layer that is a module itself has no members.
    if (rest.empty()) {
      return fail(Code::no_module, Origin::client,
                  "the image has no module '" + std::string(path) + "', there are: " + listed(content, name_of));
    }
    append(rest);
    append(titled);
    return order;
  }
  if (wasm.size() > 1) return ambiguous(wasm);
  if (wasm.empty() && titled.size() > 1) return ambiguous(titled);
  append(wasm);
  append(titled);
  append(rest);
  return order;
}

}  // namespace propeller::registry
