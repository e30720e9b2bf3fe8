#include "registry/client.hpp"

#include <optional>
#include <utility>

#include "registry/authenticator.hpp"
#include "registry/blob_download.hpp"
#include "registry/choice.hpp"
#include "registry/credentials.hpp"
#include "registry/fetcher.hpp"
#include "registry/host_policy.hpp"
#include "registry/kept_place.hpp"
#include "registry/manifest.hpp"
#include "registry/manifest_source.hpp"
#include "registry/shared_download.hpp"
#include "registry/transport.hpp"

namespace propeller::registry {

namespace {

std::string blob_url(const Reference& reference, const Digest& digest) {
  return reference.origin() + "/v2/" + reference.repository + "/blobs/" + digest.to_string();
}

Result<std::pair<Url, HostPolicy>> parse_settings(const config::Registry& settings) {
  const auto registry = parse_registry_url(settings.url);
  auto url = registry ? parse_url(registry->origin()) : Result<Url>(std::unexpected(registry.error()));
  if (!url) return fail(Code::bad_config, Origin::client, "PROXY_REGISTRY_URL: " + url.error().detail);
  auto policy = HostPolicy::make(*url, settings.allow, !settings.proxy.empty());
  if (!policy) return std::unexpected(policy.error());
  return std::pair(std::move(*url), std::move(*policy));
}

}  // namespace

class Client::State {
 public:
  State(async::asio::any_io_executor executor, const config::Registry& settings, const Url& configured,
        HostPolicy policy, KeptContent* kept)
      : settings_(settings),
        policy_(std::move(policy)),
        policy_by_name_(by_name(settings_, configured)),
        kept_(kept),
        transport_(std::move(executor), settings_, policy_),
        credentials_(settings_, configured),
        authenticator_(settings_, credentials_, transport_),
        fetcher_(settings_, policy_, authenticator_, transport_),
        manifests_({.settings = settings_,
                    .policy_by_name = policy_by_name_,
                    .credentials = credentials_,
                    .logins = logins_,
                    .fetcher = fetcher_,
                    .kept = kept}) {}
  /// Settings that make no sense.
  State(async::asio::any_io_executor executor, const config::Registry& settings, Error error)
      : State(std::move(executor), settings, Url{}, *HostPolicy::make(Url{}, {}), nullptr) {
    error_ = std::move(error);
  }

  [[nodiscard]] const std::optional<Error>& error() const { return error_; }
  [[nodiscard]] const config::Registry& settings() const { return settings_; }
  [[nodiscard]] Fetcher& fetcher() { return fetcher_; }
  [[nodiscard]] ManifestSource& manifests() { return manifests_; }
  [[nodiscard]] CredentialSource& credentials() { return credentials_; }
  [[nodiscard]] KeptContent* kept() { return kept_; }
  /// Under which key everybody's blob is kept; none where it is not everybody's.
  async::awaitable<std::optional<std::string>> shared_place(Reference reference, Digest digest);
  async::awaitable<Result<std::string>> audience(Reference reference, Digest digest);

 private:
  /// Where nothing is dialled there is no address to judge: as behind an HTTP proxy, names have to be enough.
  static HostPolicy by_name(const config::Registry& settings, const Url& configured) {
    auto policy = HostPolicy::make(configured, settings.allow, true);
    return policy ? std::move(*policy) : *HostPolicy::make(Url{}, {}, true);
  }

  const config::Registry settings_;
  const HostPolicy policy_;
  const HostPolicy policy_by_name_;
  KeptContent* const kept_;
  Transport transport_;
  CredentialSource credentials_;
  LoginNames logins_;
  Authenticator authenticator_;
  Fetcher fetcher_;
  ManifestSource manifests_;
  std::optional<Error> error_;
};

async::awaitable<std::optional<std::string>> Client::State::shared_place(Reference reference, Digest digest) {
  if (kept_ == nullptr || error_) co_return std::nullopt;
  const auto url = parse_url(blob_url(reference, digest));
  if (!url || !policy_by_name_.check_name(*url, Pointer::request)) co_return std::nullopt;
  const auto login = co_await credentials_.find(*url);
  co_return login && login->empty() ? std::optional(shared_key(*url)) : std::nullopt;
}

async::awaitable<Result<std::string>> Client::State::audience(Reference reference, Digest digest) {
  if (error_) co_return std::unexpected(*error_);
  const auto url = parse_url(blob_url(reference, digest));
  if (!url) co_return std::unexpected(url.error());
  const auto login = co_await credentials_.find(*url);
  if (!login) co_return std::unexpected(login.error());
  const auto place = place_of_content(*url, *login, logins_);
  co_return place.is_shared ? std::string(kAnybody) : place.key;
}

Result<void> check_settings(const config::Registry& settings) {
  auto parsed = parse_settings(settings);
  if (!parsed) return std::unexpected(parsed.error());
  return {};
}

Client::Client(async::asio::any_io_executor executor, config::Registry settings, KeptContent* kept) {
  auto parsed = parse_settings(settings);
  state_ = parsed
               ? std::make_unique<State>(std::move(executor), settings, parsed->first, std::move(parsed->second), kept)
               : std::make_unique<State>(std::move(executor), settings, parsed.error());
}

Client::~Client() = default;

async::awaitable<Result<ResolvedImage>> Client::resolve(Reference reference, OnRetry on_retry) {
  State& state = *state_;
  if (state.error()) co_return std::unexpected(*state.error());
  ResolvedImage image{
      .reference = reference, .manifest = {}, .candidates = {}, .configuration = {}, .is_fallback = false};
  auto document =
      co_await state.manifests().get({.reference = reference, .name = reference.manifest_name(), .on_retry = on_retry});
  const bool may_fall_back = state.settings().falls_back_to_latest && !reference.digest && reference.tag != "latest";
  if (!document && document.error().code == Code::not_found && may_fall_back) {
    image.is_fallback = true;
    document = co_await state.manifests().get({.reference = reference, .name = "latest", .on_retry = on_retry});
  }
  for (int depth = 0;; ++depth) {
    if (!document) co_return std::unexpected(document.error());
    image.is_from_memory = image.is_from_memory || document->is_from_memory;
    const auto manifest = parse_manifest(document->text, document->content_type);
    if (!manifest) co_return std::unexpected(manifest.error());
    if (const auto* layers = std::get_if<Manifest>(&*manifest)) {
      auto chosen = choose_layers(*layers, reference.path);
      if (!chosen) co_return std::unexpected(chosen.error());
      image.manifest = document->digest;
      image.candidates = std::move(*chosen);
      image.configuration = layers->configuration;
      co_return image;
    }
    if (depth == kIndexDepthMax)
      co_return fail(Code::no_module, Origin::upstream, "the image is an index of indexes, nested too deeply");
    const auto child = choose_child(std::get<Index>(*manifest), reference.path);
    if (!child) co_return std::unexpected(child.error());
    document = co_await state.manifests().get({.reference = reference,
                                               .name = child->to_string(),
                                               .on_retry = on_retry,
                                               .is_registry_down = image.is_from_memory});
  }
}

async::awaitable<Result<std::string>> Client::audience(Reference reference, Digest digest) {
  return state_->audience(std::move(reference), digest);
}

async::awaitable<Result<std::unique_ptr<BlobStream>>> Client::open_blob(Reference reference, Digest digest,
                                                                        std::uint64_t size, OnRetry on_retry) {
  State& state = *state_;
  if (state.error()) co_return std::unexpected(*state.error());
  BlobOrder order{.request = {.registry = reference.origin(),
                              .repository = reference.repository,
                              .target = "blobs/" + digest.to_string(),
                              .what = "blob " + digest.short_hex() + " of " + reference.repository,
                              .header_lines = {},
                              .on_retry = std::move(on_retry)},
                  .digest = digest,
                  .size = size,
                  .stall_timeout = state.settings().stall_timeout};
  if (auto key = co_await state.shared_place(reference, digest)) {
    const auto url = parse_url(blob_url(reference, digest));
    auto shared =
        std::make_unique<SharedDownload>(SharedDownload::Parts{.fetcher = state.fetcher(),
                                                               .credentials = state.credentials(),
                                                               .kept = *state.kept(),
                                                               .head_patience = state.settings().first_byte_timeout},
                                         std::move(order), *url, std::move(*key));
    if (auto opened = co_await shared->open(); !opened) co_return std::unexpected(opened.error());
    co_return std::unique_ptr<BlobStream>(std::move(shared));
  }
  auto download = std::make_unique<BlobDownload>(state.fetcher(), std::move(order), BlobDownload::Received{});
  if (auto opened = co_await download->open(); !opened) co_return std::unexpected(opened.error());
  co_return std::unique_ptr<BlobStream>(std::move(download));
}

async::awaitable<std::shared_ptr<const store::OpenBlob>> Client::find_blob(Reference reference, Digest digest) {
  const auto key = co_await state_->shared_place(std::move(reference), digest);
  if (!key) co_return nullptr;
  auto blob = co_await state_->kept()->find_blob(*key);
  co_return blob && blob->digest() == digest ? std::move(blob) : nullptr;
}

Liveness Client::liveness() const { return state_->fetcher().liveness(); }

std::uint64_t Client::retries() const { return state_->fetcher().retries(); }

}  // namespace propeller::registry
