#include "admin/probe.hpp"

#include <arpa/inet.h>
#include <fcntl.h>
#include <fmt/format.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <charconv>
#include <cstring>
#include <optional>
#include <string_view>

namespace propeller::admin {

namespace {

using Deadline = std::chrono::steady_clock::time_point;

class Descriptor {
 public:
  explicit Descriptor(int fd) : fd_(fd) {}
  ~Descriptor() {
    if (fd_ >= 0) ::close(fd_);
  }
  Descriptor(const Descriptor&) = delete;
  Descriptor& operator=(const Descriptor&) = delete;
  [[nodiscard]] int get() const { return fd_; }

 private:
  int fd_;
};

struct Target {
  sockaddr_storage address{};
  socklen_t size = 0;
};

std::optional<Target> target_of(const Probe& probe) {
  Target target;
  auto* const v4 = reinterpret_cast<sockaddr_in*>(&target.address);
  auto* const v6 = reinterpret_cast<sockaddr_in6*>(&target.address);
  if (inet_pton(AF_INET, probe.address.c_str(), &v4->sin_addr) == 1) {
    v4->sin_family = AF_INET;
    v4->sin_port = htons(probe.port);
    if (v4->sin_addr.s_addr == INADDR_ANY) v4->sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    target.size = sizeof *v4;
    return target;
  }
  if (inet_pton(AF_INET6, probe.address.c_str(), &v6->sin6_addr) == 1) {
    v6->sin6_family = AF_INET6;
    v6->sin6_port = htons(probe.port);
    if (IN6_IS_ADDR_UNSPECIFIED(&v6->sin6_addr)) v6->sin6_addr = in6addr_loopback;
    target.size = sizeof *v6;
    return target;
  }
  return std::nullopt;
}

Result<void> wait_for(int fd, short events, Deadline deadline) {
  for (;;) {
    const auto left = std::chrono::ceil<std::chrono::milliseconds>(deadline - std::chrono::steady_clock::now()).count();
    if (left <= 0) return fail(Code::timeout, Origin::upstream, "no answer in time");
    pollfd entry{.fd = fd, .events = events, .revents = 0};
    const int ready = ::poll(&entry, 1, static_cast<int>(left));
    if (ready > 0) return {};
    if (ready < 0 && errno != EINTR) return fail(Code::io, Origin::internal, std::strerror(errno));
  }
}

Result<void> connect_to(int fd, const Target& target, Deadline deadline) {
  if (::connect(fd, reinterpret_cast<const sockaddr*>(&target.address), target.size) == 0) return {};
  if (errno == EINPROGRESS) {
    if (auto ready = wait_for(fd, POLLOUT, deadline); !ready) return ready;
    int error = 0;
    socklen_t size = sizeof error;
    getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &size);
    if (error == 0) return {};
    errno = error;
  }
  return fail(Code::io, Origin::upstream, fmt::format("cannot connect: {}", std::strerror(errno)));
}

Result<void> send_all(int fd, std::string_view bytes, Deadline deadline) {
  while (!bytes.empty()) {
    const auto n = ::send(fd, bytes.data(), bytes.size(), MSG_NOSIGNAL);
    if (n > 0) {
      bytes.remove_prefix(static_cast<std::size_t>(n));
    } else if (errno == EAGAIN || errno == EINTR) {
      if (auto ready = wait_for(fd, POLLOUT, deadline); !ready) return ready;
    } else {
      return fail(Code::io, Origin::upstream, fmt::format("cannot send: {}", std::strerror(errno)));
    }
  }
  return {};
}

/// Up to the end of the stream; the request asked for `Connection: close`.
Result<std::string> receive_all(int fd, Deadline deadline) {
  std::string received;
  std::array<char, 4096> piece{};
  while (received.size() < kProbeBytesMax) {
    const auto n = ::recv(fd, piece.data(), piece.size(), 0);
    if (n == 0) break;
    if (n > 0) {
      received.append(piece.data(), static_cast<std::size_t>(n));
    } else if (errno == EAGAIN || errno == EINTR) {
      if (auto ready = wait_for(fd, POLLIN, deadline); !ready) return std::unexpected(ready.error());
    } else {
      return fail(Code::io, Origin::upstream, fmt::format("cannot receive: {}", std::strerror(errno)));
    }
  }
  return received;
}

}  // namespace

Result<ProbeAnswer> ask(const Probe& probe) {
  const auto deadline = std::chrono::steady_clock::now() + probe.timeout;
  const auto target = target_of(probe);
  if (!target) return fail(Code::bad_config, Origin::client, fmt::format("{} is not an address", probe.address));
  const Descriptor socket(::socket(target->address.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
  if (socket.get() < 0) return fail(Code::io, Origin::internal, std::strerror(errno));
  if (auto done = connect_to(socket.get(), *target, deadline); !done) return std::unexpected(done.error());
  const auto request = fmt::format("GET {} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n", probe.path);
  if (auto done = send_all(socket.get(), request, deadline); !done) return std::unexpected(done.error());
  const auto received = receive_all(socket.get(), deadline);
  if (!received) return std::unexpected(received.error());

  constexpr std::string_view kStart = "HTTP/1.1 ";
  const std::string_view text = *received;
  const auto head_end = text.find("\r\n\r\n");
  ProbeAnswer answer;
  const auto digits = text.substr(std::min(text.size(), kStart.size()), 3);
  const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), answer.status);
  if (!text.starts_with(kStart) || head_end == std::string_view::npos || error != std::errc{} ||
      end != digits.data() + 3) {
    return fail(Code::bad_request, Origin::upstream, "what answers there is not the health port");
  }
  answer.body = text.substr(head_end + 4);
  return answer;
}

}  // namespace propeller::admin
