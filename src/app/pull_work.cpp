#include "app/pull_work.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <set>

#include "base/digest.hpp"

namespace propeller::app {

using nlohmann::json;

namespace {

constexpr int kOk = 200;
constexpr std::size_t kReasonBytesMax = 300;
constexpr int kDepthMax = 1;

#if defined(__aarch64__)
constexpr std::string_view kArchitecture = "arm64";
#elif defined(__x86_64__)
constexpr std::string_view kArchitecture = "amd64";
#else
constexpr std::string_view kArchitecture = "";
#endif

std::unexpected<Error> wrong(std::string text) { return fail(Code::bad_request, Origin::client, std::move(text)); }

/// The values of a flat object of strings with these keys.
Result<std::pair<std::string, std::string>> strings_of(std::string_view document) {
  std::pair<std::string, std::string> values;
  bool is_flat = true;
  const auto watch = [&](int depth, json::parse_event_t, json&) { return is_flat = is_flat && depth <= kDepthMax; };
  try {
    const auto object = json::parse(document, watch);
    if (!is_flat || !object.is_object()) return wrong("the body has to be {\"reference\":…,\"platform\":…}");
    for (const auto& [name, value] : object.items()) {
      if ((name != "reference" && name != "platform") || !value.is_string())
        return wrong("only reference and platform are known, which are strings");
      (name == "reference" ? values.first : values.second) = value.get<std::string>();
    }
  } catch (const json::exception&) {
    return wrong("the body has to be {\"reference\":…,\"platform\":…}");
  }
  return values;
}

async::awaitable<Error> refusal(std::string_view what, http::ClientResponse response) {
  const auto text = co_await http::read_all(*response.body, registry::kManifestBytesMax);
  const auto reason = text ? text->substr(0, kReasonBytesMax) : std::string();
  co_return Error{Code::registry_unavailable, Origin::upstream,
                  fmt::format("{} was answered {}: {}", what, response.status, reason)};
}

}  // namespace

Result<PullQuestion> parse_pull(std::string_view document) {
  const auto values = strings_of(document);
  if (!values) return std::unexpected(values.error());
  const auto& [name, platform] = *values;
  if (name.empty()) return wrong("reference is needed: ghcr.io/owner/image:tag");
  auto reference = registry::parse_reference(name, {});
  if (!reference) return wrong(reference.error().detail);
  PullQuestion question{.reference = std::move(*reference), .architecture = std::string(kArchitecture)};
  if (platform.empty()) return question;
  const auto slash = platform.find('/');
  if (slash == std::string::npos || slash == 0 || slash + 1 == platform.size() ||
      platform.find('/', slash + 1) != std::string::npos)
    return wrong("platform is os/architecture: linux/arm64");
  question.os = platform.substr(0, slash);
  question.architecture = platform.substr(slash + 1);
  return question;
}

Result<base::Digest> choose_platform(const registry::Index& index, const PullQuestion& question) {
  std::string there;
  for (const auto& child : index.children) {
    if (child.is_attestation) continue;
    if (child.os == question.os && child.architecture == question.architecture) return child.digest;
    there += fmt::format("{}{}/{}", there.empty() ? "" : ", ", child.os, child.architecture);
  }
  return fail(Code::not_found, Origin::upstream,
              fmt::format("the image is not there for {}/{}, but for: {}", question.os, question.architecture, there));
}

async::awaitable<ServerEvent> PullWork::step() {
  const auto advanced = co_await advance();
  if (!advanced) co_return ServerEvent{.name = "error", .data = {{"error", advanced.error().detail}}};
  co_return event(parts_.empty() && !body_ ? "done" : "progress");
}

ServerEvent PullWork::event(std::string_view name) const {
  const auto left = parts_.size() + (body_ ? 1 : 0);
  return {.name = name,
          .data = {{"digest", digest_},
                   {"blobs", parts_total_ - left},
                   {"blobs_total", parts_total_},
                   {"bytes", bytes_},
                   {"bytes_total", bytes_total_},
                   {"from_cache", hits_}}};
}

async::awaitable<Result<void>> PullWork::advance() {
  if (digest_.empty()) co_return co_await resolve();
  if (body_) co_return co_await read_some();
  const auto part = parts_.back();
  auto response = co_await get("blobs", part.digest.to_string());
  if (!response) co_return std::unexpected(response.error());
  parts_.pop_back();
  body_ = std::move(response->body);
  co_return co_await read_some();
}

/// From the reference to the parts of the image. What a tag names is asked for by its digest, too: that is kept.
async::awaitable<Result<void>> PullWork::resolve() {
  auto document = co_await manifest(question_.reference.manifest_name());
  if (!document) co_return std::unexpected(document.error());
  const auto named = digest_;
  if (!question_.reference.digest) {
    document = co_await manifest(named);
    if (!document) co_return std::unexpected(document.error());
  }
  if (const auto* index = std::get_if<registry::Index>(&*document)) {
    const auto child = choose_platform(*index, question_);
    if (!child) co_return std::unexpected(child.error());
    document = co_await manifest(child->to_string());
    if (!document) co_return std::unexpected(document.error());
  }
  auto* image = std::get_if<registry::Manifest>(&*document);
  if (image == nullptr) co_return fail(Code::bad_reference, Origin::upstream, "an index within an index is no image");
  digest_ = named;
  if (image->configuration) image->layers.push_back(*image->configuration);
  std::set<base::Digest> seen;
  for (auto& layer : image->layers) {
    if (!seen.insert(layer.digest).second) continue;
    bytes_total_ += layer.size;
    parts_.push_back(std::move(layer));
  }
  parts_total_ = parts_.size();
  co_return Result<void>();
}

async::awaitable<Result<PullWork::Document>> PullWork::manifest(std::string name) {
  auto response = co_await get("manifests", name);
  if (!response) co_return std::unexpected(response.error());
  const auto type = std::string(response->fields.find("Content-Type").value_or(""));
  const auto text = co_await http::read_all(*response->body, registry::kManifestBytesMax);
  if (!text) co_return std::unexpected(text.error());
  digest_ = base::sha256(*text).to_string();
  if (name.starts_with("sha256:") && name != digest_)
    co_return fail(Code::digest_mismatch, Origin::upstream, fmt::format("the manifest is not {}", name));
  co_return registry::parse_manifest(*text, type);
}

async::awaitable<Result<void>> PullWork::read_some() {
  const auto end = std::chrono::steady_clock::now() + kStepTime;
  for (std::uint64_t read = 0; read < kStepBytes && std::chrono::steady_clock::now() < end;) {
    const auto piece = co_await body_->read(kPieceBytes);
    if (!piece) co_return std::unexpected(piece.error());
    if (piece->empty()) {
      body_.reset();
      break;
    }
    read += piece->size();
    bytes_ += piece->size();
  }
  co_return Result<void>();
}

async::awaitable<Result<http::ClientResponse>> PullWork::get(std::string_view what, std::string name) {
  const auto& reference = question_.reference;
  http::Fields fields;
  // "Accept: …", as libcurl wants it elsewhere.
  constexpr std::string_view kAccept = registry::kManifestAccept.substr(registry::kManifestAccept.find(' ') + 1);
  if (what == "manifests") fields.add_view("Accept", kAccept);
  const auto path = fmt::format("/v2/{}/{}/{}?ns={}", reference.repository, what, name, reference.host);
  auto response = co_await client_.get(path, std::move(fields));
  if (!response) co_return std::unexpected(response.error());
  if (response->status != kOk) co_return std::unexpected(co_await refusal(path, std::move(*response)));
  if (what == "blobs" && response->fields.find("X-Cache") == "HIT") ++hits_;
  co_return std::move(*response);
}

}  // namespace propeller::app
