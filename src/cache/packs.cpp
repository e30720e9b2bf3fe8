#include "cache/packs.hpp"

#include <algorithm>
#include <array>
#include <utility>

#include "cache/vary.hpp"
#include "http/syntax.hpp"

namespace propeller::cache {

namespace {

constexpr auto kPoolEndings = std::to_array<std::string_view>(
    {".deb", ".udeb", ".ddeb", ".dsc", ".tar.gz", ".tar.xz", ".tar.bz2", ".tar.lzma", ".tar.zst", ".diff.gz", ".asc"});
constexpr auto kIndexNames =
    std::to_array<std::string_view>({"InRelease", "Release", "Release.gpg", "Packages", "Sources"});

/// ".../by-hash/SHA256/HEX": the end of the path.
bool ends_with_hash(std::string_view path) {
  constexpr std::string_view kByHash = "/by-hash/";
  constexpr std::size_t kDigitsMin = 32;  // MD5Sum
  const auto begin = path.rfind(kByHash);
  if (begin == std::string_view::npos) return false;
  const auto rest = path.substr(begin + kByHash.size());
  const auto digits = rest.substr(std::min(rest.find('/') + 1, rest.size()));
  return rest.contains('/') && digits.size() >= kDigitsMin &&
         std::ranges::all_of(digits, [](char digit) { return http::hex_value(digit) >= 0; });
}

/// Also those of a repository without a folder `dists`; compressed ones have one more ending.
bool names_an_index(std::string_view path) {
  if (path.contains("/dists/")) return true;
  const auto file = path.substr(path.rfind('/') + 1);
  return std::ranges::any_of(kIndexNames, [&](std::string_view name) {
    return file == name || (file.starts_with(name) && file.substr(name.size()).starts_with('.') &&
                            !file.substr(name.size() + 1).contains('.'));
  });
}

Keeping debian(std::string_view path) {
  const auto ends = [&](std::string_view ending) { return path.ends_with(ending); };
  if (path.contains("/pool/") && std::ranges::any_of(kPoolEndings, ends)) return Keeping::unchanging;
  if (ends_with_hash(path)) return Keeping::unchanging;
  return names_an_index(path) ? Keeping::index : Keeping::as_said;
}

/// "/-/FILE.tgz", and with "@SCOPE/" in front of the file. There are other paths with a `/-/`, of branches say.
bool names_an_archive(std::string_view path) {
  auto rest = path.substr(path.rfind("/-/") + 3);
  if (rest.starts_with('@')) rest.remove_prefix(std::min(rest.find('/') + 1, rest.size()));
  return rest.ends_with(".tgz") && !rest.contains('/');
}

/// A package's document is wherever its name says: the request tells that it is one.
Keeping npm(std::string_view path, http::FieldView request) {
  if (path.contains("/-/")) return names_an_archive(path) ? Keeping::unchanging : Keeping::as_said;
  const bool is_short_form = request.joined("Accept").contains("application/vnd.npm.install-v1+json");
  return is_short_form || request.find("pacote-req-type") == "packument" ? Keeping::document : Keeping::as_said;
}

}  // namespace

Keeping keeping_of(const Packs& packs, std::string_view path, http::FieldView request) {
  if (path == "/v2/") return Keeping::door;
  auto keeping = packs.is_debian_on ? debian(path) : Keeping::as_said;
  if (keeping == Keeping::as_said && packs.is_npm_on) keeping = npm(path, request);
  return keeping;
}

bool is_likely(Keeping keeping, int status, http::FieldView response) {
  constexpr int kOk = 200;
  constexpr std::string_view kPage = "text/html";
  if (keeping == Keeping::door && !response.contains("Docker-Distribution-Api-Version")) return false;
  const auto type = response.find("Content-Type").value_or("");
  return keeping != Keeping::as_said && status == kOk &&
         !http::equals_ignoring_case(type.substr(0, kPage.size()), kPage);
}

ResponseDirectives under(Keeping keeping, ResponseDirectives said) {
  if (keeping == Keeping::as_said) return said;
  if (said.s_maxage) said.max_age = std::exchange(said.s_maxage, std::nullopt);
  said.must_revalidate = said.proxy_revalidate = false;
  said.stale_if_error = kSecondsMax;
  if (keeping == Keeping::index || keeping == Keeping::door) said.no_cache = true;
  if (keeping == Keeping::unchanging) {
    said.no_cache = false;
    said.max_age = kSecondsMax;
  }
  return said;
}

RequestDirectives under(Keeping keeping, RequestDirectives asked) {
  if (keeping != Keeping::unchanging) return asked;
  asked.max_age = asked.min_fresh = asked.max_stale = std::nullopt;
  return asked;
}

std::optional<std::vector<std::string>> vary_names(http::FieldView response, Keeping keeping) {
  auto names = vary_names(response);
  if (!names || keeping != Keeping::document || std::ranges::find(*names, "accept") != names->end()) return names;
  names->emplace_back("accept");
  std::ranges::sort(*names);
  return names;
}

}  // namespace propeller::cache
