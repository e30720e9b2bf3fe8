#pragma once

#include <string_view>
#include <vector>

#include "base/digest.hpp"
#include "base/error.hpp"
#include "registry/manifest.hpp"

/// Which part of an image may be the module (PROTOCOL 1.5, "Choosing"): pure decisions over what manifests say.
namespace propeller::registry {

/// The child of an index to go on with: the one that `path` names by digest, else wasi/wasm, else the only one left,
/// else linux/amd64. Errors: no_module, ambiguous_module listing the candidates.
[[nodiscard]] Result<Digest> choose_child(const Index& index, std::string_view path);

/// The layers to try by their content, best first; not empty. `path` may name a layer by title, digest or place; when
/// it names none it is taken for a member of an archive. Errors: no_module, encrypted, ambiguous_module listing the
/// layers.
[[nodiscard]] Result<std::vector<Layer>> choose_layers(const Manifest& manifest, std::string_view path);

}  // namespace propeller::registry
