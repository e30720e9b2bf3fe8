#pragma once

#include <atomic>
#include <filesystem>
#include <thread>

#include "base/file_descriptor.hpp"

namespace propeller::support {

/// A name server that knows one thing: every name is 127.0.0.1. Other questions, those for IPv6 among them, get no
/// answer at all, as from name servers that drop what they do not know.
///
/// Threads:  one of its own. Lifetime: stops with its destructor.
/// Source:   RFC 1035 4.1
class NameServer {
 public:
  NameServer();
  ~NameServer();
  NameServer(const NameServer&) = delete;
  NameServer& operator=(const NameServer&) = delete;

  /// It has its address: port 53 is root's.
  [[nodiscard]] bool is_listening() const { return thread_.joinable(); }
  /// The names of this thread, and of those it starts, are asked for here from now on. `file` is made. False: not
  /// permitted.
  [[nodiscard]] bool take_over(const std::filesystem::path& file) const;
  [[nodiscard]] int unanswered() const { return unanswered_; }

 private:
  void serve(const std::stop_token& stop);

  base::FileDescriptor socket_;
  std::atomic<int> unanswered_ = 0;
  std::jthread thread_;
};

}  // namespace propeller::support
