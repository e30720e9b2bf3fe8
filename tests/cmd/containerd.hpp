#pragma once

#include <fmt/format.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <csignal>
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "program.hpp"
#include "support/environment.hpp"
#include "support/subprocess.hpp"

namespace propeller::cmd {

/// A containerd with its state in a folder of its own; it pulls nothing but content.
class Containerd {
 public:
  explicit Containerd(std::filesystem::path folder) : folder_(std::move(folder)) {
    // Kubernetes' plug-in wants a network and cgroups, which a test has not, and is not asked for a pull by `ctr`.
    support::write_file(folder_ / "config.toml",
                        fmt::format("version = 2\nroot = \"{0}/root\"\nstate = \"{0}/state\"\n"
                                    "disabled_plugins = [\"io.containerd.grpc.v1.cri\"]\n"
                                    "[grpc]\n  address = \"{0}/socket\"\n[ttrpc]\n  address = \"{0}/ttrpc\"\n",
                                    folder_.string()));
    std::vector<std::string> command;
    // It has to be root, be it in a namespace of its own.
    if (::geteuid() != 0) command = {"unshare", "--user", "--map-root-user"};
    command.insert(command.end(), {"containerd", "--config", (folder_ / "config.toml").string()});
    daemon_.emplace(support::SubprocessOptions{.arguments = command});
    EXPECT_TRUE(daemon_->wait_line("containerd successfully booted")) << daemon_->output();
  }
  ~Containerd() {
    daemon_->signal(SIGTERM);
    daemon_->wait_exit();
  }
  Containerd(const Containerd&) = delete;
  Containerd& operator=(const Containerd&) = delete;

  /// `ctr`, told where the socket is.
  [[nodiscard]] std::string ctr(const std::vector<std::string>& words, const Environment& environment = {}) const {
    std::vector<std::string> command{"ctr", "--address", (folder_ / "socket").string()};
    command.insert(command.end(), words.begin(), words.end());
    support::Subprocess process({.arguments = command, .environment = environment});
    EXPECT_EQ(process.wait_exit(), 0) << process.output() << daemon_->output();
    process.wait_output_end();
    return process.output();
  }

 private:
  const std::filesystem::path folder_;
  std::optional<support::Subprocess> daemon_;
};

}  // namespace propeller::cmd
