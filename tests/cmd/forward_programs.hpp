#pragma once

#include <fmt/format.h>

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "forward_site.hpp"
#include "support/mounts.hpp"

namespace propeller::cmd {

/// Programs that are told of the proxy as their users do it. They go straight to loopback whatever they are told, so
/// the servers have a host name of their own, which the proxy alone knows.
class ForwardPrograms : public ForwardSite {
 protected:
  static constexpr const char* kHost = "origin.test";

  void SetUp() override {
    name_servers();
    if (!IsSkipped()) start_with("patterns: ['^/v2/.*/(blobs|manifests)/sha256:', '[.]tgz$']");
  }
  void name_servers() {
    if (!support::may_mount()) GTEST_SKIP() << "a host name of our own takes the right to mount";
    support::write_file(files_ / "hosts", "127.0.0.1 localhost " + std::string(kHost) + "\n");
    launcher_ = {"unshare", "--mount", "sh", "-c",
                 "mount --bind " + (files_ / "hosts").string() + " /etc/hosts && exec \"$0\" \"$@\""};
  }
  /// With these keys of the cache, and what follows its section.
  void start_with(const std::string& cache_keys, const std::string& more = "") {
    write_config(usual(fmt::format("  insecure_hosts: [{}]\ncache: {{enabled: true, min_free: 0, dir: {}, {}}}\n{}",
                                   kHost, (files_ / "cache").string(), cache_keys, more)));
    start();
  }

  [[nodiscard]] std::string proxy(const std::string& scheme) const {
    return scheme + "://127.0.0.1:" + std::to_string(port_);
  }
  [[nodiscard]] std::string authority() const { return (files_ / "certs/ca.crt").string(); }
  /// Of a program that trusts the proxy.
  [[nodiscard]] Environment trusting(Environment more = {}) const {
    more.merge(Environment{{"HOME", files_.path().string()}, {"SSL_CERT_FILE", authority()}});
    return more;
  }

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

  /// Each is there a moment after its last byte was delivered.
  [[nodiscard]] bool has_stored(int blobs) const {
    const auto line = fmt::format("\npropeller_store_blobs {}\n", blobs);
    return support::wait_until([&] { return metrics().contains(line); });
  }

  /// Starts a server that prints "port N", and what it is asked for; returns N.
  std::string serve_by(const std::vector<std::string>& command) {
    server_ = std::make_unique<support::Subprocess>(support::SubprocessOptions{.arguments = command});
    const auto line = server_->wait_line("port ");
    EXPECT_TRUE(line) << server_->output();
    return line.value_or("port 0").substr(5);
  }
  /// The same of a Python program: `DIRECTORY CERTIFICATE KEY`. Returns "https://origin.test:N".
  std::string serve_over_tls(const std::string& program, const std::filesystem::path& directory) {
    const auto port = serve_by(
        {"python3", "-c", program, directory.string(), tls_.server_certificate().string(), tls_.server_key().string()});
    return fmt::format("https://{}:{}", kHost, port);
  }
  [[nodiscard]] std::size_t served(std::string_view request) const {
    std::size_t count = 0;
    const auto output = server_->output();
    for (auto at = output.find(request); at != std::string::npos; at = output.find(request, at + 1)) ++count;
    return count;
  }

  std::unique_ptr<support::Subprocess> server_;

 private:
  [[nodiscard]] std::unique_ptr<support::Subprocess> begin(const std::vector<std::string>& arguments,
                                                           const Environment& more) const {
    return std::make_unique<support::Subprocess>(
        support::SubprocessOptions{.arguments = arguments, .environment = trusting(more), .directory = files_.path()});
  }
};

}  // namespace propeller::cmd
