#include "forward/registry_path.hpp"

#include <array>
#include <cstring>

#include "http/syntax.hpp"
#include "registry/reference.hpp"
#include "store/blob_digest.hpp"

namespace propeller::forward {

namespace {

constexpr std::string_view kRoot = "/v2/";
constexpr std::string_view kTagsList = "/tags/list";

struct Kind {
  std::string_view name;
  RegistryCall call;
};
constexpr std::array kKinds{Kind{"manifests", RegistryCall::manifest}, Kind{"blobs", RegistryCall::blob},
                            Kind{"referrers", RegistryCall::referrers}};

std::string with_colons(std::string_view text) {
  if (!text.contains('%')) return std::string(text);
  std::string plain;
  while (!text.empty()) {
    const bool is_colon = text.starts_with("%3A") || text.starts_with("%3a");
    plain += is_colon ? ':' : text.front();
    text.remove_prefix(is_colon ? 3 : 1);
  }
  return plain;
}

/// Takes the text behind the last slash off.
std::optional<std::string_view> take_last(std::string_view& path) {
  // A digest is long: this looks at many bytes at once, rfind() does not.
  const auto* const found = static_cast<const char*>(::memrchr(path.data(), '/', path.size()));
  const auto slash = static_cast<std::size_t>(found != nullptr ? found - path.data() : 0);
  if (slash == 0 || slash + 1 == path.size()) return std::nullopt;
  const auto last = path.substr(slash + 1);
  path = path.substr(0, slash);
  return last;
}

std::string decoded(std::string_view text) {
  std::string plain;
  for (std::size_t i = 0; i < text.size(); ++i) {
    const int high = text[i] == '%' && i + 2 < text.size() ? http::hex_value(text[i + 1]) : -1;
    const int low = high >= 0 ? http::hex_value(text[i + 2]) : -1;
    plain += low >= 0 ? static_cast<char>(high * 16 + low) : text[i];
    if (low >= 0) i += 2;
  }
  return plain;
}

}  // namespace

std::string RegistryPath::to_string() const {
  if (call == RegistryCall::ping) return std::string(kRoot);
  std::string text;
  text.reserve(kRoot.size() + repository.size() + kTagsList.size() + reference.size() + 2);
  text.append(kRoot).append(repository);
  if (call == RegistryCall::tags) text.append(kTagsList);
  for (const auto& kind : kKinds) {
    if (kind.call == call) text.append("/").append(kind.name).append("/").append(reference);
  }
  return text;
}

bool is_registry_path(std::string_view path) { return path.starts_with(kRoot) || path == "/v2"; }

std::optional<RegistryPath> parse_registry_path(std::string_view path) {
  if (!is_registry_path(path)) return std::nullopt;
  if (path.size() <= kRoot.size()) return RegistryPath{};
  path.remove_prefix(kRoot.size());
  if (path.ends_with(kTagsList)) {
    path.remove_suffix(kTagsList.size());
    return path.empty() ? std::nullopt
                        : std::optional(RegistryPath{.call = RegistryCall::tags, .repository = with_colons(path)});
  }
  const auto reference = take_last(path);
  const auto name = reference ? take_last(path) : std::nullopt;
  for (const auto& kind : kKinds) {
    if (name == kind.name)
      return RegistryPath{.call = kind.call, .repository = with_colons(path), .reference = with_colons(*reference)};
  }
  return std::nullopt;
}

Result<void> check_names(const RegistryPath& path) {
  if (path.call == RegistryCall::ping) return {};
  if (auto checked = registry::check_repository(path.repository); !checked || path.call == RegistryCall::tags)
    return checked;
  const bool is_digest = path.reference.find(':') != std::string::npos;
  if (path.call == RegistryCall::manifest && !is_digest) return registry::check_tag(path.reference);
  const auto digest = store::BlobDigest::parse(path.reference);
  return digest ? Result<void>() : std::unexpected(digest.error());
}

NamespaceQuery take_namespace(std::string_view query) {
  NamespaceQuery taken;
  while (!query.empty()) {
    const auto end = std::min(query.find('&'), query.size());
    const auto parameter = query.substr(0, end);
    if (parameter.starts_with("ns=")) {
      taken.name = decoded(parameter.substr(3));
    } else {
      taken.rest.append(taken.rest.empty() ? "" : "&").append(parameter);
    }
    query.remove_prefix(std::min(end + 1, query.size()));
  }
  return taken;
}

bool names_a_tag(std::string_view path) {
  if (path.find("/manifests/") == std::string_view::npos) return false;
  const auto parsed = parse_registry_path(path);
  return parsed && parsed->call == RegistryCall::manifest && check_names(*parsed) &&
         parsed->reference.find(':') == std::string::npos;
}

std::string path_by_digest(std::string_view path, std::string_view digest) {
  const auto query_at = std::min(path.find('?'), path.size());
  const auto name_at = path.substr(0, query_at).rfind('/') + 1;
  return std::string(path.substr(0, name_at)).append(digest).append(path.substr(query_at));
}

}  // namespace propeller::forward
