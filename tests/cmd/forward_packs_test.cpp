// The packs of the cache with the programs that they are for: npm and apt, through the real proxy. Their servers say of
// nothing how long it may be kept, nor how it could be checked.
#include <fmt/format.h>
#include <gmock/gmock.h>

#include "base/digest.hpp"
#include "forward_programs.hpp"

namespace propeller::cmd {
namespace {

using support::write_file;
using testing::HasSubstr;
using testing::Not;

/// Files below a directory, by the last part of the path, but for `%2f`: "document" is "document.json" there. What is
/// posted is answered by nothing much. Over TLS with a certificate and a key. Says its port, and the requests.
constexpr const char* kRegistry = R"(
import http.server, os, ssl, sys
class Handler(http.server.SimpleHTTPRequestHandler):
  def do_GET(self):
    self.path = '/' + self.path.split('/')[-1] + ('' if '/-/' in self.path else '.json')
    self.path = self.path.replace('%2f', '-').replace('@', '')
    super().do_GET()
  def do_POST(self):
    self.rfile.read(int(self.headers['Content-Length']))
    self.send_response(200)
    self.end_headers()
    self.wfile.write(b'{}')
  def send_header(self, name, value):
    if name != 'Last-Modified': super().send_header(name, value)
  def end_headers(self):
    super().send_header('Cache-Control', 'max-age=0, must-revalidate')
    super().end_headers()
os.chdir(sys.argv[1])
server = http.server.ThreadingHTTPServer(('127.0.0.1', 0), Handler)
if len(sys.argv) > 2:
  context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
  context.load_cert_chain(sys.argv[2], sys.argv[3])
  server.socket = context.wrap_socket(server.socket, server_side=True)
print('port', server.server_port, flush=True)
server.serve_forever()
)";

/// The same of a Debian mirror: files as they lie there.
std::string mirror_program() {
  std::string program = kRegistry;
  const auto begin = program.find("  def do_GET");
  return program.erase(begin, program.find("  def do_POST") - begin);
}

class ForwardPacks : public ForwardPrograms {
 protected:
  void SetUp() override {}  // a name for the server is wanted over TLS only

  void serve(const std::string& program) {
    url_ = "http://127.0.0.1:" + serve_by({"python3", "-c", program, www_.string()});
  }
  void stop_serving() {
    server_->signal(SIGTERM);
    server_->wait_exit();
  }
  /// With this one alone, and nothing of another's.
  void start_with_pack(const std::string& pack) {
    std::filesystem::remove_all(files_ / "cache");
    start_with(fmt::format("packs: [{}]", pack));
  }

  /// What it printed; nothing when it failed.
  [[nodiscard]] std::optional<std::string> run(const std::vector<std::string>& arguments,
                                               const std::filesystem::path& directory) {
    support::Subprocess process(
        {.arguments = arguments, .environment = trusting({{"LC_ALL", "C"}}), .directory = directory});
    const auto code = process.wait_exit(std::chrono::minutes(2));
    process.wait_output_end();
    printed_ = process.output();
    return code == 0 ? std::optional(printed_) : std::nullopt;
  }

  const std::filesystem::path www_ = files_ / "www";
  std::string url_;
  std::string printed_;
};

class ForwardNpmPack : public ForwardPacks {
 protected:
  /// A package with its archive and its document, which names the archive's digest as npm does.
  void publish(const std::string& name, const std::string& file, const std::string& dependencies) {
    const auto source = files_ / file;
    std::filesystem::create_directories(source);
    write_file(source / "package.json",
               fmt::format(R"({{"name":"{}","version":"1.0.0","dependencies":{}}})", name, dependencies));
    write_file(source / "index.js", "module.exports = 1\n");
    const auto packed = run({"npm", "pack", "--json", "--pack-destination", www_.string()}, source);
    ASSERT_TRUE(packed) << printed_;
    const auto begin = packed->find("sha512-");
    ASSERT_NE(begin, std::string::npos) << *packed;
    const auto integrity = packed->substr(begin, packed->find('"', begin) - begin);
    write_file(
        www_ / (file + ".json"),
        fmt::format(
            R"({{"name":"{0}","dist-tags":{{"latest":"1.0.0"}},"versions":{{"1.0.0":{{"name":"{0}","version":"1.0.0",)"
            R"("dependencies":{1},"dist":{{"tarball":"{2}/{0}/-/{3}-1.0.0.tgz","integrity":"{4}"}}}}}}}})",
            name, dependencies, url_, file, integrity));
  }
  /// Into a project of its own, with nothing in npm's own cache.
  [[nodiscard]] bool install(const std::string& project) {
    const auto folder = files_ / project;
    std::filesystem::create_directories(folder);
    return run({"npm", "install", "acme-app", "--registry", url_, "--proxy", proxy("http"), "--https-proxy",
                proxy("http"), "--cafile", authority(), "--cache", (folder / "cache").string(), "--fetch-retries", "0",
                "--audit", "--no-fund", "--no-update-notifier"},
               folder) &&
           std::filesystem::exists(folder / "node_modules/acme-app/index.js") &&
           std::filesystem::exists(folder / "node_modules/@acme/add/index.js");
  }
};

TEST_F(ForwardNpmPack, NpmInstallsFromADownRegistryWhatTheNpmPackKept) {
  std::filesystem::create_directories(www_);
  for (const std::string packs : {"npm", "debian"}) {
    serve(kRegistry);
    publish("@acme/add", "acme-add", "{}");
    publish("acme-app", "acme-app", R"({"@acme/add":"1"})");
    start_with_pack(packs);
    const bool has_pack = packs == "npm";
    EXPECT_TRUE(install(packs + "-first")) << printed_;
    EXPECT_TRUE(install(packs + "-second")) << printed_;
    EXPECT_EQ(served("GET /acme-app/-/acme-app-1.0.0.tgz"), has_pack ? 1U : 2U) << server_->output();
    EXPECT_EQ(served("GET /@acme/add/-/acme-add-1.0.0.tgz"), has_pack ? 1U : 2U);
    EXPECT_EQ(served("GET /@acme%2fadd "), 2U) << "what changes is asked about each time";
    EXPECT_EQ(served("POST /-/npm/v1/security/advisories/bulk"), 2U) << "what is posted is for the registry";
    stop_serving();
    EXPECT_EQ(install(packs + "-third"), has_pack) << printed_;
    stop();
  }
}

TEST_F(ForwardNpmPack, NpmInstallsOverTlsFromADownRegistryWhatTheNpmPackKept) {
  name_servers();
  if (IsSkipped()) return;
  std::filesystem::create_directories(www_);
  url_ = serve_over_tls(kRegistry, www_);
  publish("@acme/add", "acme-add", "{}");
  publish("acme-app", "acme-app", R"({"@acme/add":"1"})");
  start_with_pack("npm");
  EXPECT_TRUE(install("first")) << printed_;
  EXPECT_TRUE(has_stored(4)) << "the documents and the archives";
  stop_serving();
  EXPECT_TRUE(install("second")) << printed_;
}

class ForwardDebianPack : public ForwardPacks {
 protected:
  static constexpr const char* kPool = "pool/main/a/acme";
  static constexpr const char* kIndexes = "dists/stable/main/binary-all";

  void SetUp() override {
    make_package();
    make_indexes();
    sign();
  }

  void make_package() {
    const auto package = files_ / "acme";
    std::filesystem::create_directories(package / "DEBIAN");
    std::filesystem::create_directories(www_ / kPool);
    write_file(package / "DEBIAN/control",
               "Package: acme\nVersion: 1.0\nArchitecture: all\nMaintainer: A <a@example.org>\nDescription: nothing\n");
    deb_ = www_ / kPool / "acme_1.0_all.deb";
    ASSERT_TRUE(run({"dpkg-deb", "--build", package.string(), deb_.string()}, files_.path())) << printed_;
  }
  void make_indexes() {
    const auto bytes = support::read_file(deb_);
    const auto packages = support::read_file(files_ / "acme/DEBIAN/control") +
                          fmt::format("Filename: {}/acme_1.0_all.deb\nSize: {}\nSHA256: {}\n", kPool, bytes.size(),
                                      base::sha256(bytes).hex());
    const auto digest = base::sha256(packages).hex();
    std::filesystem::create_directories(www_ / kIndexes / "by-hash/SHA256");
    write_file(www_ / kIndexes / "by-hash/SHA256" / digest, packages);
    write_file(www_ / "dists/stable/Release",
               fmt::format("Suite: stable\nCodename: stable\nDate: Thu, 01 Jan 2026 00:00:00 UTC\nArchitectures: all\n"
                           "Components: main\nAcquire-By-Hash: yes\nSHA256:\n {} {} main/binary-all/Packages\n",
                           digest, packages.size()));
  }
  /// `InRelease`, by a key that is made for it.
  void sign() {
    const auto home = files_ / "keys";
    std::filesystem::create_directories(home);
    std::filesystem::permissions(home, std::filesystem::perms::owner_all);
    const auto gpg = [&](std::vector<std::string> words) {
      words.insert(words.begin(), {"gpg", "--homedir", home.string(), "--batch", "--passphrase", ""});
      ASSERT_TRUE(run(words, www_ / "dists/stable")) << printed_;
    };
    gpg({"--quick-generate-key", "a@example.org", "ed25519", "sign", "never"});
    gpg({"--clearsign", "--output", "InRelease", "Release"});
    gpg({"--export", "--output", (files_ / "key.gpg").string()});
    ASSERT_TRUE(run({"gpgconf", "--homedir", home.string(), "--kill", "all"}, home)) << printed_;
  }

  /// `apt-get` with folders of its own below `root`, which has nothing yet.
  [[nodiscard]] bool apt(const std::string& root, const std::vector<std::string>& words) {
    const auto folder = files_ / root;
    for (const auto* each : {"etc/apt", "lists/partial", "archives/partial", "state"})
      std::filesystem::create_directories(folder / each);
    write_file(folder / "state/status", "");
    write_file(folder / "sources.list",
               fmt::format("deb [signed-by={} arch=all] {} stable main\n", (files_ / "key.gpg").string(), url_));
    std::vector<std::string> command{"apt-get", "--quiet"};
    for (const auto& [key, value] :
         std::map<std::string, std::string>{{"Dir::State", folder / "state"},
                                            {"Dir::State::lists", folder / "lists"},
                                            {"Dir::State::status", folder / "state/status"},
                                            {"Dir::Cache", folder},
                                            {"Dir::Etc", folder / "etc/apt"},
                                            {"Dir::Etc::sourcelist", folder / "sources.list"},
                                            {"Acquire::http::Proxy", proxy("http")},
                                            {"Acquire::https::Proxy", proxy("http")},
                                            {"Acquire::https::CAInfo", authority()},
                                            {"Acquire::Retries", "0"},
                                            {"APT::Architecture", "all"},
                                            {"APT::Sandbox::User", ""}})
      command.insert(command.end(), {"-o", key + "=" + value});
    command.insert(command.end(), words.begin(), words.end());
    return run(command, folder).has_value();
  }
  /// Updates, and fetches the package.
  [[nodiscard]] bool fetch(const std::string& root) {
    return apt(root, {"update", "--error-on=any"}) && apt(root, {"download", "acme"}) &&
           support::read_file(files_ / root / "acme_1.0_all.deb") == support::read_file(deb_);
  }

  std::filesystem::path deb_;
};

TEST_F(ForwardDebianPack, AptInstallsFromADownMirrorWhatTheDebianPackKept) {
  for (const std::string packs : {"debian", "npm"}) {
    serve(mirror_program());
    start_with_pack(packs);
    const bool has_pack = packs == "debian";
    EXPECT_TRUE(fetch(packs + "-first")) << printed_;
    EXPECT_TRUE(fetch(packs + "-second")) << printed_;
    EXPECT_EQ(served("acme_1.0_all.deb"), has_pack ? 1U : 2U) << server_->output();
    EXPECT_EQ(served("/by-hash/SHA256/"), has_pack ? 1U : 2U);
    EXPECT_EQ(served("/InRelease"), 2U) << "what changes is asked about each time";
    const auto listed = api("/api/cache/entries?prefix=" + url_ + "/pool/");
    EXPECT_EQ(listed.has("\"state\":\"fresh\""), has_pack) << listed.output;
    stop_serving();
    EXPECT_EQ(fetch(packs + "-third"), has_pack) << printed_;
    stop();
  }
}

TEST_F(ForwardDebianPack, AptInstallsOverTlsFromADownMirrorWhatTheDebianPackKept) {
  name_servers();
  if (IsSkipped()) return;
  url_ = serve_over_tls(mirror_program(), www_);
  start_with_pack("debian");
  EXPECT_TRUE(fetch("first")) << printed_;
  EXPECT_TRUE(has_stored(3)) << "InRelease, Packages and the package";
  stop_serving();
  EXPECT_TRUE(fetch("second")) << printed_;
}

}  // namespace
}  // namespace propeller::cmd
