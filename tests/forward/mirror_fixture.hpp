#pragma once

#include "forward/cache_fixture.hpp"

namespace propeller::forward {

/// A proxy with a store that is the mirror of `hub` under the name docker.io, and of what a test adds.
class MirrorTest : public testing::Test {
 protected:
  MirrorTest() {
    site.settings.mirror.is_enabled = true;
    site.settings.mirror.upstreams = {{.name = "docker.io", .url = hub.url(), .ca = {}, .credentials = {}}};
  }

  static std::string target(const std::string& repository, std::string_view bytes) {
    return "/v2/" + repository + "/blobs/" + base::sha256(bytes).to_string();
  }
  /// Of the proxy itself. `fields` are whole lines.
  [[nodiscard]] Reply ask(const std::string& path, const std::string& fields = {},
                          const std::string& method = "GET") const {
    auto peer = Peer::connect(site.port());
    peer.send(method + " " + path + " HTTP/1.1\r\nHost: site.test:17080\r\n" + fields + "\r\n");
    return read_reply(peer, method != "HEAD");
  }
  void add_upstream(config::MirrorUpstream upstream) { site.settings.mirror.upstreams.push_back(std::move(upstream)); }

  support::TempDir directory;
  support::FakeRegistry hub;
  CacheSite site{directory.path()};
};

}  // namespace propeller::forward
