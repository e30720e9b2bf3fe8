#include "forward_site.hpp"

#include <csignal>

#include "base/digest.hpp"

namespace propeller::cmd {

namespace {
constexpr std::string_view kBytes = "some bytes of a blob";
}

ForwardSite::ForwardSite() : secure_({.tls = &tls_}) {
  for (auto* server : {&plain_, &secure_}) server->push_blob("acme/m", std::string(kBytes));
  write_config(usual());
}

std::string ForwardSite::usual(const std::string& more) const {
  return "threads: 2\n"
         "proxy:\n  port: " +
         std::to_string(port_) + "\n  api_port: " + std::to_string(api_port_) +
         "\n  allow_targets: [127.0.0.0/8]\n"
         "tls:\n  cert_dir: " +
         (files_ / "certs").string() + "\n  upstream_ca: [" + tls_.ca().string() + "]\n" + more;
}

std::string ForwardSite::usual_with(std::string_view section, const std::string& keys) const {
  auto text = usual();
  const auto head = std::string(section) + ":\n";
  text.insert(text.find(head) + head.size(), "  " + keys + "\n");
  return text;
}

Environment ForwardSite::environment(const Environment& more) const {
  Environment all = more;
  all.merge(Environment{
      {"HOME", "/nonexistent"}, {"CONFIG_FILE", config_.string()}, {"PROXY_HTTP_PORT", std::to_string(health_port_)}});
  return all;
}

void ForwardSite::start(const Environment& more) {
  auto arguments = launcher_;
  arguments.emplace_back(PROPELLER_PROXY_PROGRAM);
  process_ = std::make_unique<support::Subprocess>(
      support::SubprocessOptions{.arguments = std::move(arguments), .environment = environment(more)});
  ASSERT_TRUE(process_->wait_line("api server started")) << log();
}

void ForwardSite::stop() {
  process_->signal(SIGTERM);
  EXPECT_EQ(process_->wait_exit(), 0) << log();
}

Fetched ForwardSite::run_curl(std::vector<std::string> arguments) {
  arguments.insert(arguments.begin(), {"curl", "-sS", "-i", "--max-time", "20", "--noproxy", ""});
  support::Subprocess process({.arguments = std::move(arguments)});
  const auto code = process.wait_exit();
  process.wait_output_end();
  return {code.value_or(-1), process.output()};
}

Fetched ForwardSite::curl(const std::vector<std::string>& arguments) const {
  std::vector<std::string> all{"--http1.1", "-x", "http://127.0.0.1:" + std::to_string(port_), "--cacert",
                               (files_ / "certs/ca.crt").string()};
  all.insert(all.end(), arguments.begin(), arguments.end());
  return run_curl(std::move(all));
}

Fetched ForwardSite::api(const std::string& path, const std::vector<std::string>& arguments) const {
  std::vector<std::string> all{"http://127.0.0.1:" + std::to_string(api_port_) + path};
  all.insert(all.end(), arguments.begin(), arguments.end());
  return run_curl(std::move(all));
}

std::string ForwardSite::blob(const support::FakeRegistry& server, const std::string& host) const {
  const std::string scheme = &server == &secure_ ? "https://" : "http://";
  return scheme + host + ":" + std::to_string(server.port()) + "/v2/acme/m/blobs/" + base::sha256(kBytes).to_string();
}

std::string ForwardSite::metrics() const {
  return run_curl({"http://127.0.0.1:" + std::to_string(health_port_) + "/metrics"}).output;
}

}  // namespace propeller::cmd
