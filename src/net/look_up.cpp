#include "net/look_up.hpp"

#include <fmt/format.h>
#include <netdb.h>

#include <memory>

#include "net/address.hpp"

namespace propeller::net {

Result<Addresses> look_up(const std::string& host) {
  addrinfo hints{};
  hints.ai_family = AF_UNSPEC;
  hints.ai_socktype = SOCK_STREAM;
  addrinfo* found = nullptr;
  if (const int code = ::getaddrinfo(host.c_str(), nullptr, &hints, &found); code != 0) {
    return fail(code == EAI_AGAIN ? Code::timeout : Code::dns_failed, Origin::upstream,
                fmt::format("the host name {} has no address: {}", host, ::gai_strerror(code)));
  }
  const std::unique_ptr<addrinfo, decltype(&::freeaddrinfo)> owned(found, &::freeaddrinfo);
  Addresses addresses;
  for (const addrinfo* at = found; at != nullptr && addresses.size() < kAddressesMax; at = at->ai_next) {
    if (const auto address = address_of(*at->ai_addr)) addresses.push_back(*address);
  }
  return addresses;
}

}  // namespace propeller::net
