// Real programs, a mirror, and Debian's docker-registry in each of the ways that registries are set up.
#include <fmt/format.h>

#include <array>

#include "base/digest.hpp"
#include "containerd.hpp"
#include "forward_site.hpp"
#include "podman.hpp"
#include "support/docker_registry.hpp"
#include "support/images.hpp"
#include "support/token_server.hpp"

namespace propeller::cmd {
namespace {

enum class Kind { plain, tls, password, token, redirecting };

/// The site's own registry of one kind, to the mirror under the name a.test; it is not the default one.
class ForwardRegistries : public ForwardSite, public testing::WithParamInterface<Kind> {
 protected:
  ForwardRegistries() {
    const auto kind = GetParam();
    support::DockerRegistryOptions options;
    support::PusherOptions pusher;
    std::string more;
    if (kind == Kind::tls) options.tls = &tls_;
    if (kind == Kind::password) options.users = {{"ann", "secret"}};
    if (kind == Kind::token) options.tokens = &tokens_;
    options.is_redirecting = kind == Kind::redirecting;
    if (kind == Kind::password || kind == Kind::token) {
      pusher.username = "ann";
      pusher.password = "secret";
      more = ", credentials: {username: ann, password: secret}";
    }
    registry_.emplace(options);
    pusher.url = registry_->url();
    if (kind == Kind::tls) {
      pusher.ca = tls_.ca();
      more = ", ca: " + tls_.ca().string();
    }
    support::Pusher to(pusher);
    (void)support::push_image(to, "acme/add", "v1", support::runnable_image({{"payload", payload_}}));
    write_config(
        usual(fmt::format("mirror: {{enabled: true, default: other.test, upstreams: [{{name: other.test, url: '{}'}}, "
                          "{{name: a.test, url: '{}'{}}}]}}\n"
                          "cache: {{enabled: true, min_free: 0, tag_window: 0s, dir: {}}}\n",
                          plain_.url(), registry_->url(), more, (files_ / "cache").string())));
    start();
    support::write_file(files_ / "registries.conf",
                        fmt::format("[[registry]]\nlocation = \"a.test\"\n"
                                    "[[registry.mirror]]\nlocation = \"{}/a.test\"\ninsecure = true\n",
                                    mirror()));
    std::filesystem::create_directories(files_ / "hosts/_default");
    support::write_file(files_ / "hosts/_default/hosts.toml",
                        fmt::format("[host.\"http://{}\"]\n  capabilities = [\"pull\", \"resolve\"]\n", mirror()));
  }

  [[nodiscard]] std::string mirror() const { return "127.0.0.1:" + std::to_string(port_); }
  /// A folder of its own for each.
  [[nodiscard]] std::filesystem::path folder() {
    const auto made = files_ / fmt::format("pull{}", ++folders_);
    std::filesystem::create_directories(made);
    return made;
  }
  void run(const std::vector<std::string>& arguments) const {
    support::Subprocess process(
        {.arguments = arguments,
         .environment = {{"HOME", files_.path().string()},
                         {"CONTAINERS_REGISTRIES_CONF", (files_ / "registries.conf").string()}}});
    EXPECT_EQ(process.wait_exit(std::chrono::minutes(1)), 0) << process.output() << log();
  }
  void pull_with_skopeo() {
    const auto copy = folder();
    run({"skopeo", "--insecure-policy", "copy", "--src-tls-verify=false",
         "docker://" + mirror() + "/a.test/acme/add:v1", "dir:" + copy.string()});
    EXPECT_TRUE(std::filesystem::exists(copy / "manifest.json"));
  }
  void pull_with_podman() {
    const auto root = folder();
    run(podman(root, {"pull", "a.test/acme/add:v1"}));
    EXPECT_TRUE(is_below(root, "payload", payload_));
  }
  /// It names the registry in `ns`.
  void pull_with_containerd() {
    const Containerd containerd(folder());
    const auto fetched =
        containerd.ctr({"content", "fetch", "--hosts-dir", (files_ / "hosts").string(), "a.test/acme/add:v1"});
    EXPECT_TRUE(fetched.contains("layer-sha256:")) << fetched;
  }

  const std::string payload_ = std::string(300'000, 'p');
  support::TokenServer tokens_{{.users = {{"ann", "secret"}}}};
  std::optional<support::DockerRegistry> registry_;
  int folders_ = 0;
};

TEST_P(ForwardRegistries, EveryProgramPullsATagAlsoWhileTheRegistryIsDown) {
  for (const bool is_up : {true, false}) {
    if (!is_up) {
      const auto is_stored = [&] { return metrics().contains("\npropeller_store_blobs 3\n"); };
      EXPECT_TRUE(support::wait_until(is_stored)) << "manifest, configuration and layer";
      EXPECT_EQ(registry_->blobs_given(), 2U) << "each once, whoever asks\n" << registry_->log();
      registry_->stop();
    }
    pull_with_skopeo();
    pull_with_podman();
    pull_with_containerd();
  }
}

std::string name_of(const testing::TestParamInfo<Kind>& kind) {
  constexpr std::array kNames{"Plain", "Tls", "Password", "Token", "Redirecting"};
  return kNames.at(static_cast<std::size_t>(kind.param));
}

INSTANTIATE_TEST_SUITE_P(Kinds, ForwardRegistries,
                         testing::Values(Kind::plain, Kind::tls, Kind::password, Kind::token, Kind::redirecting),
                         name_of);

}  // namespace
}  // namespace propeller::cmd
