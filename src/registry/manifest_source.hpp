#pragma once

#include <optional>
#include <string>

#include "async/core.hpp"
#include "registry/credentials.hpp"
#include "registry/fetcher.hpp"
#include "registry/kept_content.hpp"
#include "registry/kept_place.hpp"
#include "registry/reference.hpp"

namespace propeller::registry {

/// Manifests: from the registry, from what is kept of it, or both.
///
/// A tag is asked for at the registry, and so is whatever needs a login: rights and tags change. What they were last is
/// taken when the registry does not answer (down, 429, 5xx): what it told us, or else the clients of the forward proxy.
/// A digest that anybody may have is taken from the store, and downloaded once for all who ask meanwhile.
///
/// Errors:   those of the Fetcher; digest_mismatch; too_large.
/// Threads:  one core. Lifetime: all outlive it.
class ManifestSource {
 public:
  /// With something to fall back on, a registry has this many attempts: a hiccup passes, a device does not wait long.
  static constexpr std::uint32_t kAttemptsWithMemory = 2;

  struct Parts {
    const config::Registry& settings;
    const HostPolicy& policy_by_name;  ///< judges a host that is not going to be dialled
    CredentialSource& credentials;
    LoginNames& logins;
    Fetcher& fetcher;
    KeptContent* kept;  ///< null: nothing is
  };
  explicit ManifestSource(Parts parts) : parts_(parts) {}

  struct Question {
    Reference reference;
    std::string name;  ///< tag or digest
    OnRetry on_retry = {};
    bool is_registry_down = false;  ///< it did not answer a moment ago: look first, ask then
  };
  async::awaitable<Result<Document>> get(Question question);

 private:
  async::awaitable<Result<Document>> get_by_digest(const Question& question, Digest digest, const std::string& key);
  async::awaitable<Result<Document>> get_or_remember(const Question& question, const std::string& key);
  async::awaitable<Result<Document>> download(const Question& question, Digest digest, const std::string& key,
                                              std::unique_ptr<store::BlobWriter> writer);
  async::awaitable<std::optional<Document>> told_to_others(const Question& question);
  async::awaitable<void> forget(const Question& question, const std::string& key);
  async::awaitable<std::optional<Document>> ride_along(store::BlobReader& reader, Digest digest);
  async::awaitable<void> remember(const Question& question, const std::string& key, const Document& document);
  async::awaitable<Attempt<Document>> ask(const Question& question, bool has_memory);
  async::awaitable<Attempt<Document>> ask_once(FetchRequest request, std::string name);
  [[nodiscard]] async::awaitable<bool> is_for_everybody(Url url);

  Parts parts_;
};

}  // namespace propeller::registry
