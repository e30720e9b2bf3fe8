// containerd with a hosts.toml, as README sets it up: it pulls by tag through the mirror.
#include <fmt/format.h>

#include "base/digest.hpp"
#include "containerd.hpp"
#include "forward_site.hpp"
#include "support/docker_registry.hpp"
#include "support/images.hpp"

namespace propeller::cmd {
namespace {

class ForwardContainerd : public ForwardSite {};

TEST_F(ForwardContainerd, PullsATagThroughTheMirrorAlsoWhileTheRegistryIsDown) {
  support::DockerRegistry registry;
  support::Pusher pusher({.url = registry.url(), .ca = {}});
  const std::string layer(300'000, 'w');
  (void)support::push_image(pusher, "acme/add", "v1", support::wasm_to_oci_image(layer));
  write_config(
      usual(fmt::format("mirror: {{enabled: true, upstreams: [{{name: docker.io, url: '{}'}}]}}\n"
                        "cache: {{enabled: true, min_free: 0, tag_window: 0s, dir: {}}}\n",
                        registry.url(), (files_ / "cache").string())));
  start();
  std::filesystem::create_directories(files_ / "hosts/docker.io");
  support::write_file(files_ / "hosts/docker.io/hosts.toml",
                      fmt::format("server = \"https://registry-1.docker.io\"\n"
                                  "[host.\"http://127.0.0.1:{}\"]\n  capabilities = [\"pull\", \"resolve\"]\n",
                                  port_));
  for (const bool is_up : {true, false}) {
    if (!is_up) registry.stop();
    const auto folder = files_ / (is_up ? "first" : "second");
    std::filesystem::create_directories(folder);
    const Containerd containerd(folder);
    (void)containerd.ctr({"content", "fetch", "--hosts-dir", (files_ / "hosts").string(), "docker.io/acme/add:v1"});
    EXPECT_EQ(containerd.ctr({"content", "get", base::sha256(layer).to_string()}), layer) << is_up;
    const auto is_stored = [&] { return metrics().contains("\npropeller_store_blobs 3\n"); };
    EXPECT_TRUE(support::wait_until(is_stored)) << "manifest, configuration and layer";
  }
  EXPECT_EQ(registry.requests("GET", "/blobs/sha256:"), 2U) << "each once";
}

}  // namespace
}  // namespace propeller::cmd
