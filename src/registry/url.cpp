#include "registry/url.hpp"

#include <curl/curl.h>

#include <algorithm>
#include <charconv>
#include <memory>

namespace propeller::registry {

namespace {

struct FreeHandle {
  void operator()(CURLU* handle) const { curl_url_cleanup(handle); }
};
using Handle = std::unique_ptr<CURLU, FreeHandle>;

constexpr unsigned kParseFlags = CURLU_DISALLOW_USER;

std::unexpected<Error> bad(const char* why) {
  return fail(Code::registry_unavailable, Origin::upstream,
              std::string("the registry pointed at an address that cannot be used: ") + why);
}

std::string part(CURLU* handle, CURLUPart which, unsigned flags = 0) {
  char* text = nullptr;
  if (curl_url_get(handle, which, &text, flags) != CURLUE_OK) return {};
  std::string result(text);
  curl_free(text);
  return result;
}

Result<Url> read(CURLU* handle) {
  curl_url_set(handle, CURLUPART_FRAGMENT, nullptr, 0);
  Url url;
  url.scheme = part(handle, CURLUPART_SCHEME);
  if (url.scheme != "http" && url.scheme != "https") return bad("not http or https");
  url.host = part(handle, CURLUPART_HOST);
  if (url.host.starts_with('[') && url.host.ends_with(']')) url.host = url.host.substr(1, url.host.size() - 2);
  for (char& c : url.host) c = c >= 'A' && c <= 'Z' ? static_cast<char>(c + ('a' - 'A')) : c;
  const std::string port = part(handle, CURLUPART_PORT, CURLU_DEFAULT_PORT);
  std::from_chars(port.data(), port.data() + port.size(), url.port);
  url.text = part(handle, CURLUPART_URL);
  if (url.host.empty() || url.port == 0 || url.text.empty()) return bad("no host");
  return url;
}

bool has_control(std::string_view text) {
  return std::ranges::any_of(text, [](char c) { return static_cast<unsigned char>(c) <= 0x20 || c == 0x7f; });
}

}  // namespace

std::string Url::authority() const {
  return (host.find(':') == std::string::npos ? host : "[" + host + "]") + ":" + std::to_string(port);
}

Result<Url> parse_url(std::string_view text) {
  if (text.size() > kUrlBytesMax) return bad("too long");
  if (has_control(text)) return bad("control characters");
  const Handle handle(curl_url());
  const std::string terminated(text);
  if (!handle || curl_url_set(handle.get(), CURLUPART_URL, terminated.c_str(), kParseFlags) != CURLUE_OK)
    return bad("malformed");
  return read(handle.get());
}

Result<Url> resolve_url(const Url& base, std::string_view location) {
  if (location.size() > kUrlBytesMax) return bad("too long");
  if (location.empty()) return bad("empty");
  if (has_control(location)) return bad("control characters");
  const Handle handle(curl_url());
  const std::string terminated(location);
  if (!handle || curl_url_set(handle.get(), CURLUPART_URL, base.text.c_str(), kParseFlags) != CURLUE_OK ||
      curl_url_set(handle.get(), CURLUPART_URL, terminated.c_str(), kParseFlags) != CURLUE_OK) {
    return bad("malformed");
  }
  return read(handle.get());
}

std::string percent_encode(std::string_view text) {
  constexpr char kDigits[] = "0123456789ABCDEF";
  std::string result;
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    const bool is_unreserved = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' ||
                               c == '.' || c == '_' || c == '~';
    if (is_unreserved) {
      result.push_back(c);
    } else {
      result.append({'%', kDigits[byte >> 4], kDigits[byte & 15]});
    }
  }
  return result;
}

}  // namespace propeller::registry
