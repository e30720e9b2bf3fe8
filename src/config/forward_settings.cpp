#include "config/forward_settings.hpp"

namespace propeller::config {

std::string_view to_string(EvictionPolicy policy) {
  switch (policy) {
    case EvictionPolicy::s3fifo: return "s3fifo";
    case EvictionPolicy::sieve: return "sieve";
    case EvictionPolicy::lru: return "lru";
  }
  return "";
}

std::string_view to_string(PrivateContent content) {
  switch (content) {
    case PrivateContent::verify: return "verify";
    case PrivateContent::proxy_credentials: return "proxy-credentials";
    case PrivateContent::never: return "never";
  }
  return "";
}

std::string_view to_string(CachePack pack) { return pack == CachePack::npm ? "npm" : "debian"; }

std::string_view to_string(ApiAuth auth) { return auth == ApiAuth::token ? "token" : "loopback"; }

std::string_view to_string(UpstreamScheme scheme) {
  switch (scheme) {
    case UpstreamScheme::http: return "http";
    case UpstreamScheme::https: return "https";
    case UpstreamScheme::socks5: return "socks5";
    case UpstreamScheme::socks5h: return "socks5h";
  }
  return "";
}

}  // namespace propeller::config
