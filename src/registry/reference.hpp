#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "base/digest.hpp"
#include "base/error.hpp"

namespace propeller::registry {

/// An image reference, taken apart: `[scheme://]host[:port]/repository[:tag][@sha256:…][#path]` (PROTOCOL 1.3, 1.5).
struct Reference {
  std::string host;  ///< with port if one was given; "registry-1.docker.io" for docker.io
  bool is_plain_http = false;
  std::string repository;  ///< "library/" in front where Docker Hub wants it
  std::string tag;         ///< "latest" unless given; empty when only a digest was given
  std::optional<Digest> digest;
  std::string path;  ///< after '#': which module of an archive or of several layers

  /// "https://host", or with http.
  [[nodiscard]] std::string origin() const;
  /// What the manifest is asked for by: the digest if there is one, else the tag.
  [[nodiscard]] std::string manifest_name() const;
  /// [scheme://]host/repository:tag@digest#path, for logs and as a key. Read without a default registry it is the
  /// same reference again; https:// is written only before a host of one label, which is a repository without it.
  [[nodiscard]] std::string to_string() const;
  /// The same image, named by the digest of its manifest.
  [[nodiscard]] Reference pinned(const Digest& manifest) const;

  friend bool operator==(const Reference&, const Reference&) = default;
};

/// PROXY_REGISTRY_URL taken apart: `[http(s)://]host[:port][/prefix]`; docker.io when empty.
struct RegistryUrl {
  std::string host;  ///< "registry-1.docker.io" for docker.io
  bool is_plain_http = false;
  std::string prefix;  ///< put before repositories; no slash at either end

  /// As Reference's.
  [[nodiscard]] std::string origin() const;
};

/// Limits of what parse_reference() takes.
inline constexpr std::size_t kReferenceBytesMax = 1024;
inline constexpr std::size_t kHostBytesMax = 255;
inline constexpr std::size_t kRepositoryBytesMax = 255;
inline constexpr std::size_t kTagBytesMax = 128;
inline constexpr std::size_t kPathBytesMax = 512;

/// Whether a text is the name of a repository ("acme/app"), or a tag. Errors: bad_reference, with what is wrong. Pure.
/// Source: OCI distribution-spec 1.1 (pulling manifests)
[[nodiscard]] Result<void> check_repository(std::string_view text);
[[nodiscard]] Result<void> check_tag(std::string_view text);

/// Takes a name that a device sent apart. `default_registry` is PROXY_REGISTRY_URL (host, or with scheme, optionally
/// with a path prefix), put in front of names whose first component is no host. A name without a scheme that names the
/// default registry's host is asked for by the default registry's scheme. Errors: bad_reference, with what is wrong.
/// Source: OCI distribution-spec 1.1 (pulling manifests), PROTOCOL.md 1.3
[[nodiscard]] Result<Reference> parse_reference(std::string_view name, std::string_view default_registry);

/// Errors: bad_reference, with what is wrong.
[[nodiscard]] Result<RegistryUrl> parse_registry_url(std::string_view url);

}  // namespace propeller::registry
