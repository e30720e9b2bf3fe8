#include "registry/reference.hpp"

#include <algorithm>
#include <cctype>
#include <charconv>

namespace propeller::registry {

namespace {

constexpr std::string_view kDockerHub = "registry-1.docker.io";

bool is_lower_alnum(char c) { return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9'); }
bool is_alnum(char c) { return is_lower_alnum(c) || (c >= 'A' && c <= 'Z'); }
bool is_digit(char c) { return c >= '0' && c <= '9'; }

// What a device sent ends up in messages that people read: nothing unprintable, nothing endless.
std::string quoted(std::string_view text) {
  constexpr std::size_t kShownMax = 80;
  std::string shown = "'";
  for (const char c : text.substr(0, kShownMax)) shown.push_back(c >= 0x20 && c < 0x7f ? c : '?');
  return shown + (text.size() > kShownMax ? "…'" : "'");
}

std::unexpected<Error> bad(std::string_view what, std::string_view text) {
  return fail(Code::bad_reference, Origin::client, std::string(what) + ": " + quoted(text));
}

std::string lower(std::string_view text) {
  std::string result(text);
  for (char& c : result) c = static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
  return result;
}

std::string unaliased(std::string host) {
  if (host == "docker.io" || host == "index.docker.io" || host == "registry.hub.docker.com")
    return std::string(kDockerHub);
  return host;
}

bool is_host_label(std::string_view label) {
  if (label.empty() || label.size() > 63 || !is_alnum(label.front()) || !is_alnum(label.back())) return false;
  return std::ranges::all_of(label, [](char c) { return is_alnum(c) || c == '-' || c == '_'; });
}

bool is_host_name(std::string_view name) {
  if (name.size() > 2 && name.front() == '[' && name.back() == ']') {
    name = name.substr(1, name.size() - 2);
    return name.find(':') != name.npos && std::ranges::all_of(name, [](char c) {
             return std::isxdigit(static_cast<unsigned char>(c)) || c == ':' || c == '.';
           });
  }
  if (name.ends_with('.')) name.remove_suffix(1);
  for (;;) {
    const auto dot = name.find('.');
    if (!is_host_label(name.substr(0, dot))) return false;
    if (dot == name.npos) return true;
    name.remove_prefix(dot + 1);
  }
}

bool is_port(std::string_view text) {
  unsigned port = 0;
  if (text.empty() || text.size() > 5 || !std::ranges::all_of(text, is_digit)) return false;
  std::from_chars(text.data(), text.data() + text.size(), port);
  return port > 0 && port <= 65535;
}

Result<std::string> parse_host(std::string_view text) {
  if (text.size() > kHostBytesMax) return bad("the host is longer than 255 characters", text);
  const auto bracket = text.rfind(']');
  const auto colon = text.find(':', bracket == text.npos ? 0 : bracket);
  const auto name = text.substr(0, colon);
  if (!is_host_name(name)) return bad("not a host name", text);
  if (colon != text.npos && !is_port(text.substr(colon + 1))) return bad("not a port", text);
  return unaliased(lower(text));
}

// One component: alphanumeric runs with separators '.', '_', '__' or any number of '-' between them.
bool is_repository_component(std::string_view text) {
  if (text.empty() || !is_lower_alnum(text.front()) || !is_lower_alnum(text.back())) return false;
  for (std::size_t i = 0; i < text.size();) {
    if (is_lower_alnum(text[i])) {
      ++i;
      continue;
    }
    const std::size_t begin = i;
    while (i < text.size() && text[i] == text[begin]) ++i;
    const std::size_t length = i - begin;
    const bool is_separator =
        (text[begin] == '.' && length == 1) || (text[begin] == '_' && length <= 2) || text[begin] == '-';
    if (!is_separator || !is_lower_alnum(text[i])) return false;
  }
  return true;
}

Result<void> check_path(std::string_view text) {
  const auto is_control = [](char c) { return static_cast<unsigned char>(c) < 0x20 || c == 0x7f; };
  if (text.empty()) return bad("nothing stands after '#'", text);
  if (text.size() > kPathBytesMax) return bad("the path after '#' is longer than 512 characters", text);
  if (std::ranges::any_of(text, is_control)) return bad("the path after '#' has control characters", text);
  return {};
}

struct Scheme {
  bool is_given = false;
  bool is_plain_http = false;
};

Result<Scheme> take_scheme(std::string_view& text) {
  const auto end = text.find("://");
  if (end == text.npos) return Scheme{};
  const std::string name = lower(text.substr(0, end));
  if (name != "http" && name != "https" && name != "oci") return bad("the scheme has to be http, https or oci", text);
  text.remove_prefix(end + 3);
  return Scheme{.is_given = name != "oci", .is_plain_http = name == "http"};
}

bool is_host_component(std::string_view first) {
  return first.find_first_of(".:") != first.npos || lower(first) == "localhost";
}

// Sets repository, tag and digest from `repository[:tag][@digest]`.
Result<void> take_name(std::string_view text, Reference& reference) {
  if (const auto at = text.find('@'); at != text.npos) {
    auto digest = Digest::parse(text.substr(at + 1));
    if (!digest) return bad("a digest is 'sha256:' and 64 lower-case hex digits", text.substr(at + 1));
    reference.digest = *digest;
    text = text.substr(0, at);
  }
  const auto slash = text.rfind('/');
  const auto colon = text.find(':', slash == text.npos ? 0 : slash);
  if (colon != text.npos) {
    if (auto checked = check_tag(text.substr(colon + 1)); !checked) return checked;
    reference.tag = text.substr(colon + 1);
    text = text.substr(0, colon);
  }
  if (reference.tag.empty() && !reference.digest) reference.tag = "latest";
  reference.repository = text;
  return {};
}

std::string origin_of(const std::string& host, bool is_plain_http) {
  return (is_plain_http ? "http://" : "https://") + host;
}

}  // namespace

Result<void> check_repository(std::string_view text) {
  if (text.empty()) return bad("the repository's name is missing", text);
  if (text.size() > kRepositoryBytesMax) return bad("the repository's name is longer than 255 characters", text);
  for (std::string_view rest = text;;) {
    const auto slash = rest.find('/');
    if (!is_repository_component(rest.substr(0, slash))) {
      return bad("a repository's name is lower-case letters, digits and single separators . _ -", text);
    }
    if (slash == rest.npos) return {};
    rest.remove_prefix(slash + 1);
  }
}

Result<void> check_tag(std::string_view text) {
  const bool is_right =
      !text.empty() && text.size() <= kTagBytesMax && (is_alnum(text.front()) || text.front() == '_') &&
      std::ranges::all_of(text, [](char c) { return is_alnum(c) || c == '_' || c == '.' || c == '-'; });
  if (!is_right) return bad("a tag is 1 to 128 letters, digits, . _ - and does not begin with . or -", text);
  return {};
}

std::string Reference::manifest_name() const { return digest ? digest->to_string() : tag; }

std::string Reference::origin() const { return origin_of(host, is_plain_http); }

std::string RegistryUrl::origin() const { return origin_of(host, is_plain_http); }

std::string Reference::to_string() const {
  // A host of one label is told from a repository's first component by its scheme alone.
  const std::string_view scheme = is_plain_http ? "http://" : is_host_component(host) ? "" : "https://";
  std::string text = std::string(scheme) + host + "/" + repository;
  if (!tag.empty()) text.append(":").append(tag);
  if (digest) text.append("@").append(digest->to_string());
  if (!path.empty()) text.append("#").append(path);
  return text;
}

Reference Reference::pinned(const Digest& manifest) const {
  Reference result = *this;
  result.digest = manifest;
  return result;
}

Result<RegistryUrl> parse_registry_url(std::string_view url) {
  if (url.empty()) return RegistryUrl{.host = std::string(kDockerHub), .is_plain_http = false, .prefix = {}};
  if (url.size() > kReferenceBytesMax) return bad("the registry's URL is longer than 1024 characters", url);
  const std::string_view whole = url;
  const auto scheme = take_scheme(url);
  if (!scheme) return std::unexpected(scheme.error());
  while (url.ends_with('/')) url.remove_suffix(1);
  const auto slash = url.find('/');
  auto host = parse_host(url.substr(0, slash));
  if (!host) return bad("not a registry's URL", whole);
  RegistryUrl result{.host = std::move(*host), .is_plain_http = scheme->is_plain_http, .prefix = {}};
  if (slash != url.npos) {
    result.prefix = url.substr(slash + 1);
    if (auto checked = check_repository(result.prefix); !checked) return std::unexpected(checked.error());
  }
  return result;
}

Result<Reference> parse_reference(std::string_view name, std::string_view default_registry) {
  if (name.empty()) return bad("the image's name is empty", name);
  if (name.size() > kReferenceBytesMax) return bad("the image's name is longer than 1024 characters", name);
  const auto fallback = parse_registry_url(default_registry);
  if (!fallback) return std::unexpected(fallback.error());

  Reference reference;
  if (const auto hash = name.find('#'); hash != name.npos) {
    reference.path = name.substr(hash + 1);
    if (auto checked = check_path(reference.path); !checked) return std::unexpected(checked.error());
    name = name.substr(0, hash);
  }
  const auto scheme = take_scheme(name);
  if (!scheme) return std::unexpected(scheme.error());
  const auto slash = name.find('/');
  const auto first = name.substr(0, slash);
  if (scheme->is_given && slash == name.npos) return bad("the repository's name is missing", name);
  if (slash != name.npos && (scheme->is_given || is_host_component(first))) {
    auto host = parse_host(first);
    if (!host) return std::unexpected(host.error());
    reference.host = std::move(*host);
    const bool is_default_host = reference.host == fallback->host;
    reference.is_plain_http = scheme->is_given ? scheme->is_plain_http : is_default_host && fallback->is_plain_http;
    if (auto taken = take_name(name.substr(slash + 1), reference); !taken) return std::unexpected(taken.error());
  } else {
    reference.host = fallback->host;
    reference.is_plain_http = fallback->is_plain_http;
    if (auto taken = take_name(name, reference); !taken) return std::unexpected(taken.error());
    if (!fallback->prefix.empty()) reference.repository = fallback->prefix + "/" + reference.repository;
  }
  if (auto checked = check_repository(reference.repository); !checked) return std::unexpected(checked.error());
  if (reference.host == kDockerHub && reference.repository.find('/') == std::string::npos) {
    reference.repository.insert(0, "library/");
  }
  return reference;
}

}  // namespace propeller::registry
