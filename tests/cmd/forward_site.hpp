#pragma once

#include <gtest/gtest.h>

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "program.hpp"
#include "support/environment.hpp"
#include "support/fake_registry.hpp"
#include "support/subprocess.hpp"
#include "support/tls_files.hpp"

namespace propeller::cmd {

/// What curl got: its exit code, and heads with bodies.
struct Fetched {
  int exit_code = -1;
  std::string output;

  [[nodiscard]] bool has(std::string_view text) const { return output.find(text) != std::string::npos; }
};

/// The real program as a forward proxy, with a configuration file of its own, and servers of HTTP and HTTPS behind it.
class ForwardSite : public testing::Test {
 protected:
  ForwardSite();

  /// The file that every test begins with: our ports, loopback as a target, the secure server's authority.
  [[nodiscard]] std::string usual(const std::string& more = "") const;
  /// The same with more keys in its section `proxy` or `tls`: "open: true", say.
  [[nodiscard]] std::string usual_with(std::string_view section, const std::string& keys) const;
  void write_config(const std::string& text) { support::write_file(config_, text); }
  [[nodiscard]] Environment environment(const Environment& more = {}) const;
  /// Starts it, and waits until it serves.
  void start(const Environment& more = {});
  void stop();
  [[nodiscard]] std::string log() const { return process_->output(); }
  [[nodiscard]] bool says(std::string_view text) { return process_->wait_line(text).has_value(); }

  /// Through the proxy.
  [[nodiscard]] Fetched curl(const std::vector<std::string>& arguments) const;
  /// To the API, without the proxy.
  [[nodiscard]] Fetched api(const std::string& path, const std::vector<std::string>& arguments = {}) const;
  [[nodiscard]] std::string blob(const support::FakeRegistry& server, const std::string& host = "127.0.0.1") const;
  [[nodiscard]] std::string metrics() const;

  const support::TempDir files_;
  const support::TlsFiles tls_;
  support::FakeRegistry plain_;
  support::FakeRegistry secure_;
  const std::filesystem::path config_ = files_ / "propeller-proxy.yaml";
  const std::uint16_t port_ = support::free_port();
  const std::uint16_t api_port_ = support::free_port();
  const std::uint16_t health_port_ = support::free_port();
  std::unique_ptr<support::Subprocess> process_;
  std::vector<std::string> launcher_;  ///< words before the program

 private:
  [[nodiscard]] static Fetched run_curl(std::vector<std::string> arguments);
};

}  // namespace propeller::cmd
