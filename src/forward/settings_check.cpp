#include "forward/settings_check.hpp"

#include <fmt/format.h>

#include "forward/mirror_table.hpp"
#include "forward/users.hpp"
#include "net/client_tls.hpp"

namespace propeller::forward {

std::vector<std::string> problems_of(const config::Forward& settings) {
  std::vector<std::string> problems;
  if (const auto users = load_users(settings.proxy.users); !users) problems.push_back(users.error().detail);
  const auto tls =
      net::ClientTls::create({.ca_files = settings.tls.upstream_ca, .insecure_hosts = settings.tls.insecure_hosts});
  if (!tls) problems.push_back(fmt::format("tls.upstream_ca: {}", tls.error().detail));
  if (const auto mirror = MirrorTable::create(settings.mirror, settings.tls); !mirror && settings.mirror.is_enabled)
    problems.push_back(mirror.error().detail);
  return problems;
}

}  // namespace propeller::forward
