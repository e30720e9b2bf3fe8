#pragma once

#include <chrono>
#include <cstdint>
#include <memory>
#include <string>
#include <variant>
#include <vector>

#include "app/event_body.hpp"
#include "app/proxy_client.hpp"
#include "registry/manifest.hpp"
#include "registry/reference.hpp"

namespace propeller::app {

struct PullQuestion {
  registry::Reference reference;
  std::string os = "linux";
  std::string architecture;
};
/// {"reference":"ghcr.io/owner/image:tag","platform":"linux/arm64"}; without a platform that of this machine. Pure.
/// Errors: bad_request with a sentence.
[[nodiscard]] Result<PullQuestion> parse_pull(std::string_view document);

/// The manifest of an index for a platform. Errors: not_found, with those that are there.
[[nodiscard]] Result<base::Digest> choose_platform(const registry::Index& index, const PullQuestion& question);

/// Fetches an image through the proxy's mirror, part by part, so that the cache has it.
///
/// Bound:    manifests have registry::kManifestBytesMax; of a blob kPieceBytes are in memory; kStepBytes in a step,
///           or what comes in kStepTime.
/// Lifetime: the client outlives it.
/// Source:   OCI distribution-spec 1.1, "Pull"; image-spec 1.1
class PullWork final : public StepwiseWork {
 public:
  static constexpr std::size_t kPieceBytes = 64 * 1024;
  static constexpr std::uint64_t kStepBytes = 4 * 1024 * 1024;
  static constexpr std::chrono::seconds kStepTime{1};

  PullWork(ProxyClient& client, PullQuestion question) : client_(client), question_(std::move(question)) {}
  async::awaitable<ServerEvent> step() override;

 private:
  using Document = std::variant<registry::Manifest, registry::Index>;
  [[nodiscard]] async::awaitable<Result<void>> advance();
  [[nodiscard]] async::awaitable<Result<void>> resolve();
  [[nodiscard]] async::awaitable<Result<Document>> manifest(std::string name);
  [[nodiscard]] async::awaitable<Result<void>> read_some();
  [[nodiscard]] async::awaitable<Result<http::ClientResponse>> get(std::string_view what, std::string name);
  [[nodiscard]] ServerEvent event(std::string_view name) const;

  ProxyClient& client_;
  const PullQuestion question_;
  std::string digest_;                  ///< of what the reference names
  std::vector<registry::Layer> parts_;  ///< what is left, the last one next
  std::unique_ptr<http::BodySource> body_;
  std::uint64_t bytes_ = 0, bytes_total_ = 0, hits_ = 0;
  std::size_t parts_total_ = 0;
};

}  // namespace propeller::app
