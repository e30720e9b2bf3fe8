#include "support/delay_relay.hpp"

#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <deque>
#include <functional>
#include <future>
#include <list>
#include <mutex>
#include <optional>
#include <system_error>
#include <thread>
#include <vector>

namespace propeller::support {
namespace {

using Clock = std::chrono::steady_clock;
constexpr std::size_t kBlockBytes = 256 * 1024;
constexpr std::size_t kSpareBlocksMax = 256;

[[noreturn]] void give_up(const char* what) { throw std::system_error(errno, std::generic_category(), what); }

struct Block {
  Clock::time_point due;
  std::unique_ptr<char[]> bytes;
  std::size_t begin = 0, end = 0;
};

/// One direction of one connection.
struct Lane {
  int from = -1, to = -1;
  std::deque<Block> queue;
  std::size_t queued = 0;
  bool is_ended = false;     ///< nothing more comes from `from`
  bool is_finished = false;  ///< and everything has been passed on
  bool is_blocked = false;   ///< `to` takes nothing now
  bool is_up = false;
};

struct Connection {
  int client = -1, target = -1;
  Lane up, down;
  std::uint32_t client_mask = 0, target_mask = 0;
  bool is_dead = false;
};

}  // namespace

class DelayRelay::Loop {
 public:
  explicit Loop(DelayRelayOptions options) : options_(options), one_way_us_(options.one_way.count()) {
    epoll_ = ::epoll_create1(EPOLL_CLOEXEC);
    wake_ = ::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    listener_ = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    auto address = loopback(0);
    socklen_t size = sizeof address;
    if (epoll_ < 0 || wake_ < 0 || listener_ < 0 ||
        ::bind(listener_, reinterpret_cast<sockaddr*>(&address), size) != 0 || ::listen(listener_, 64) != 0 ||
        ::getsockname(listener_, reinterpret_cast<sockaddr*>(&address), &size) != 0)
      give_up("relay");
    port = ntohs(address.sin_port);
    watch(wake_, EPOLLIN, nullptr);
    watch(listener_, EPOLLIN, &listener_);
    thread_ = std::jthread([this] { run(); });
  }

  ~Loop() {
    is_stopping_ = true;
    wake();
    thread_.join();
    for (const int fd : {epoll_, wake_, listener_}) ::close(fd);
  }

  /// Runs it between two rounds of the relay's thread and waits for it.
  void call(std::function<void()> what) {
    std::promise<void> done;
    {
      const std::lock_guard lock(mutex_);
      calls_.push_back([&] {
        what();
        done.set_value();
      });
    }
    wake();
    done.get_future().wait();
  }

  void reset_all() {
    for (auto& connection : connections_) reset(connection);
  }

  std::uint16_t port = 0;
  bool is_stalled = false;
  std::uint64_t cut_after = 0;
  std::atomic<std::uint64_t> bytes_up{0}, bytes_down{0}, accepted{0};
  void set_delay(std::chrono::microseconds one_way) { one_way_us_ = one_way.count(); }

 private:
  static sockaddr_in loopback(std::uint16_t port) {
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    address.sin_port = htons(port);
    return address;
  }

  void wake() const {
    const std::uint64_t one = 1;
    [[maybe_unused]] const auto written = ::write(wake_, &one, sizeof one);
  }

  void watch(int fd, std::uint32_t mask, void* tag) const {
    epoll_event event{.events = mask, .data = {.ptr = tag}};
    if (::epoll_ctl(epoll_, EPOLL_CTL_ADD, fd, &event) != 0) give_up("epoll_ctl");
  }

  void run() {
    std::array<epoll_event, 64> events{};
    while (!is_stopping_) {
      const auto timeout = time_to_next();
      const int count = ::epoll_pwait2(epoll_, events.data(), events.size(), timeout ? &*timeout : nullptr, nullptr);
      for (int i = 0; i < count; ++i) {
        void* tag = events[static_cast<std::size_t>(i)].data.ptr;
        if (tag == nullptr) {
          std::uint64_t ignored = 0;
          [[maybe_unused]] const auto got = ::read(wake_, &ignored, sizeof ignored);
        } else if (tag == &listener_) {
          accept_all();
        }
      }
      run_calls();
      for (auto& connection : connections_) serve(connection);
      connections_.remove_if([](const Connection& connection) { return connection.is_dead; });
    }
    reset_all();
  }

  void run_calls() {
    std::vector<std::function<void()>> calls;
    {
      const std::lock_guard lock(mutex_);
      calls.swap(calls_);
    }
    for (auto& call : calls) call();
  }

  std::optional<timespec> time_to_next() const {
    auto next = Clock::time_point::max();
    for (const auto& connection : connections_)
      for (const Lane* lane : {&connection.up, &connection.down})
        if (!lane->queue.empty() && !lane->is_blocked) next = std::min(next, lane->queue.front().due);
    if (next == Clock::time_point::max()) return std::nullopt;
    const auto left = std::max<std::int64_t>(0, std::chrono::nanoseconds(next - Clock::now()).count());
    return timespec{.tv_sec = left / 1'000'000'000, .tv_nsec = left % 1'000'000'000};
  }

  void accept_all() {
    for (;;) {
      const int client = ::accept4(listener_, nullptr, nullptr, SOCK_CLOEXEC | SOCK_NONBLOCK);
      if (client < 0) return;
      ++accepted;
      // A target on loopback answers at once, so this does not hold up the others.
      const int target = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
      const auto address = loopback(options_.target_port);
      if (::connect(target, reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0) {
        close_hard(client);
        ::close(target);
        continue;
      }
      ::fcntl(target, F_SETFL, O_NONBLOCK);
      const int on = 1;
      for (const int fd : {client, target}) ::setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
      auto& connection = connections_.emplace_back();
      connection.client = client;
      connection.target = target;
      connection.up.from = connection.down.to = client;
      connection.up.to = connection.down.from = target;
      connection.up.is_up = true;
    }
  }

  static void close_hard(int fd) {
    const linger now{.l_onoff = 1, .l_linger = 0};
    ::setsockopt(fd, SOL_SOCKET, SO_LINGER, &now, sizeof now);
    ::close(fd);
  }

  static void reset(Connection& connection) {
    if (connection.is_dead) return;
    close_hard(connection.client);
    close_hard(connection.target);
    connection.is_dead = true;
  }

  void serve(Connection& connection) {
    for (Lane* lane : {&connection.up, &connection.down}) {
      if (connection.is_dead) return;
      lane->is_blocked = false;
      // Written between reads: without a delay a byte is passed on at once.
      for (int round = 0; round < 8; ++round)
        if (const bool has_read = read_block(connection, *lane); !write_due(connection, *lane) || !has_read) break;
    }
    if (connection.is_dead) return;
    if (connection.up.is_finished && connection.down.is_finished) {
      ::close(connection.client);
      ::close(connection.target);
      connection.is_dead = true;
      return;
    }
    update(connection, connection.client, connection.up, connection.down, connection.client_mask);
    update(connection, connection.target, connection.down, connection.up, connection.target_mask);
    if (cut_after != 0 && bytes_up >= cut_after) {
      cut_after = 0;
      reset_all();
    }
  }

  [[nodiscard]] bool may_read(const Lane& lane) const {
    return !is_stalled && !lane.is_ended && lane.queued < options_.queue_bytes_max;
  }

  void update(Connection& connection, int fd, const Lane& reading, const Lane& writing, std::uint32_t& mask) const {
    const std::uint32_t wanted = (may_read(reading) ? static_cast<std::uint32_t>(EPOLLIN) : 0U) |
                                 (writing.is_blocked ? static_cast<std::uint32_t>(EPOLLOUT) : 0U);
    if (wanted == mask) return;
    // Without interest it leaves the set: an error on it would be reported again and again.
    const int operation = wanted == 0 ? EPOLL_CTL_DEL : mask == 0 ? EPOLL_CTL_ADD : EPOLL_CTL_MOD;
    mask = wanted;
    epoll_event event{.events = wanted, .data = {.ptr = &connection}};
    ::epoll_ctl(epoll_, operation, fd, &event);
  }

  bool read_block(Connection& connection, Lane& lane) {
    if (!may_read(lane)) return false;
    Block block = take_block();
    const ssize_t got = ::recv(lane.from, block.bytes.get(), kBlockBytes, 0);
    if (got > 0) {
      (lane.is_up ? bytes_up : bytes_down) += static_cast<std::uint64_t>(got);
      block.begin = 0;
      block.end = static_cast<std::size_t>(got);
      block.due = Clock::now() + std::chrono::microseconds(one_way_us_);
      lane.queued += block.end;
      lane.queue.push_back(std::move(block));
      return true;
    }
    spare_.push_back(std::move(block.bytes));
    if (got == 0) lane.is_ended = true;
    if (got < 0 && errno != EAGAIN && errno != EINTR) reset(connection);
    return false;
  }

  bool write_due(Connection& connection, Lane& lane) {
    while (!connection.is_dead && !lane.queue.empty() && lane.queue.front().due <= Clock::now()) {
      Block& block = lane.queue.front();
      const ssize_t sent = ::send(lane.to, block.bytes.get() + block.begin, block.end - block.begin, MSG_NOSIGNAL);
      if (sent < 0) {
        if (errno == EAGAIN || errno == EINTR) {
          lane.is_blocked = true;
        } else {
          reset(connection);
        }
        return false;
      }
      block.begin += static_cast<std::size_t>(sent);
      lane.queued -= static_cast<std::size_t>(sent);
      if (block.begin == block.end) {
        if (spare_.size() < kSpareBlocksMax) spare_.push_back(std::move(block.bytes));
        lane.queue.pop_front();
      }
    }
    if (!connection.is_dead && lane.is_ended && lane.queue.empty() && !lane.is_finished) {
      ::shutdown(lane.to, SHUT_WR);
      lane.is_finished = true;
    }
    return !connection.is_dead;
  }

  Block take_block() {
    Block block;
    if (spare_.empty()) {
      block.bytes = std::make_unique_for_overwrite<char[]>(kBlockBytes);
    } else {
      block.bytes = std::move(spare_.back());
      spare_.pop_back();
    }
    return block;
  }

  DelayRelayOptions options_;
  std::atomic<std::int64_t> one_way_us_;
  int epoll_ = -1, wake_ = -1, listener_ = -1;
  std::atomic<bool> is_stopping_ = false;
  std::mutex mutex_;
  std::vector<std::function<void()>> calls_;
  std::list<Connection> connections_;
  std::vector<std::unique_ptr<char[]>> spare_;
  std::jthread thread_;
};

DelayRelay::DelayRelay(DelayRelayOptions options) : loop_(std::make_unique<Loop>(options)) {}
DelayRelay::~DelayRelay() = default;

std::uint16_t DelayRelay::port() const { return loop_->port; }
void DelayRelay::set_delay(std::chrono::microseconds one_way) { loop_->set_delay(one_way); }

void DelayRelay::cut() {
  loop_->call([this] { loop_->reset_all(); });
}
void DelayRelay::stall() {
  loop_->call([this] { loop_->is_stalled = true; });
}
void DelayRelay::resume() {
  loop_->call([this] { loop_->is_stalled = false; });
}
void DelayRelay::cut_after(std::uint64_t bytes_up) {
  loop_->call([this, bytes_up] { loop_->cut_after = bytes_up; });
}

std::uint64_t DelayRelay::bytes_up() const { return loop_->bytes_up; }
std::uint64_t DelayRelay::bytes_down() const { return loop_->bytes_down; }
std::uint64_t DelayRelay::connections() const { return loop_->accepted; }

}  // namespace propeller::support
