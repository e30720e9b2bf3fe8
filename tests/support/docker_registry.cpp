#include "support/docker_registry.hpp"

#include <crypt.h>
#include <signal.h>

#include <sstream>
#include <stdexcept>
#include <vector>

#include "support/token_server.hpp"

namespace propeller::support {
namespace {

/// Files over HTTP, or over HTTPS with a certificate: `python3 - DIRECTORY PORT [CERTIFICATE KEY]`.
constexpr const char* kStorage = R"(
import functools, http.server, ssl, sys
handler = functools.partial(http.server.SimpleHTTPRequestHandler, directory=sys.argv[1])
server = http.server.ThreadingHTTPServer(("127.0.0.1", int(sys.argv[2])), handler)
if len(sys.argv) > 3:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(sys.argv[3], sys.argv[4])
    server.socket = context.wrap_socket(server.socket, server_side=True)
server.serve_forever()
)";

// The registry accepts bcrypt only; the lowest cost, since a test's password is no secret.
std::string bcrypt(const std::string& password) {
  char salt[CRYPT_GENSALT_OUTPUT_SIZE];
  if (::crypt_gensalt_rn("$2b$", 4, nullptr, 0, salt, sizeof salt) == nullptr)
    throw std::runtime_error("no bcrypt salt");
  auto data = std::make_unique<crypt_data>();
  const char* hash = ::crypt_r(password.c_str(), salt, data.get());
  if (hash == nullptr || hash[0] == '*') throw std::runtime_error("no bcrypt");
  return hash;
}

}  // namespace

DockerRegistry::DockerRegistry(DockerRegistryOptions options) : options_(std::move(options)) {
  for (int attempt = 1;; ++attempt) {
    port_ = free_port();
    storage_port_ = free_port();
    write_configuration();
    try {
      start();
      return;
    } catch (const std::runtime_error&) {
      if (attempt == 5) throw;
    }
  }
}

void DockerRegistry::write_configuration() {
  std::ostringstream out;
  out << "version: 0.1\nlog:\n  level: warn\nstorage:\n  filesystem:\n    rootdirectory: "
      << (directory_ / "data").string()
      << "\n  cache:\n    blobdescriptor: inmemory\nhttp:\n  addr: " << options_.address << ':' << port_ << "\n";
  if (options_.tls != nullptr)
    out << "  tls:\n    certificate: " << options_.tls->server_certificate().string()
        << "\n    key: " << options_.tls->server_key().string() << "\n";
  if (!options_.users.empty()) {
    std::string lines;
    for (const auto& [name, password] : options_.users) lines += name + ":" + bcrypt(password) + "\n";
    write_file(directory_ / "htpasswd", lines);
    out << "auth:\n  htpasswd:\n    realm: test\n    path: " << (directory_ / "htpasswd").string() << "\n";
  }
  if (options_.tokens != nullptr)
    out << "auth:\n  token:\n    realm: " << options_.tokens->realm() << "\n    service: " << TokenServer::kService
        << "\n    issuer: " << TokenServer::kIssuer
        << "\n    rootcertbundle: " << options_.tokens->certificate().string() << "\n";
  if (options_.is_redirecting)
    out << "middleware:\n  storage:\n    - name: redirect\n      options:\n        baseurl: "
        << (options_.tls != nullptr ? "https" : "http") << "://127.0.0.1:" << storage_port_ << "\n";
  write_file(directory_ / "config.yml", out.str());
}

void DockerRegistry::start() {
  process_.reset();
  process_ = std::make_unique<Subprocess>(
      SubprocessOptions{.arguments = {"docker-registry", "serve", (directory_ / "config.yml").string()}});
  const bool is_up = wait_until([this] { return !process_->is_running() || can_connect(port_); });
  if (!is_up || !process_->is_running())
    throw std::runtime_error("docker-registry does not start: " + process_->output());
  if (options_.is_redirecting) start_storage();
}

/// The files of the registry, whose names are what it redirects to.
void DockerRegistry::start_storage() {
  std::filesystem::create_directories(directory_ / "data");
  std::vector<std::string> command{"python3", "-c", kStorage, (directory_ / "data").string(),
                                   std::to_string(storage_port_)};
  if (options_.tls != nullptr) {
    command.push_back(options_.tls->server_certificate().string());
    command.push_back(options_.tls->server_key().string());
  }
  storage_ = std::make_unique<Subprocess>(SubprocessOptions{.arguments = command});
  if (!wait_until([this] { return can_connect(storage_port_); }))
    throw std::runtime_error("the registry's storage does not start: " + storage_->output());
}

void DockerRegistry::stop() {
  for (auto* process : {process_.get(), storage_.get()}) {
    if (process == nullptr) continue;
    process->signal(SIGTERM);
    if (!process->wait_exit()) throw std::runtime_error("docker-registry does not stop");
  }
}

std::size_t DockerRegistry::requests(std::string_view method, std::string_view path) const {
  const std::string begin = '"' + std::string(method) + ' ';
  return count_lines([&](std::string_view line) { return line.contains(begin) && line.contains(path); });
}

std::size_t DockerRegistry::blobs_given() const {
  return count_lines([](std::string_view line) {
    return line.contains("\"GET ") && line.contains("/blobs/sha256:") && !line.contains("\" 401 ");
  });
}

std::size_t DockerRegistry::count_lines(const std::function<bool(std::string_view)>& is_meant) const {
  std::istringstream lines(log());
  std::size_t count = 0;
  for (std::string line; std::getline(lines, line);) count += is_meant(line) ? 1 : 0;
  return count;
}

}  // namespace propeller::support
