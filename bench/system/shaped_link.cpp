#include "system/shaped_link.hpp"

#include <unistd.h>

#include <filesystem>

namespace propeller::bench {

bool ShapedLink::is_possible() { return ::geteuid() == 0; }

std::vector<std::string> ShapedLink::launcher() const {
  return {"nsenter", "--net", "--target", std::to_string(holder_->pid())};
}

ShapedLink::ShapedLink(int megabits_per_second) {
  const int number = ::getpid() % 250;
  const std::string outer = "ppb" + std::to_string(::getpid() % 100'000), inner = "eth-bench";
  const std::string network = "10.213." + std::to_string(number) + ".";
  outer_host_ = network + "1";
  inner_host_ = network + "2";
  holder_ = std::make_unique<support::Subprocess>(
      support::SubprocessOptions{.arguments = {"unshare", "--net", "sleep", "infinity"}});
  const std::string pid = std::to_string(holder_->pid());
  // The namespace is there when it is not ours any more.
  const auto own = std::filesystem::read_symlink("/proc/self/ns/net");
  if (!support::wait_until([&] {
        std::error_code error;
        const auto theirs = std::filesystem::read_symlink("/proc/" + pid + "/ns/net", error);
        return !error && theirs != own;
      }))
    throw std::runtime_error("no network namespace");
  const auto inside = [&](std::vector<std::string> command) {
    auto whole = launcher();
    whole.insert(whole.end(), command.begin(), command.end());
    support::run_command(whole);
  };
  support::run_command({"ip", "link", "add", outer, "type", "veth", "peer", "name", inner, "netns", pid});
  support::run_command({"ip", "address", "add", outer_host_ + "/24", "dev", outer});
  support::run_command({"ip", "link", "set", outer, "up"});
  inside({"ip", "link", "set", "lo", "up"});
  inside({"ip", "address", "add", inner_host_ + "/24", "dev", inner});
  inside({"ip", "link", "set", inner, "up"});
  inside({"tc", "qdisc", "add", "dev", inner, "root", "tbf", "rate", std::to_string(megabits_per_second) + "mbit",
          "burst", "32kb", "latency", "50ms"});
}

}  // namespace propeller::bench
