#include "support/fake_connection.hpp"

#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cctype>
#include <csignal>
#include <utility>

namespace propeller::support {

std::string SeenRequest::field(const std::string& name) const {
  const auto found = fields.find(name);
  return found == fields.end() ? std::string{} : found->second;
}

FakeConnection::FakeConnection(int socket, SSL_CTX* tls) : socket_(socket), ssl_(tls ? SSL_new(tls) : nullptr) {
  if (!ssl_) return;
  SSL_set_fd(ssl_.get(), socket_);
  // OpenSSL writes without MSG_NOSIGNAL.
  sigset_t broken_pipe;
  sigemptyset(&broken_pipe);
  sigaddset(&broken_pipe, SIGPIPE);
  pthread_sigmask(SIG_BLOCK, &broken_pipe, nullptr);
}

FakeConnection::~FakeConnection() { ::close(socket_); }

void FakeConnection::stop() { ::shutdown(socket_, SHUT_RDWR); }

bool FakeConnection::handshake() {
  if (!is_ready_) is_ready_ = !ssl_ || SSL_accept(ssl_.get()) == 1;
  return is_ready_;
}

bool FakeConnection::fill() {
  std::array<char, 16384> piece;
  const long count = ssl_ ? SSL_read(ssl_.get(), piece.data(), static_cast<int>(piece.size()))
                          : ::recv(socket_, piece.data(), piece.size(), 0);
  if (count <= 0) return false;
  buffer_.append(piece.data(), static_cast<std::size_t>(count));
  return true;
}

std::optional<SeenRequest> FakeConnection::read_request() {
  if (!handshake()) return std::nullopt;
  std::size_t end = 0;
  while ((end = buffer_.find("\r\n\r\n")) == std::string::npos) {
    if (!fill()) return std::nullopt;
  }
  std::string_view head(buffer_.data(), end + 2);
  SeenRequest request;
  const auto line = head.substr(0, head.find("\r\n"));
  const auto first = line.find(' ');
  const auto second = line.rfind(' ');
  if (first == line.npos || first == second) return std::nullopt;
  request.method = line.substr(0, first);
  request.target = line.substr(first + 1, second - first - 1);
  for (head.remove_prefix(line.size() + 2); !head.empty();) {
    const auto field = head.substr(0, head.find("\r\n"));
    head.remove_prefix(field.size() + 2);
    const auto colon = field.find(':');
    if (colon == field.npos) continue;
    std::string name(field.substr(0, colon));
    std::ranges::transform(name, name.begin(), [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
    auto value = field.substr(colon + 1);
    while (value.starts_with(' ')) value.remove_prefix(1);
    request.fields[name] = value;
  }
  buffer_.erase(0, end + 4);
  if (request.field("transfer-encoding") == "chunked") {
    constexpr std::string_view kLast = "0\r\n\r\n";
    while (!buffer_.ends_with(kLast)) {
      if (!fill()) return std::nullopt;
    }
    request.body = std::exchange(buffer_, {});
    return request;
  }
  const std::string length = request.field("content-length");
  const std::size_t body_size = length.empty() ? 0 : std::stoul(length);
  while (buffer_.size() < body_size) {
    if (!fill()) return std::nullopt;
  }
  request.body = buffer_.substr(0, body_size);
  buffer_.erase(0, body_size);
  return request;
}

bool FakeConnection::write(std::string_view bytes) {
  while (!bytes.empty()) {
    const long count =
        ssl_ ? SSL_write(ssl_.get(), bytes.data(), static_cast<int>(std::min<std::size_t>(bytes.size(), 1 << 20)))
             : ::send(socket_, bytes.data(), bytes.size(), MSG_NOSIGNAL);
    if (count <= 0) return false;
    bytes.remove_prefix(static_cast<std::size_t>(count));
  }
  return true;
}

}  // namespace propeller::support
