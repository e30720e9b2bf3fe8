#include "registry/kept_place.hpp"

#include <fmt/format.h>

#include "base/digest.hpp"

namespace propeller::registry {

namespace {

constexpr std::size_t kNameDigits = 16;

/// Tells logins apart. A password is left out: what is written to a disk should not help to guess it.
std::string name_of(const Credentials& login) {
  if (login.empty()) return "anybody";
  const auto& secret = login.bearer.empty() ? login.identity_token : login.bearer;
  const auto digest = base::sha256(fmt::format("login\n{}\n{}", login.username, secret.reveal()));
  return digest.hex().substr(0, kNameDigits);
}

std::string own_key(const Url& url, const Credentials& login) {
  return fmt::format("bridge:{}:{}", name_of(login), shared_key(url));
}

}  // namespace

std::string shared_key(const Url& url) {
  const bool is_usual_port = url.port == (url.is_https() ? 443 : 80);
  const auto host = url.host.find(':') == std::string::npos ? url.host : "[" + url.host + "]";
  const auto path_at = url.text.find('/', url.text.find("://") + 3);
  return fmt::format("{}://{}{}{}", url.scheme, host, is_usual_port ? "" : fmt::format(":{}", url.port),
                     path_at == std::string::npos ? "/" : url.text.substr(path_at));
}

KeptPlace place_of_content(const Url& url, const Credentials& login) {
  if (login.empty()) return {.key = shared_key(url), .is_shared = true};
  return {.key = own_key(url, login), .is_shared = false};
}

std::string key_of_tag(const Url& url, const Credentials& login) { return own_key(url, login); }

}  // namespace propeller::registry
