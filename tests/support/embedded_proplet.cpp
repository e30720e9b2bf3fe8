#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <stdexcept>

#include "support/proplets.hpp"

// MQTT 3.1.1 by hand (OASIS, section 3): only what the embedded client does, with its faults.
namespace propeller::support {
namespace {

constexpr std::uint8_t kConnect = 0x10, kConnack = 0x20, kPublish = 0x30, kSubscribe = 0x82, kSuback = 0x90;

std::string text_field(std::string_view text) {
  std::string field;
  field += static_cast<char>(text.size() >> 8);
  field += static_cast<char>(text.size() & 0xFF);
  field += text;
  return field;
}

}  // namespace

EmbeddedProplet::EmbeddedProplet(std::uint16_t port, ChannelTopics topics, int qos) : topics_(std::move(topics)) {
  fd_ = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  address.sin_port = htons(port);
  if (::connect(fd_, reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0) {
    ::close(fd_);
    throw std::runtime_error("embedded proplet cannot connect");
  }
  // Level 4, clean session, keep-alive off: the test is shorter than any.
  send_packet(kConnect,
              text_field("MQTT") + std::string("\x04\x02\0\0", 4) + text_field("embedded-" + std::to_string(port)));
  send_packet(kSubscribe, std::string("\0\1", 2) + text_field(topics_.chunks()) + static_cast<char>(qos));
  thread_ = std::jthread([this] { run(); });
  std::unique_lock lock(mutex_);
  if (!changed_.wait_for(lock, kPatience, [this] { return is_subscribed_; })) {
    lock.unlock();
    ::shutdown(fd_, SHUT_RDWR);
    thread_.join();
    ::close(fd_);
    throw std::runtime_error("embedded proplet gets no SUBACK");
  }
}

EmbeddedProplet::~EmbeddedProplet() {
  ::shutdown(fd_, SHUT_RDWR);
  if (thread_.joinable()) thread_.join();
  ::close(fd_);
}

void EmbeddedProplet::request(const std::string& app_name) {
  {
    const std::lock_guard lock(mutex_);
    requested_ = app_name;
    module_.reset();
  }
  send_packet(kPublish, text_field(topics_.request()) + request_for(app_name));
}

std::optional<std::string> EmbeddedProplet::wait_module(milliseconds limit) {
  std::unique_lock lock(mutex_);
  changed_.wait_for(lock, limit, [this] { return module_.has_value() || is_wedged_; });
  return module_;
}

bool EmbeddedProplet::is_wedged() const {
  const std::lock_guard lock(mutex_);
  return is_wedged_;
}

void EmbeddedProplet::send_packet(std::uint8_t type, const std::string& body) const {
  std::string packet(1, static_cast<char>(type));
  std::size_t left = body.size();
  do {
    packet += static_cast<char>((left & 0x7F) | (left > 0x7F ? 0x80 : 0));
    left >>= 7;
  } while (left > 0);
  packet += body;
  if (::send(fd_, packet.data(), packet.size(), MSG_NOSIGNAL) != static_cast<ssize_t>(packet.size()))
    throw std::runtime_error("embedded proplet cannot send");
}

bool EmbeddedProplet::read_exactly(std::string& out, std::size_t size) const {
  out.resize(size);
  return size == 0 || ::recv(fd_, out.data(), size, MSG_WAITALL) == static_cast<ssize_t>(size);
}

bool EmbeddedProplet::read_packet(std::uint8_t& type, std::string& body) {
  std::string byte;
  if (!read_exactly(byte, 1)) return false;
  type = static_cast<std::uint8_t>(byte[0]);
  std::size_t length = 0;
  for (unsigned shift = 0; shift < 28; shift += 7) {
    if (!read_exactly(byte, 1)) return false;
    length |= static_cast<std::size_t>(byte[0] & 0x7F) << shift;
    if ((byte[0] & 0x80) == 0) break;
  }
  const std::size_t head = 2 + topics_.chunks().size() + 2;
  if ((type & 0xF0) == kPublish && length > kMessageBytesMax + head) {
    const std::lock_guard lock(mutex_);
    is_wedged_ = true;
    changed_.notify_all();
    return false;
  }
  return read_exactly(body, length);
}

void EmbeddedProplet::run() {
  std::uint8_t type = 0;
  std::string body;
  while (read_packet(type, body)) {
    if (type == kConnack) continue;
    if (type == kSuback) {
      const std::lock_guard lock(mutex_);
      is_subscribed_ = true;
      changed_.notify_all();
    } else if ((type & 0xF0) == kPublish) {
      take_publish(type, body);
    }
  }
}

void EmbeddedProplet::take_publish(std::uint8_t flags, const std::string& body) {
  if (body.size() < 2) return;
  const auto topic_size =
      static_cast<std::size_t>(static_cast<unsigned char>(body[0])) << 8 | static_cast<unsigned char>(body[1]);
  const std::size_t begin = 2 + topic_size + ((flags & 0x06) != 0 ? 2 : 0);
  if (begin > body.size()) return;
  const std::lock_guard lock(mutex_);
  if (body.size() - begin > kMessageBytesMax) {
    is_wedged_ = true;
  } else if (auto chunk = parse_chunk(std::string_view(body).substr(begin)); chunk && chunk->app_name == requested_) {
    module_ = std::move(chunk->data);
  }
  changed_.notify_all();
}

}  // namespace propeller::support
