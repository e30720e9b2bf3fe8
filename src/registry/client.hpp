#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "async/core.hpp"
#include "base/digest.hpp"
#include "base/error.hpp"
#include "config/settings.hpp"
#include "registry/kept_content.hpp"
#include "registry/layer.hpp"
#include "registry/liveness.hpp"
#include "registry/reference.hpp"
#include "registry/retry.hpp"

namespace propeller::registry {

/// What a reference points at now.
struct ResolvedImage {
  Reference reference;                 ///< as asked
  Digest manifest;                     ///< digest of the manifest (of the image's own, not of the index around it)
  std::vector<Layer> candidates;       ///< not empty; to be tried in this order by their content
  std::optional<Layer> configuration;  ///< of the image; decides between several modules of an archive
  bool is_fallback = false;            ///< the tag does not exist; this is `latest` (settings.falls_back_to_latest)
  bool is_from_memory = false;         ///< the registry does not answer; this is what it said the last time
};

/// One blob on its way: pulled piece by piece, resumed with Range when the connection breaks, verified at the end.
///
/// Errors:   registry_unavailable, timeout, unauthorized, not_found, digest_mismatch … after the attempts allowed.
/// Pressure: bytes that are not read stay in the registry's TCP window.
/// Lifetime: the Client outlives it.
class BlobStream {
 public:
  virtual ~BlobStream() = default;
  /// The next bytes, at most `bytes_max`; empty at the end, which comes only after length and SHA-256 were right.
  /// The view is valid until the next call.
  virtual async::awaitable<Result<std::span<const std::byte>>> read(std::size_t bytes_max) = 0;
  /// Others get these bytes by way of whoever reads here: who makes them wait should have a reason.
  [[nodiscard]] virtual bool is_awaited() const { return false; }
  /// It comes from the registry by now, and not by way of the store.
  [[nodiscard]] virtual bool is_from_registry() const { return true; }
};

/// What is wrong with the settings, before anything is started with them. Errors: bad_config.
[[nodiscard]] Result<void> check_settings(const config::Registry& settings);

/// Speaks the OCI distribution protocol with any number of registries over one libcurl multi handle.
///
/// Order:    coroutines of one core, as many at once as are called.
/// Errors:   see the codes of base::Code; messages never contain credentials. Settings that make no sense fail every
///           call with bad_config.
/// Threads:  one core; liveness() and retries() from any.
/// With a store, what anybody may have is taken from there and downloaded into it: see KeptContent, ManifestSource,
/// SharedDownload.
/// Lifetime: outlives its calls: cancel and join them first, or let the loop end first. A cancelled call that waits for
///           a credential helper ends with it, kHelperTimeout at the latest.
/// Source:   OCI distribution-spec 1.1, RFC 9110, RFC 6750; PROTOCOL.md 1.3, 1.5
class Client {
 public:
  static constexpr int kIndexDepthMax = 3;

  /// Lifetime: `kept` outlives it; null: nothing is.
  Client(async::asio::any_io_executor executor, config::Registry settings, KeptContent* kept = nullptr);
  ~Client();
  Client(const Client&) = delete;
  Client& operator=(const Client&) = delete;

  /// Manifest (through an index if there is one), verified, and the layers to try. Errors also: bad_reference,
  /// not_allowed (host_policy), ambiguous_module, no_module, encrypted, too_large.
  async::awaitable<Result<ResolvedImage>> resolve(Reference reference, OnRetry on_retry = {});

  /// Who may have a blob that this repository gives us: kAnybody where we need no login there, else a name of the
  /// repository's place and of our login to it. Errors: unauthorized when the login cannot be found.
  async::awaitable<Result<std::string>> audience(Reference reference, Digest digest);
  static constexpr std::string_view kAnybody = "anybody";

  /// What anybody may have of this repository and is kept here already, else null: no registry is asked.
  async::awaitable<std::shared_ptr<const store::OpenBlob>> find_blob(Reference reference, Digest digest);

  /// Opens a blob of the reference's repository at byte 0. `size` is what the manifest said.
  async::awaitable<Result<std::unique_ptr<BlobStream>>> open_blob(Reference reference, Digest digest,
                                                                  std::uint64_t size, OnRetry on_retry = {});

  [[nodiscard]] Liveness liveness() const;
  /// Requests sent again because of a fault, since the start.
  [[nodiscard]] std::uint64_t retries() const;

 private:
  class State;
  std::unique_ptr<State> state_;
};

}  // namespace propeller::registry
