// Real programs through the real proxy: skopeo, Podman, containerd, git and npm, over HTTPS, as their users set them
// up.
#include <fmt/format.h>

#include "containerd.hpp"
#include "forward_programs.hpp"
#include "podman.hpp"
#include "support/docker_registry.hpp"
#include "support/images.hpp"
#include "support/token_server.hpp"

namespace propeller::cmd {
namespace {

TEST_F(ForwardPrograms, SkopeoPullsThroughHttpAndSocksAndTheSecondPullStaysHere) {
  support::DockerRegistry registry({.tls = &tls_});
  support::Pusher pusher({.url = registry.url(), .ca = tls_.ca()});
  support::push_image(pusher, "acme/add", "v1", support::wasm_to_oci_image(std::string(3'000'000, 'w')));
  const auto image = fmt::format("docker://{}:{}/acme/add:v1", kHost, registry.port());
  int pull = 0;
  for (const char* scheme : {"http", "socks5"}) {
    const auto copy = files_ / ("pulled" + std::to_string(++pull));
    run({"skopeo", "--insecure-policy", "copy", image, "dir:" + copy.string()}, {{"HTTPS_PROXY", proxy(scheme)}});
    std::size_t bytes = 0;
    for (const auto& file : std::filesystem::directory_iterator(copy)) bytes += file.file_size();
    EXPECT_GT(bytes, 3'000'000U) << scheme;
    EXPECT_EQ(registry.requests("GET", "/blobs/sha256:"), 2U) << "config and layer, once; " << scheme;
  }
}

TEST_F(ForwardPrograms, APlainRegistryIsPulledFromThroughHttpAndSocksAlsoWhileItIsDown) {
  support::DockerRegistry registry;
  support::Pusher pusher({.url = registry.url(), .ca = {}});
  support::push_image(pusher, "acme/add", "v1", support::runnable_image({{"payload", std::string(300'000, 'p')}}));
  const auto image = fmt::format("{}:{}/acme/add:v1", kHost, registry.port());
  for (const bool is_up : {true, false}) {
    if (!is_up) registry.stop();
    for (const char* scheme : {"http", "socks5"}) {
      const Environment ways{{"HTTP_PROXY", proxy(scheme)}, {"HTTPS_PROXY", proxy(scheme)}};
      const auto place = files_ / fmt::format("{}{}", scheme, is_up);
      std::filesystem::create_directories(place);
      run({"skopeo", "--insecure-policy", "copy", "--src-tls-verify=false", "docker://" + image,
           "dir:" + (place / "skopeo").string()},
          ways);
      run(podman(place / "podman", {"pull", "--tls-verify=false", image}), ways);
      const Containerd containerd(place);
      EXPECT_TRUE(
          containerd.ctr({"content", "fetch", "--plain-http", image}, trusting(ways)).contains("layer-sha256:"));
    }
  }
  EXPECT_EQ(registry.requests("GET", "/blobs/sha256:"), 2U) << "configuration and layer, once";
}

TEST_F(ForwardPrograms, WhatSkopeoPullsWithItsLoginIsKeptForThoseWhoHaveItToo) {
  const support::TokenServer tokens({.users = {{"ann", "secret"}}});
  const support::DockerRegistryOptions by_password{.tls = &tls_, .users = {{"ann", "secret"}}};
  const support::DockerRegistryOptions by_token{.tls = &tls_, .tokens = &tokens};
  int pulls = 0;
  for (const auto& options : {by_password, by_token}) {
    support::DockerRegistry registry(options);
    support::Pusher pusher({.url = registry.url(), .username = "ann", .password = "secret", .ca = tls_.ca()});
    support::push_image(pusher, "acme/add", "v1", support::wasm_to_oci_image(std::string(300'000, 'w')));
    const auto image = fmt::format("docker://{}:{}/acme/add:v1", kHost, registry.port());
    const auto pull = [&](const std::string& login) {
      const auto copy = files_ / fmt::format("pulled{}", ++pulls);
      return std::vector<std::string>{"skopeo", "--insecure-policy",   "copy", "--src-creds", login,
                                      image,    "dir:" + copy.string()};
    };
    for (const char* scheme : {"http", "socks5"}) run(pull("ann:secret"), {{"HTTPS_PROXY", proxy(scheme)}});
    EXPECT_EQ(registry.blobs_given(), 2U) << "configuration and layer, once\n" << registry.log();
    EXPECT_NE(exit_code(pull("mallory:guess"), {{"HTTPS_PROXY", proxy("http")}}), 0);
  }
}

TEST_F(ForwardPrograms, WhatARegistryKeepsElsewhereIsFetchedThereOnce) {
  support::DockerRegistry registry({.tls = &tls_, .is_redirecting = true});
  support::Pusher pusher({.url = registry.url(), .ca = tls_.ca()});
  support::push_image(pusher, "acme/add", "v1", support::wasm_to_oci_image(std::string(300'000, 'w')));
  const auto image = fmt::format("docker://{}:{}/acme/add:v1", kHost, registry.port());
  for (const char* scheme : {"http", "socks5"}) {
    const auto copy = files_ / scheme;
    run({"skopeo", "--insecure-policy", "copy", image, "dir:" + copy.string()}, {{"HTTPS_PROXY", proxy(scheme)}});
    EXPECT_EQ(registry.blobs_given(), 2U) << "configuration and layer, once; " << scheme;
  }
}

/// By each of the ways to a proxy that Go's programs know.
class ForwardEngines : public ForwardPrograms, public testing::WithParamInterface<const char*> {
 protected:
  ForwardEngines() {
    support::Pusher pusher({.url = registry_.url(), .ca = tls_.ca()});
    support::push_image(pusher, "acme/add", "v1", support::runnable_image({{"payload", payload_}}));
  }
  void SetUp() override {
    name_servers();
    if (!IsSkipped()) start_with("tag_window: 0s");
  }
  [[nodiscard]] std::string image() const { return fmt::format("{}:{}/acme/add:v1", kHost, registry_.port()); }
  /// The second pull finds the registry down, the third one a proxy that has never seen it up.
  void get_ready_for(std::string_view pull) {
    if (pull == "second") registry_.stop();
    if (pull != "restarted") return;
    stop();
    start();
  }

  const std::string payload_ = std::string(300'000, 'p');
  support::DockerRegistry registry_{{.tls = &tls_}};
};

TEST_P(ForwardEngines, PodmanPullsATagAlsoWhileTheRegistryIsDown) {
  for (const auto* pull : {"first", "second", "restarted"}) {
    get_ready_for(pull);
    const auto root = files_ / pull;
    run(podman(root, {"pull", image()}), {{"HTTPS_PROXY", proxy(GetParam())}});
    EXPECT_TRUE(is_below(root, "payload", payload_)) << pull;
    EXPECT_TRUE(has_stored(4)) << "the door, manifest, configuration and layer";
  }
  EXPECT_EQ(registry_.requests("GET", "/blobs/sha256:"), 2U) << "each once";
}

TEST_P(ForwardEngines, ContainerdPullsATagAlsoWhileTheRegistryIsDown) {
  for (const auto* pull : {"first", "second", "restarted"}) {
    get_ready_for(pull);
    const auto folder = files_ / pull;
    std::filesystem::create_directories(folder);
    const Containerd containerd(folder);
    const auto fetched = containerd.ctr({"content", "fetch", image()}, trusting({{"HTTPS_PROXY", proxy(GetParam())}}));
    EXPECT_TRUE(fetched.contains("layer-sha256:")) << fetched;
    EXPECT_TRUE(has_stored(3)) << "manifest, configuration and layer";
  }
  EXPECT_EQ(registry_.requests("GET", "/blobs/sha256:"), 2U) << "each once";
}

INSTANTIATE_TEST_SUITE_P(Schemes, ForwardEngines, testing::Values("http", "socks5"),
                         [](const auto& scheme) { return std::string(scheme.param); });

/// Files over HTTPS: `python3 - DIRECTORY CERTIFICATE KEY`; says its port.
constexpr const char* kFileServer = R"(
import functools, http.server, ssl, sys
handler = functools.partial(http.server.SimpleHTTPRequestHandler, directory=sys.argv[1])
server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
context.load_cert_chain(sys.argv[2], sys.argv[3])
server.socket = context.wrap_socket(server.socket, server_side=True)
print("port", server.server_port, flush=True)
server.serve_forever()
)";

class ForwardFiles : public ForwardPrograms {
 protected:
  /// "https://origin.test:PORT/" of the files below a directory.
  std::string serve(const std::filesystem::path& directory) { return serve_over_tls(kFileServer, directory) + "/"; }
};

TEST_F(ForwardFiles, GitClonesOverHttps) {
  const auto repository = (files_ / "www/repository").string();
  const std::vector<std::string> author{"-c", "user.name=A", "-c", "user.email=a@example.org"};
  const auto git = [&](std::vector<std::string> words) {
    words.insert(words.begin(), {"git", "-C", repository});
    words.insert(words.begin() + 1, author.begin(), author.end());
    run(words);
  };
  std::filesystem::create_directories(repository);
  git({"init", "-q"});
  support::write_file(files_ / "www/repository/file", "what was committed\n");
  git({"add", "file"});
  git({"commit", "-q", "-m", "first"});
  git({"update-server-info"});
  const auto url = serve(files_ / "www") + "repository/.git";
  for (const char* scheme : {"http", "socks5h"}) {
    const auto clone = files_ / scheme;
    run({"git", "-c", "http.sslCAInfo=" + authority(), "clone", "-q", url, clone.string()},
        {{"https_proxy", proxy(scheme)}});
    EXPECT_TRUE(std::filesystem::exists(clone / "file")) << scheme;
  }
}

TEST_F(ForwardFiles, NpmInstallsAPackageAndTheArchiveIsKept) {
  const auto www = files_ / "www";
  std::filesystem::create_directories(www / "package");
  support::write_file(www / "package/package.json", R"({"name": "acme-add", "version": "1.0.0", "main": "index.js"})");
  support::write_file(www / "package/index.js", "module.exports = (a, b) => a + b\n");
  run({"tar", "-C", www.string(), "-czf", (www / "acme-add-1.0.0.tgz").string(), "package"});
  const auto url = serve(www);
  support::write_file(
      www / "acme-add",
      R"({"name": "acme-add", "dist-tags": {"latest": "1.0.0"}, "versions": {"1.0.0": {"name": "acme-add",)"
      R"("version": "1.0.0", "dist": {"tarball": ")" +
          url + R"(acme-add-1.0.0.tgz"}}}})");
  for (const char* name : {"first", "second"}) {
    const auto project = files_ / name;
    std::filesystem::create_directories(project);
    run({"npm", "install", "acme-add", "--prefix", project.string(), "--registry", url, "--https-proxy", proxy("http"),
         "--cafile", authority(), "--cache", (project / "cache").string(), "--no-audit", "--no-fund",
         "--no-update-notifier"});
    EXPECT_TRUE(std::filesystem::exists(project / "node_modules/acme-add/index.js")) << name;
  }
  EXPECT_EQ(served("GET /acme-add-1.0.0.tgz"), 1U) << server_->output();
  EXPECT_EQ(served("GET /acme-add HTTP"), 2U) << "what changes is asked for again";
}

}  // namespace
}  // namespace propeller::cmd
