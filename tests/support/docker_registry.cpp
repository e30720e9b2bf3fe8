#include "support/docker_registry.hpp"

#include <crypt.h>
#include <signal.h>

#include <sstream>
#include <stdexcept>

#include "support/token_server.hpp"

namespace propeller::support {
namespace {

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
  write_file(directory_ / "config.yml", out.str());
}

void DockerRegistry::start() {
  process_.reset();
  process_ = std::make_unique<Subprocess>(
      SubprocessOptions{.arguments = {"docker-registry", "serve", (directory_ / "config.yml").string()}});
  const bool is_up = wait_until([this] { return !process_->is_running() || can_connect(port_); });
  if (!is_up || !process_->is_running())
    throw std::runtime_error("docker-registry does not start: " + process_->output());
}

void DockerRegistry::stop() {
  process_->signal(SIGTERM);
  if (!process_->wait_exit()) throw std::runtime_error("docker-registry does not stop");
}

std::size_t DockerRegistry::requests(std::string_view method, std::string_view path) const {
  std::istringstream lines(log());
  const std::string begin = '"' + std::string(method) + ' ';
  std::size_t count = 0;
  for (std::string line; std::getline(lines, line);)
    if (line.find(begin) != std::string::npos && line.find(path) != std::string::npos) ++count;
  return count;
}

}  // namespace propeller::support
