// Real programs through the real proxy: skopeo, Podman, git and npm, over HTTPS, as their users set them up.
#include <fmt/format.h>
#include <sched.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/digest.hpp"
#include "forward_site.hpp"
#include "podman.hpp"
#include "support/docker_registry.hpp"
#include "support/images.hpp"
#include "support/token_server.hpp"

namespace propeller::cmd {
namespace {

// Programs go straight to loopback whatever they are told about proxies, so the servers need a name of their own.
constexpr const char* kHost = "origin.test";

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

bool may_mount() {
  const pid_t child = ::fork();
  if (child == 0) ::_exit(::unshare(CLONE_NEWNS) == 0 ? 0 : 1);
  int status = 1;
  ::waitpid(child, &status, 0);
  return status == 0;
}

class ForwardPrograms : public ForwardSite {
 protected:
  void SetUp() override {
    if (!may_mount()) GTEST_SKIP() << "a host name of our own takes the right to mount";
    support::write_file(files_ / "hosts", "127.0.0.1 localhost " + std::string(kHost) + "\n");
    launcher_ = {"unshare", "--mount", "sh", "-c",
                 "mount --bind " + (files_ / "hosts").string() + " /etc/hosts && exec \"$0\" \"$@\""};
    write_config(usual("  insecure_hosts: [" + std::string(kHost) +
                       "]\ncache:\n  enabled: true\n  dir: " + (files_ / "cache").string() +
                       "\n  patterns: ['^/v2/.*/(blobs|manifests)/sha256:', '[.]tgz$']\n"));
    start();
  }

  [[nodiscard]] std::string proxy(const std::string& scheme) const {
    return scheme + "://127.0.0.1:" + std::to_string(port_);
  }
  [[nodiscard]] std::string authority() const { return (files_ / "certs/ca.crt").string(); }

  /// What it printed, after it ended well.
  std::string run(const std::vector<std::string>& arguments, const Environment& more = {}) {
    auto process = begin(arguments, more);
    const auto code = process->wait_exit(std::chrono::minutes(2));
    process->wait_output_end();
    EXPECT_EQ(code, 0) << arguments[0] << ": " << process->output() << "\nproxy: " << log();
    return process->output();
  }
  std::optional<int> exit_code(const std::vector<std::string>& arguments, const Environment& more) {
    return begin(arguments, more)->wait_exit(std::chrono::minutes(2));
  }
  /// "https://origin.test:PORT/" of the files below a directory.
  std::string serve(const std::filesystem::path& directory) {
    server_ = std::make_unique<support::Subprocess>(
        support::SubprocessOptions{.arguments = {"python3", "-c", kFileServer, directory.string(),
                                                 tls_.server_certificate().string(), tls_.server_key().string()}});
    const auto line = server_->wait_line("port ");
    EXPECT_TRUE(line) << server_->output();
    return "https://" + std::string(kHost) + ":" + line.value_or("port 0").substr(5) + "/";
  }
  [[nodiscard]] std::size_t served(std::string_view path) const {
    std::size_t count = 0;
    const auto output = server_->output();
    for (auto at = output.find(path); at != std::string::npos; at = output.find(path, at + 1)) ++count;
    return count;
  }

  int pulls_ = 0;
  std::unique_ptr<support::Subprocess> server_;

 private:
  [[nodiscard]] std::unique_ptr<support::Subprocess> begin(const std::vector<std::string>& arguments,
                                                           const Environment& more) const {
    Environment environment = more;
    environment.merge(Environment{{"HOME", files_.path().string()}, {"SSL_CERT_FILE", authority()}});
    return std::make_unique<support::Subprocess>(
        support::SubprocessOptions{.arguments = arguments, .environment = environment, .directory = files_.path()});
  }
};

TEST_F(ForwardPrograms, SkopeoPullsThroughHttpAndSocksAndTheSecondPullStaysHere) {
  support::DockerRegistry registry({.tls = &tls_});
  support::Pusher pusher({.url = registry.url(), .ca = tls_.ca()});
  support::push_image(pusher, "acme/add", "v1", support::wasm_to_oci_image(std::string(3'000'000, 'w')));
  const auto image = "docker://" + std::string(kHost) + ":" + std::to_string(registry.port()) + "/acme/add:v1";
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

TEST_F(ForwardPrograms, WhatSkopeoPullsWithItsLoginIsKeptForThoseWhoHaveItToo) {
  const support::TokenServer tokens({.users = {{"ann", "secret"}}});
  const support::DockerRegistryOptions by_password{.tls = &tls_, .users = {{"ann", "secret"}}};
  const support::DockerRegistryOptions by_token{.tls = &tls_, .tokens = &tokens};
  for (const auto& options : {by_password, by_token}) {
    support::DockerRegistry registry(options);
    support::Pusher pusher({.url = registry.url(), .username = "ann", .password = "secret", .ca = tls_.ca()});
    support::push_image(pusher, "acme/add", "v1", support::wasm_to_oci_image(std::string(300'000, 'w')));
    const auto image = fmt::format("docker://{}:{}/acme/add:v1", kHost, registry.port());
    const auto pull = [&](const std::string& login) {
      const auto copy = files_ / fmt::format("pulled{}", ++pulls_);
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
    const auto copy = files_ / fmt::format("pulled{}", ++pulls_);
    run({"skopeo", "--insecure-policy", "copy", image, "dir:" + copy.string()}, {{"HTTPS_PROXY", proxy(scheme)}});
    EXPECT_EQ(registry.blobs_given(), 2U) << "configuration and layer, once; " << scheme;
  }
}

TEST_F(ForwardPrograms, PodmanPullsATagAlsoWhileTheRegistryIsDown) {
  support::DockerRegistry registry({.tls = &tls_});
  support::Pusher pusher({.url = registry.url(), .ca = tls_.ca()});
  const std::string bytes(300'000, 'p');
  support::push_image(pusher, "acme/add", "v1", support::runnable_image({{"payload", bytes}}));
  const auto image = fmt::format("{}:{}/acme/add:v1", kHost, registry.port());
  for (const char* storage : {"first", "second"}) {
    if (std::string_view(storage) == "second") registry.stop();
    const auto root = files_ / storage;
    run(podman(root, {"pull", image}), {{"HTTPS_PROXY", proxy("http")}});
    EXPECT_TRUE(is_below(root, "payload", bytes)) << storage;
    EXPECT_TRUE(support::wait_until([&] { return metrics().contains("\npropeller_store_blobs 4\n"); }))
        << "the door, manifest, configuration and layer";
  }
  EXPECT_EQ(registry.requests("GET", "/blobs/sha256:"), 2U) << "each once";
}

TEST_F(ForwardPrograms, GitClonesOverHttps) {
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

TEST_F(ForwardPrograms, NpmInstallsAPackageAndTheArchiveIsKept) {
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
