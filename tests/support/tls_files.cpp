#include "support/tls_files.hpp"

#include "support/subprocess.hpp"

namespace propeller::support {
namespace {

std::vector<std::string> new_key(const std::string& algorithm) {
  if (algorithm == "RSA") return {"-newkey", "rsa:2048", "-noenc"};
  return {"-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-noenc"};
}

std::vector<std::string> operator+(std::vector<std::string> left, const std::vector<std::string>& right) {
  left.insert(left.end(), right.begin(), right.end());
  return left;
}

}  // namespace

TlsFiles::TlsFiles() {
  run_command(std::vector<std::string>{"openssl", "req", "-x509"} + new_key("EC") +
              std::vector<std::string>{"-days", "2", "-subj", "/CN=Test CA", "-keyout",
                                       (directory_ / "ca.key").string(), "-out", ca().string()});
  issue("server", "subjectAltName=DNS:localhost,IP:127.0.0.1,IP:::1");
  issue("client", "extendedKeyUsage=clientAuth");
}

void TlsFiles::issue(const std::string& name, const std::string& extension) {
  run_command(std::vector<std::string>{"openssl", "req", "-x509", "-CA", ca().string(), "-CAkey",
                                       (directory_ / "ca.key").string()} +
              new_key("EC") +
              std::vector<std::string>{"-days", "2", "-subj", "/CN=" + name, "-addext", extension, "-addext",
                                       "basicConstraints=critical,CA:FALSE", "-keyout",
                                       (directory_ / (name + ".key")).string(), "-out",
                                       (directory_ / (name + ".pem")).string()});
}

void make_self_signed(const std::filesystem::path& certificate, const std::filesystem::path& key,
                      const std::string& algorithm) {
  run_command(std::vector<std::string>{"openssl", "req", "-x509"} + new_key(algorithm) +
              std::vector<std::string>{"-days", "2", "-subj", "/CN=Token issuer", "-keyout", key.string(), "-out",
                                       certificate.string()});
}

}  // namespace propeller::support
