// Podman with a registries.conf, as README sets it up: it pulls by tag through the mirror.
#include <fmt/format.h>

#include "forward_site.hpp"
#include "podman.hpp"
#include "support/docker_registry.hpp"
#include "support/images.hpp"

namespace propeller::cmd {
namespace {

class ForwardPodman : public ForwardSite {};

TEST_F(ForwardPodman, PullsATagThroughTheMirrorAlsoWhileTheRegistryIsDown) {
  support::DockerRegistry registry;
  support::Pusher pusher({.url = registry.url(), .ca = {}});
  const std::string bytes(300'000, 'p');
  (void)support::push_image(pusher, "acme/add", "v1", support::runnable_image({{"payload", bytes}}));
  write_config(
      usual(fmt::format("mirror: {{enabled: true, upstreams: [{{name: docker.io, url: '{}'}}]}}\n"
                        "cache: {{enabled: true, min_free: 0, tag_window: 0s, dir: {}}}\n",
                        registry.url(), (files_ / "cache").string())));
  start();
  const auto registries = files_ / "registries.conf";
  support::write_file(registries, fmt::format("[[registry]]\nlocation = \"docker.io\"\n"
                                              "[[registry.mirror]]\nlocation = \"127.0.0.1:{}\"\ninsecure = true\n",
                                              port_));
  for (const char* storage : {"first", "second"}) {
    if (std::string_view(storage) == "second") registry.stop();
    const auto root = files_ / storage;
    support::Subprocess process(
        {.arguments = podman(root, {"pull", "docker.io/acme/add:v1"}),
         .environment = {{"HOME", files_.path().string()}, {"CONTAINERS_REGISTRIES_CONF", registries.string()}}});
    EXPECT_EQ(process.wait_exit(std::chrono::minutes(1)), 0) << process.output() << log();
    EXPECT_TRUE(is_below(root, "payload", bytes)) << storage;
    const auto is_stored = [&] { return metrics().contains("\npropeller_store_blobs 3\n"); };
    EXPECT_TRUE(support::wait_until(is_stored)) << "manifest, configuration and layer";
  }
  EXPECT_EQ(registry.requests("GET", "/blobs/sha256:"), 2U) << "each once";
}

}  // namespace
}  // namespace propeller::cmd
