#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "base/error.hpp"

namespace propeller::forward {

enum class RegistryCall { ping, manifest, blob, tags, referrers };

/// The path of a request to a registry, taken apart. What it names is not checked yet: see check_names().
struct RegistryPath {
  RegistryCall call = RegistryCall::ping;
  std::string repository = {};
  std::string reference = {};  ///< a tag or a digest; empty of ping and tags

  /// The path that a registry is asked for.
  [[nodiscard]] std::string to_string() const;
  friend bool operator==(const RegistryPath&, const RegistryPath&) = default;
};

/// "/v2" and everything below it.
[[nodiscard]] bool is_registry_path(std::string_view path);

/// The paths of reading, without a query; `%3A` is a colon. Nothing for every other one.
/// Source: OCI distribution-spec 1.1, "Endpoints": end-1, end-2, end-3, end-8, end-12
[[nodiscard]] std::optional<RegistryPath> parse_registry_path(std::string_view path);

/// Errors: bad_reference, with what is wrong with the repository's name, the tag or the digest.
[[nodiscard]] Result<void> check_names(const RegistryPath& path);

/// Whether this is a manifest by its tag.
[[nodiscard]] bool names_a_tag(std::string_view path);
/// `path`, with a query or without, of the same manifest by its digest.
[[nodiscard]] std::string path_by_digest(std::string_view path, std::string_view digest);

/// A query without its `ns`, and that one by itself, decoded.
struct NamespaceQuery {
  std::optional<std::string> name = {};
  std::string rest = {};

  friend bool operator==(const NamespaceQuery&, const NamespaceQuery&) = default;
};
[[nodiscard]] NamespaceQuery take_namespace(std::string_view query);

}  // namespace propeller::forward
