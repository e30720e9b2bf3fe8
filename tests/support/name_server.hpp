#pragma once

#include <atomic>
#include <filesystem>
#include <string_view>
#include <thread>

#include "base/file_descriptor.hpp"

namespace propeller::support {

struct NameServerOptions {
  bool knows_ipv6 = false;  ///< that there is none; else such questions are dropped, as some name servers do
};

/// A name server that knows one thing: every name is 127.0.0.1.
///
/// Threads:  one of its own. Lifetime: stops with its destructor.
/// Source:   RFC 1035 4.1
class NameServer {
 public:
  explicit NameServer(NameServerOptions options = {});
  ~NameServer();
  NameServer(const NameServer&) = delete;
  NameServer& operator=(const NameServer&) = delete;

  /// It has its address: port 53 is root's.
  [[nodiscard]] bool is_listening() const { return thread_.joinable(); }
  /// /etc/resolv.conf as it has to be.
  static constexpr std::string_view kConfiguration = "nameserver 127.0.0.53\noptions timeout:1 attempts:1\n";
  /// The names of this thread, and of those it starts, are asked for here from now on. False: not permitted.
  [[nodiscard]] bool take_over(const std::filesystem::path& file) const;
  /// No more answers.
  void fall_silent() { is_silent_ = true; }
  [[nodiscard]] int unanswered() const { return unanswered_; }

 private:
  void serve(const std::stop_token& stop);

  const NameServerOptions options_;
  base::FileDescriptor socket_;
  std::atomic<bool> is_silent_ = false;
  std::atomic<int> unanswered_ = 0;
  std::jthread thread_;
};

}  // namespace propeller::support
