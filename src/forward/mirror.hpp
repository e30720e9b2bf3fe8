#pragma once

#include <expected>
#include <memory>
#include <string>

#include "forward/forwarder.hpp"
#include "forward/mirror_table.hpp"
#include "http/server.hpp"

namespace propeller::forward {

/// The mirror of registries: a request in origin-form for `/v2/…` goes on to one of the configured registries, as if
/// the client had asked that one through the proxy. So both share what is stored and what is on its way.
///
/// `/v2/` by itself is answered here: clients begin with it also when the registry is down.
/// Errors:   become answers as a registry gives them: 404 for what no registry is configured for, 405 for writing.
/// Threads:  one core. Lifetime: `forwarder` outlives it.
/// Source:   OCI distribution-spec 1.1; containerd docs/hosts.md (`ns`)
class Mirror {
 public:
  Mirror(Forwarder& forwarder, std::shared_ptr<const MirrorTable> table)
      : forwarder_(forwarder), table_(std::move(table)) {}

  /// Whether a path is the mirror's; never where there is none.
  [[nodiscard]] bool takes(std::string_view path) const;
  async::awaitable<http::Response> answer(http::Request& request, PolicyPtr policy);

 private:
  /// Whom a request is for, and the path that this one knows.
  struct Route {
    const MirrorRegistry* registry = nullptr;
    std::string path;
    bool is_default = true;  ///< nothing in the request names the registry
  };
  /// Errors: what is answered at once.
  [[nodiscard]] std::expected<Route, http::Response> route(const http::RequestHead& head) const;

  Forwarder& forwarder_;
  const std::shared_ptr<const MirrorTable> table_;  ///< null: there is no mirror
};

}  // namespace propeller::forward
