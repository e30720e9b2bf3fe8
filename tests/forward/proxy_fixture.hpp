#pragma once

#include <gtest/gtest.h>

#include <optional>
#include <string>
#include <vector>

#include "base/digest.hpp"
#include "forward/proxy.hpp"
#include "http/peer.hpp"
#include "support/fake_registry.hpp"
#include "support/subprocess.hpp"
#include "support/tls_files.hpp"

namespace propeller::forward {

using namespace std::chrono_literals;
using support::FakeRegistry;
using support::TlsFiles;

/// What curl says.
struct Answer {
  int exit_code = -1;  ///< of curl
  std::string output;  ///< heads and bodies
};

/// The proxy behind a real listener, with servers of HTTP and HTTPS on loopback to reach through it.
class ProxyTest : public testing::Test {
 protected:
  ProxyTest() {
    settings.threads = 2;
    settings.proxy.listen = {{.address = "127.0.0.1", .port = 0}};
    settings.proxy.allow_targets = {"127.0.0.0/8", "::1/128"};
    settings.proxy.timeouts.connect = 5s;
    settings.tls.cert_dir = directory / "certs";
    settings.tls.upstream_ca = {tls.ca()};
    plain.push_blob("acme/m", "plain bytes");
    secure.push_blob("acme/m", "secure bytes");
  }
  ~ProxyTest() override {
    if (proxy) proxy->stop(0ms);
  }

  void start() {
    proxy.emplace(settings, nullptr);
    const auto started = proxy->start();
    ASSERT_TRUE(started) << started.error().detail;
    port = proxy->addresses().at(0).port();
  }
  Answer curl(const std::vector<std::string>& arguments) { return curl_through("http", arguments); }
  /// `scheme` is one that curl knows for proxies: "socks5h", say.
  Answer curl_through(const std::string& scheme, const std::vector<std::string>& arguments) {
    std::vector<std::string> all{"curl", "-sS", "-i", "--max-time", "20"};
    for (const auto& each :
         {std::string("--noproxy"), std::string(), std::string("--cacert"), (directory / "certs/ca.crt").string(),
          std::string("-x"), scheme + "://127.0.0.1:" + std::to_string(port)})
      all.push_back(each);
    all.insert(all.end(), arguments.begin(), arguments.end());
    support::Subprocess process({.arguments = all});
    const auto code = process.wait_exit();
    process.wait_output_end();
    return {code.value_or(-1), process.output()};
  }
  std::string blob(const FakeRegistry& server, std::string_view bytes, const std::string& host = "127.0.0.1") const {
    const std::string scheme = &server == &secure ? "https://" : "http://";
    return scheme + host + ":" + std::to_string(server.port()) + "/v2/acme/m/blobs/" + base::sha256(bytes).to_string();
  }

  support::TempDir directory;
  TlsFiles tls;
  FakeRegistry plain;
  FakeRegistry secure{{.tls = &tls}};
  config::Forward settings;
  std::optional<Proxy> proxy;
  std::uint16_t port = 0;
};

inline bool contains(const Answer& answer, std::string_view text) {
  return answer.output.find(text) != std::string::npos;
}

}  // namespace propeller::forward
