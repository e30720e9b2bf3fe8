#include "registry/curl_multi.hpp"

#include <sys/epoll.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <array>
#include <boost/asio/post.hpp>
#include <cerrno>
#include <chrono>

#include "base/assert.hpp"

namespace propeller::registry {

namespace asio = async::asio;

namespace {

CURLM* make_multi() {
  static const CURLcode global = curl_global_init(CURL_GLOBAL_DEFAULT);
  ASSERT(global == CURLE_OK);
  CURLM* multi = curl_multi_init();
  ASSERT(multi != nullptr);
  return multi;
}

int make_epoll() {
  const int fd = epoll_create1(EPOLL_CLOEXEC);
  ASSERT(fd >= 0);
  return fd;
}

/// curl 7.88 closes a connection that is given up while it is being made, and tells us then: the number may be that of
/// another thread's socket by now. That one is not in the set, so the kernel leaves it alone. ThreadSanitizer cannot
/// know that, and would take epoll_ctl() for a use of their socket: so without libc's function, which it watches.
void forget(int epoll, curl_socket_t socket) { syscall(SYS_epoll_ctl, epoll, EPOLL_CTL_DEL, socket, nullptr); }

}  // namespace

CurlMulti::CurlMulti(asio::any_io_executor executor)
    : executor_(executor),
      multi_(make_multi()),
      share_(curl_share_init()),
      epoll_(executor, make_epoll()),
      timer_(executor),
      life_(std::make_shared<const bool>(true)) {
  ASSERT(share_ != nullptr);
  curl_share_setopt(share_, CURLSHOPT_SHARE, CURL_LOCK_DATA_SSL_SESSION);
  curl_multi_setopt(multi_, CURLMOPT_SOCKETFUNCTION, &CurlMulti::on_socket);
  curl_multi_setopt(multi_, CURLMOPT_SOCKETDATA, this);
  curl_multi_setopt(multi_, CURLMOPT_TIMERFUNCTION, &CurlMulti::on_timer);
  curl_multi_setopt(multi_, CURLMOPT_TIMERDATA, this);
  curl_multi_setopt(multi_, CURLMOPT_MAXCONNECTS, kIdleConnectionsMax);
  // One stream per connection, HTTP/2 or not: with several, curl 7.88 keeps in memory what arrives for the paused ones
  // while it reads for the others (measured: 8 downloads of 64 MiB held back took 280 MB instead of 21 MB).
  curl_multi_setopt(multi_, CURLMOPT_PIPELINING, CURLPIPE_NOTHING);
}

CurlMulti::~CurlMulti() {
  curl_multi_cleanup(multi_);
  curl_share_cleanup(share_);
}

void CurlMulti::add(CURL* handle) { ASSERT(curl_multi_add_handle(multi_, handle) == CURLM_OK); }

void CurlMulti::remove(CURL* handle) { curl_multi_remove_handle(multi_, handle); }

int CurlMulti::on_socket(CURL*, curl_socket_t socket, int what, void* self, void*) {
  static_cast<CurlMulti*>(self)->watch(socket, what);
  return 0;
}

void CurlMulti::watch(curl_socket_t socket, int what) {
  const int fd = epoll_.native_handle();
  if (what == CURL_POLL_REMOVE) {
    forget(fd, socket);
    watched_.erase(socket);
    if (watched_.empty() && is_poll_armed_) {
      is_poll_armed_ = false;
      ++poll_generation_;
      epoll_.cancel();
    }
    return;
  }
  epoll_event event{};
  event.events = (what & CURL_POLL_IN ? EPOLLIN : 0u) | (what & CURL_POLL_OUT ? EPOLLOUT : 0u);
  event.data.fd = socket;
  // The number may be that of an earlier socket that curl closed: the set tells which of the two it is.
  if (epoll_ctl(fd, EPOLL_CTL_ADD, socket, &event) != 0 && errno == EEXIST)
    epoll_ctl(fd, EPOLL_CTL_MOD, socket, &event);
  watched_.insert(socket);
  arm_poll();
}

void CurlMulti::arm_poll() {
  if (is_poll_armed_) return;
  is_poll_armed_ = true;
  epoll_.async_wait(
      asio::posix::stream_descriptor::wait_read,
      [this, life = std::weak_ptr(life_), generation = poll_generation_](const boost::system::error_code& error) {
        if (error || life.expired() || generation != poll_generation_) return;
        is_poll_armed_ = false;
        on_ready();
        if (!watched_.empty()) arm_poll();
      });
}

void CurlMulti::on_ready() {
  constexpr int kEventsPerTurn = 32;
  std::array<epoll_event, kEventsPerTurn> events;
  const int count = epoll_wait(epoll_.native_handle(), events.data(), kEventsPerTurn, 0);
  for (int i = 0; i < count; ++i) {
    const auto& event = events[static_cast<std::size_t>(i)];
    int mask = 0;
    if (event.events & EPOLLIN) mask |= CURL_CSELECT_IN;
    if (event.events & EPOLLOUT) mask |= CURL_CSELECT_OUT;
    // curl finds out what is wrong by trying.
    if (event.events & (EPOLLERR | EPOLLHUP)) mask |= CURL_CSELECT_IN | CURL_CSELECT_OUT;
    act(event.data.fd, mask);
  }
  collect_finished();
}

int CurlMulti::on_timer(CURLM*, long timeout_ms, void* self) {
  auto* multi = static_cast<CurlMulti*>(self);
  const auto turn = [multi, life = std::weak_ptr(multi->life_)](const boost::system::error_code& error) {
    if (error || life.expired()) return;
    multi->act(CURL_SOCKET_TIMEOUT, 0);
    multi->collect_finished();
  };
  multi->timer_.cancel();
  if (timeout_ms == 0) {
    // Each pause and resumption asks for a turn at once: cheaper than a kernel timer.
    asio::post(multi->executor_, [turn] { turn({}); });
  } else if (timeout_ms > 0) {
    multi->timer_.expires_after(std::chrono::milliseconds(timeout_ms));
    multi->timer_.async_wait(turn);
  }
  return 0;
}

void CurlMulti::act(curl_socket_t socket, int events) {
  int running = 0;
  curl_multi_socket_action(multi_, socket, events, &running);
}

void CurlMulti::collect_finished() {
  int left = 0;
  while (const CURLMsg* message = curl_multi_info_read(multi_, &left)) {
    if (message->msg != CURLMSG_DONE) continue;
    char* listener = nullptr;
    curl_easy_getinfo(message->easy_handle, CURLINFO_PRIVATE, &listener);
    reinterpret_cast<Listener*>(listener)->on_finished(message->data.result);
  }
}

}  // namespace propeller::registry
