#include "registry/client.hpp"

#include <optional>
#include <utility>

#include "registry/authenticator.hpp"
#include "registry/blob_download.hpp"
#include "registry/choice.hpp"
#include "registry/credentials.hpp"
#include "registry/fetcher.hpp"
#include "registry/host_policy.hpp"
#include "registry/manifest.hpp"
#include "registry/transport.hpp"

namespace propeller::registry {

namespace {

struct Document {
  std::string text;
  std::string content_type;
  Digest digest;
};

std::string origin_of(const Reference& reference) {
  return (reference.is_plain_http ? "http://" : "https://") + reference.host;
}

Result<std::pair<Url, HostPolicy>> parse_settings(const config::Registry& settings) {
  const auto registry = parse_registry_url(settings.url);
  auto url = registry ? parse_url((registry->is_plain_http ? "http://" : "https://") + registry->host)
                      : Result<Url>(std::unexpected(registry.error()));
  if (!url) return fail(Code::bad_config, Origin::client, "PROXY_REGISTRY_URL: " + url.error().detail);
  auto policy = HostPolicy::make(*url, settings.allow, !settings.proxy.empty());
  if (!policy) return std::unexpected(policy.error());
  return std::pair(std::move(*url), std::move(*policy));
}

Attempt<void> check_digest(const Document& document, const std::string& name, std::string_view announced) {
  const auto mismatch = [&] {
    return give_up(Code::digest_mismatch, Origin::upstream,
                   "the manifest " + name + " came with other bytes, of " + document.digest.to_string());
  };
  // Other algorithms than SHA-256 in the header field are none of our business; in the name they cannot be.
  if (const auto wanted = Digest::parse(name); wanted && *wanted != document.digest) return mismatch();
  if (const auto said = Digest::parse(announced); said && *said != document.digest) return mismatch();
  return {};
}

}  // namespace

class Client::State {
 public:
  State(async::asio::any_io_executor executor, const config::Registry& settings, const Url& configured,
        HostPolicy policy)
      : settings_(settings),
        policy_(std::move(policy)),
        transport_(std::move(executor), settings_, policy_),
        credentials_(settings_, configured),
        authenticator_(settings_, credentials_, transport_),
        fetcher_(settings_, policy_, authenticator_, transport_) {}
  /// Settings that make no sense.
  State(async::asio::any_io_executor executor, const config::Registry& settings, Error error)
      : State(std::move(executor), settings, Url{}, *HostPolicy::make(Url{}, {})) {
    error_ = std::move(error);
  }

  [[nodiscard]] const std::optional<Error>& error() const { return error_; }
  [[nodiscard]] const config::Registry& settings() const { return settings_; }
  [[nodiscard]] Fetcher& fetcher() { return fetcher_; }

  async::awaitable<Result<Document>> manifest(Reference reference, std::string name, OnRetry on_retry);

 private:
  async::awaitable<Attempt<Document>> manifest_once(FetchRequest request, std::string name);

  const config::Registry settings_;
  const HostPolicy policy_;
  Transport transport_;
  CredentialSource credentials_;
  Authenticator authenticator_;
  Fetcher fetcher_;
  std::optional<Error> error_;
};

async::awaitable<Result<Document>> Client::State::manifest(Reference reference, std::string name, OnRetry on_retry) {
  const FetchRequest request{.registry = origin_of(reference),
                             .repository = reference.repository,
                             .target = "manifests/" + name,
                             .what = "manifest " + name + " of " + reference.repository,
                             .header_lines = {std::string(kManifestAccept)}};
  for (Attempts attempts;; ++attempts.count) {
    auto document = co_await manifest_once(request, name);
    if (document) co_return std::move(*document);
    if (!co_await fetcher_.pause_before_retry(document.error(), attempts, on_retry))
      co_return std::unexpected(document.error().error);
  }
}

async::awaitable<Attempt<Document>> Client::State::manifest_once(FetchRequest request, std::string name) {
  auto answer = co_await fetcher_.attempt(std::move(request));
  if (!answer) co_return std::unexpected(answer.error());
  Exchange& exchange = **answer;
  auto text =
      co_await read_document(exchange, kManifestBytesMax, settings_.first_byte_timeout + settings_.stall_timeout);
  if (!text) co_return std::unexpected(text.error());
  Document document{
      .text = std::move(*text), .content_type = std::string(exchange.head().field("content-type")), .digest = {}};
  document.digest = base::sha256(document.text);
  if (auto checked = check_digest(document, name, exchange.head().field("docker-content-digest")); !checked)
    co_return std::unexpected(checked.error());
  co_return document;
}

Result<void> check_settings(const config::Registry& settings) {
  auto parsed = parse_settings(settings);
  if (!parsed) return std::unexpected(parsed.error());
  return {};
}

Client::Client(async::asio::any_io_executor executor, config::Registry settings) {
  auto parsed = parse_settings(settings);
  state_ = parsed ? std::make_unique<State>(std::move(executor), settings, parsed->first, std::move(parsed->second))
                  : std::make_unique<State>(std::move(executor), settings, parsed.error());
}

Client::~Client() = default;

async::awaitable<Result<ResolvedImage>> Client::resolve(Reference reference, OnRetry on_retry) {
  State& state = *state_;
  if (state.error()) co_return std::unexpected(*state.error());
  ResolvedImage image{
      .reference = reference, .manifest = {}, .candidates = {}, .configuration = {}, .is_fallback = false};
  auto document = co_await state.manifest(reference, reference.manifest_name(), on_retry);
  const bool may_fall_back = state.settings().falls_back_to_latest && !reference.digest && reference.tag != "latest";
  if (!document && document.error().code == Code::not_found && may_fall_back) {
    image.is_fallback = true;
    document = co_await state.manifest(reference, "latest", on_retry);
  }
  for (int depth = 0;; ++depth) {
    if (!document) co_return std::unexpected(document.error());
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
    document = co_await state.manifest(reference, child->to_string(), on_retry);
  }
}

async::awaitable<Result<std::unique_ptr<BlobStream>>> Client::open_blob(Reference reference, Digest digest,
                                                                        std::uint64_t size, OnRetry on_retry) {
  State& state = *state_;
  if (state.error()) co_return std::unexpected(*state.error());
  auto download =
      std::make_unique<BlobDownload>(state.fetcher(),
                                     FetchRequest{.registry = origin_of(reference),
                                                  .repository = reference.repository,
                                                  .target = "blobs/" + digest.to_string(),
                                                  .what = "blob " + digest.short_hex() + " of " + reference.repository,
                                                  .header_lines = {},
                                                  .on_retry = std::move(on_retry)},
                                     digest, size, state.settings().stall_timeout);
  if (auto opened = co_await download->open(); !opened) co_return std::unexpected(opened.error());
  co_return std::unique_ptr<BlobStream>(std::move(download));
}

Liveness Client::liveness() const { return state_->fetcher().liveness(); }

std::uint64_t Client::retries() const { return state_->fetcher().retries(); }

}  // namespace propeller::registry
