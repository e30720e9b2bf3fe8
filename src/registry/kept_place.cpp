#include "registry/kept_place.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>
#include <openssl/evp.h>

#include <array>
#include <cstdint>
#include <string_view>

#include "base/random.hpp"

namespace propeller::registry {

namespace {

constexpr std::size_t kNameBytes = 16;

/// Source: RFC 7914; cost as there for interactive logins
std::string slow_name(const std::string& login) {
  constexpr std::uint64_t kCost = 16384, kBlockSize = 8, kParallel = 1;
  constexpr std::string_view kSalt = "propeller-proxy: whose content this is";
  std::array<unsigned char, kNameBytes> bytes{};
  const int made = EVP_PBE_scrypt(login.data(), login.size(), reinterpret_cast<const unsigned char*>(kSalt.data()),
                                  kSalt.size(), kCost, kBlockSize, kParallel, 0, bytes.data(), bytes.size());
  // Without the memory for it nobody has a name that another may have, too.
  if (made != 1) return base::random_hex(kNameBytes);
  return fmt::format("{:02x}", fmt::join(bytes, ""));
}

std::string own_key(const Url& url, const std::string& name) {
  return fmt::format("bridge:{}:{}", name, shared_key(url));
}

}  // namespace

std::string LoginNames::of(const Credentials& login) {
  if (login.empty()) return "anybody";
  const auto hash = login_hash(login);
  if (const auto known = names_.find(hash); known != names_.end()) return known->second;
  if (names_.size() == kLoginsMax) names_.clear();
  return names_.emplace(hash, slow_name(hash)).first->second;
}

std::string shared_key(const Url& url) {
  const bool is_usual_port = url.port == (url.is_https() ? 443 : 80);
  const auto host = url.host.find(':') == std::string::npos ? url.host : "[" + url.host + "]";
  const auto path_at = url.text.find('/', url.text.find("://") + 3);
  return fmt::format("{}://{}{}{}", url.scheme, host, is_usual_port ? "" : fmt::format(":{}", url.port),
                     path_at == std::string::npos ? "/" : url.text.substr(path_at));
}

KeptPlace place_of_content(const Url& url, const Credentials& login, LoginNames& names) {
  if (login.empty()) return {.key = shared_key(url), .is_shared = true};
  return {.key = own_key(url, names.of(login)), .is_shared = false};
}

std::string key_of_tag(const Url& url, const Credentials& login, LoginNames& names) {
  return own_key(url, names.of(login));
}

}  // namespace propeller::registry
