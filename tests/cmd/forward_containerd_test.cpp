// containerd with a hosts.toml, as README sets it up: it pulls by tag through the mirror.
#include <fmt/format.h>
#include <gmock/gmock.h>
#include <unistd.h>

#include <csignal>
#include <optional>

#include "base/digest.hpp"
#include "forward_site.hpp"
#include "support/docker_registry.hpp"
#include "support/images.hpp"

namespace propeller::cmd {
namespace {

/// A containerd with its state in a folder of its own; it pulls nothing but content.
class Containerd {
 public:
  explicit Containerd(std::filesystem::path folder) : folder_(std::move(folder)) {
    support::write_file(folder_ / "config.toml",
                        fmt::format("version = 2\nroot = \"{0}/root\"\nstate = \"{0}/state\"\n"
                                    "disabled_plugins = [\"io.containerd.grpc.v1.cri\"]\n"
                                    "[grpc]\n  address = \"{0}/socket\"\n[ttrpc]\n  address = \"{0}/ttrpc\"\n",
                                    folder_.string()));
    std::vector<std::string> command;
    // It has to be root, be it in a namespace of its own.
    if (::geteuid() != 0) command = {"unshare", "--user", "--map-root-user"};
    command.insert(command.end(), {"containerd", "--config", (folder_ / "config.toml").string()});
    daemon_.emplace(support::SubprocessOptions{.arguments = command});
    EXPECT_TRUE(daemon_->wait_line("containerd successfully booted")) << daemon_->output();
  }
  ~Containerd() {
    daemon_->signal(SIGTERM);
    daemon_->wait_exit();
  }
  Containerd(const Containerd&) = delete;
  Containerd& operator=(const Containerd&) = delete;

  /// `ctr`, told where the socket is.
  [[nodiscard]] std::string ctr(const std::vector<std::string>& words) const {
    std::vector<std::string> command{"ctr", "--address", (folder_ / "socket").string()};
    command.insert(command.end(), words.begin(), words.end());
    support::Subprocess process({.arguments = command});
    EXPECT_EQ(process.wait_exit(), 0) << process.output() << daemon_->output();
    process.wait_output_end();
    return process.output();
  }

 private:
  const std::filesystem::path folder_;
  std::optional<support::Subprocess> daemon_;
};

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
