#include "registry/exchange.hpp"

#include <arpa/inet.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <charconv>

#include "base/assert.hpp"

namespace propeller::registry {

namespace {

using Clock = std::chrono::steady_clock;

constexpr std::size_t kDrainBytesMax = 64 * 1024;
constexpr auto kDrainTime = std::chrono::seconds(1);

std::string_view trimmed(std::string_view text) {
  while (!text.empty() && (text.front() == ' ' || text.front() == '\t')) text.remove_prefix(1);
  while (!text.empty() && (text.back() == ' ' || text.back() == '\t' || text.back() == '\r' || text.back() == '\n'))
    text.remove_suffix(1);
  return text;
}

std::string address_of(const curl_sockaddr& address) {
  std::array<char, INET6_ADDRSTRLEN> text{};
  const void* raw = nullptr;
  if (address.family == AF_INET) raw = &reinterpret_cast<const sockaddr_in*>(&address.addr)->sin_addr;
  if (address.family == AF_INET6) raw = &reinterpret_cast<const sockaddr_in6*>(&address.addr)->sin6_addr;
  if (raw == nullptr || inet_ntop(address.family, raw, text.data(), text.size()) == nullptr) return {};
  return text.data();
}

}  // namespace

std::string_view ResponseHead::field(std::string_view name) const {
  const auto found = std::ranges::find(fields, name, [](const auto& field) { return std::string_view(field.first); });
  return found == fields.end() ? std::string_view{} : std::string_view(found->second);
}

Exchange::Exchange(CurlMulti& multi, const config::Registry& settings, const HostPolicy& policy,
                   ExchangeRequest request)
    : multi_(multi),
      policy_(policy),
      request_(std::move(request)),
      connect_timeout_(settings.connect_timeout),
      first_byte_timeout_(settings.first_byte_timeout),
      stall_timeout_(settings.stall_timeout),
      has_proxy_(!settings.proxy.empty()),
      changed_(multi.executor()),
      easy_(curl_easy_init()) {
  ASSERT(easy_ != nullptr);
  request_.buffer_bytes = std::clamp<std::size_t>(request_.buffer_bytes, CURL_MAX_WRITE_SIZE, kBufferBytesMax);
  configure(settings);
  multi_.add(easy_);
}

Exchange::~Exchange() {
  multi_.remove(easy_);
  curl_easy_cleanup(easy_);
  curl_slist_free_all(header_list_);
}

void Exchange::configure(const config::Registry& settings) {
  curl_easy_setopt(easy_, CURLOPT_URL, request_.url.text.c_str());
  curl_easy_setopt(easy_, CURLOPT_PROTOCOLS_STR, "http,https");
  curl_easy_setopt(easy_, CURLOPT_HTTP_VERSION, CURL_HTTP_VERSION_2TLS);
  curl_easy_setopt(easy_, CURLOPT_FOLLOWLOCATION, 0L);
  // An empty string keeps curl from looking at the environment's proxies.
  curl_easy_setopt(easy_, CURLOPT_PROXY, settings.proxy.c_str());
  curl_easy_setopt(easy_, CURLOPT_NOPROXY, "");
  curl_easy_setopt(easy_, CURLOPT_SUPPRESS_CONNECT_HEADERS, 1L);
  curl_easy_setopt(easy_, CURLOPT_NETRC, CURL_NETRC_IGNORED);
  curl_easy_setopt(easy_, CURLOPT_NOSIGNAL, 1L);
  // Without it curl waits, on our thread, for a resolver thread that is stuck in getaddrinfo().
  curl_easy_setopt(easy_, CURLOPT_QUICK_EXIT, 1L);
  curl_easy_setopt(easy_, CURLOPT_TCP_NODELAY, 1L);
  if (request_.is_ipv4_only) curl_easy_setopt(easy_, CURLOPT_IPRESOLVE, long{CURL_IPRESOLVE_V4});
  curl_easy_setopt(easy_, CURLOPT_BUFFERSIZE, static_cast<long>(request_.buffer_bytes));
  curl_easy_setopt(easy_, CURLOPT_CONNECTTIMEOUT_MS, static_cast<long>(connect_timeout_.count()));
  curl_easy_setopt(easy_, CURLOPT_SHARE, multi_.share());
  curl_easy_setopt(easy_, CURLOPT_ERRORBUFFER, message_.data());
  curl_easy_setopt(easy_, CURLOPT_USERAGENT, "propeller-proxy");
  curl_easy_setopt(easy_, CURLOPT_SSLVERSION, CURL_SSLVERSION_TLSv1_2);
  if (settings.ca_cert.empty()) {
    // With a directory of authorities curl parses the system's bundle for every connection; without, once a day.
    curl_easy_setopt(easy_, CURLOPT_CAPATH, nullptr);
  } else {
    // Instead of the system's bundle; the system's directory stays, so that public registries are trusted as well.
    curl_easy_setopt(easy_, CURLOPT_CAINFO, settings.ca_cert.c_str());
  }

  for (const auto& line : request_.header_lines) header_list_ = curl_slist_append(header_list_, line.c_str());
  curl_easy_setopt(easy_, CURLOPT_HEADEROPT, static_cast<long>(CURLHEADER_SEPARATE));
  curl_easy_setopt(easy_, CURLOPT_HTTPHEADER, header_list_);
  if (!request_.form.empty()) {
    curl_easy_setopt(easy_, CURLOPT_POSTFIELDSIZE, static_cast<long>(request_.form.size()));
    curl_easy_setopt(easy_, CURLOPT_POSTFIELDS, request_.form.c_str());
  }

  curl_easy_setopt(easy_, CURLOPT_PRIVATE, static_cast<CurlMulti::Listener*>(this));
  curl_easy_setopt(easy_, CURLOPT_HEADERFUNCTION, &Exchange::on_header);
  curl_easy_setopt(easy_, CURLOPT_HEADERDATA, this);
  curl_easy_setopt(easy_, CURLOPT_WRITEFUNCTION, &Exchange::on_body);
  curl_easy_setopt(easy_, CURLOPT_WRITEDATA, this);
  curl_easy_setopt(easy_, CURLOPT_OPENSOCKETFUNCTION, &Exchange::on_open_socket);
  curl_easy_setopt(easy_, CURLOPT_OPENSOCKETDATA, this);
  curl_easy_setopt(easy_, CURLOPT_PREREQFUNCTION, &Exchange::on_connected);
  curl_easy_setopt(easy_, CURLOPT_PREREQDATA, this);
  if (request_.adjust) request_.adjust(easy_);
}

async::awaitable<Attempt<void>> Exchange::start() {
  // curl ends the connect phase itself; the second is for its timers to get their turn.
  const auto connect_deadline = Clock::now() + connect_timeout_ + std::chrono::seconds(1);
  while (!is_head_complete_ && !is_finished_) {
    const auto deadline = is_connected_ ? connected_at_ + first_byte_timeout_ : connect_deadline;
    if (co_await changed_.wait_until(deadline) || is_head_complete_ || is_finished_) continue;
    if (deadline == connect_deadline && is_connected_) continue;
    co_return try_again(Code::timeout,
                        is_connected_ ? request_.url.authority() + " did not answer in time" : not_reached());
  }
  if (is_head_complete_) co_return Attempt<void>{};
  if (code_ == CURLE_OK)
    co_return try_again(Code::registry_unavailable,
                        request_.url.authority() + " closed the connection without an answer");
  co_return failure_of(code_);
}

async::awaitable<Attempt<std::span<const std::byte>>> Exchange::read(std::size_t bytes_max) {
  ASSERT(is_head_complete_ && bytes_max > 0);
  for (;;) {
    if (current_offset_ < current_.size()) {
      const auto view = std::span<const std::byte>(current_).subspan(
          current_offset_, std::min(bytes_max, current_.size() - current_offset_));
      current_offset_ += view.size();
      co_return view;
    }
    if (!arrived_.empty()) {
      current_.clear();
      current_.swap(arrived_);
      current_offset_ = 0;
      resume_if_paused();
      continue;
    }
    if (is_finished_) {
      if (code_ != CURLE_OK) co_return std::unexpected(failure_of(code_).error());
      co_return std::span<const std::byte>{};
    }
    // Only the time that we wait for the network counts, not the time that the reader took.
    const bool is_notified = co_await changed_.wait_until(Clock::now() + stall_timeout_);
    if (!is_notified && arrived_.empty() && !is_finished_) {
      co_return try_again(Code::timeout, request_.url.authority() + " stopped sending");
    }
  }
}

bool Exchange::is_at_end() const {
  return is_finished_ && code_ == CURLE_OK && arrived_.empty() && current_offset_ == current_.size();
}

async::awaitable<void> Exchange::drain() {
  stall_timeout_ = std::min<std::chrono::milliseconds>(stall_timeout_, kDrainTime);
  const auto deadline = Clock::now() + kDrainTime;
  for (std::size_t drained = 0; drained < kDrainBytesMax && Clock::now() < deadline;) {
    const auto bytes = co_await read(kDrainBytesMax);
    if (!bytes || bytes->empty()) co_return;
    drained += bytes->size();
  }
}

void Exchange::on_finished(CURLcode code) {
  code_ = code;
  is_finished_ = true;
  changed_.notify();
}

void Exchange::resume_if_paused() {
  if (!is_paused_) return;
  is_paused_ = false;
  curl_easy_pause(easy_, CURLPAUSE_CONT);
}

bool Exchange::is_without_address() const {
  curl_off_t lookup_us = 0;
  curl_easy_getinfo(easy_, CURLINFO_NAMELOOKUP_TIME_T, &lookup_us);
  return !is_connected_ && lookup_us == 0;
}

std::string Exchange::not_reached() const {
  if (has_proxy_) return "the proxy on the way to " + request_.url.authority() + " could not be reached in time";
  return is_without_address() ? "no name server said in time where " + request_.url.host + " is"
                              : request_.url.authority() + " could not be reached in time";
}

Attempt<void> Exchange::failure_of(CURLcode code) const {
  const std::string where = request_.url.authority();
  const std::string why = message_[0] != '\0' ? message_.data() : curl_easy_strerror(code);
  if (!refused_address_.empty() && !is_connected_) {
    return give_up(Code::not_allowed, Origin::client,
                   "the host " + where + " has the address " + refused_address_ +
                       ", which may not be asked (PROXY_REGISTRY_ALLOW)");
  }
  switch (code) {
    case CURLE_OPERATION_TIMEDOUT: return try_again(Code::timeout, not_reached());
    case CURLE_COULDNT_RESOLVE_HOST:
      return try_again(Code::registry_unavailable, "the name " + where + " is not known");
    case CURLE_PEER_FAILED_VERIFICATION:
    case CURLE_SSL_CACERT_BADFILE:
      return give_up(
          Code::registry_unavailable, Origin::upstream,
          "the certificate of " + where + " is not trusted (" + std::string(request_.ca_setting) + "): " + why);
    case CURLE_WRITE_ERROR:
      if (has_too_long_head_)
        return give_up(Code::registry_unavailable, Origin::upstream,
                       where + " sent too many or too long header fields");
      [[fallthrough]];
    default: return try_again(Code::registry_unavailable, where + ": " + why);
  }
}

std::size_t Exchange::on_header(char* data, std::size_t size, std::size_t count, void* self) {
  return static_cast<Exchange*>(self)->take_header({data, size * count});
}

std::size_t Exchange::on_body(char* data, std::size_t size, std::size_t count, void* self) {
  return static_cast<Exchange*>(self)->take_body({data, size * count});
}

std::size_t Exchange::take_header(std::string_view line) {
  if (is_head_complete_) return line.size();  // trailers
  header_bytes_ += line.size();
  if (header_bytes_ > kHeaderBytesMax || head_.fields.size() >= kHeadersMax) {
    has_too_long_head_ = true;
    return 0;
  }
  const auto text = trimmed(line);
  if (line.starts_with("HTTP/")) {
    head_ = {};
    const auto space = text.find(' ');
    const auto digits = space == text.npos ? std::string_view{} : text.substr(space + 1, 3);
    std::from_chars(digits.data(), digits.data() + digits.size(), head_.status);
  } else if (text.empty()) {
    is_head_complete_ = head_.status >= 200;  // 1xx are followed by the real one
    if (is_head_complete_) changed_.notify();
  } else if (const auto colon = text.find(':'); colon != text.npos) {
    std::string name(trimmed(text.substr(0, colon)));
    for (char& c : name) c = c >= 'A' && c <= 'Z' ? static_cast<char>(c + ('a' - 'A')) : c;
    head_.fields.emplace_back(std::move(name), trimmed(text.substr(colon + 1)));
  }
  return line.size();
}

std::size_t Exchange::take_body(std::string_view bytes) {
  if (!arrived_.empty() && arrived_.size() + bytes.size() > request_.buffer_bytes) {
    is_paused_ = true;
    return CURL_WRITEFUNC_PAUSE;
  }
  const auto raw = std::as_bytes(std::span(bytes));
  arrived_.insert(arrived_.end(), raw.begin(), raw.end());
  changed_.notify();
  return bytes.size();
}

bool Exchange::allows(const std::string& text) {
  boost::system::error_code error;
  const auto address = boost::asio::ip::make_address(text, error);
  if (!error && policy_.allows_address(address, request_.url, request_.pointer)) return true;
  refused_address_ = text;
  return false;
}

curl_socket_t Exchange::on_open_socket(void* self, curlsocktype, curl_sockaddr* address) {
  auto* exchange = static_cast<Exchange*>(self);
  // Through a proxy the address is the proxy's, which the operator chose.
  if (!exchange->has_proxy_ && !exchange->allows(address_of(*address))) return CURL_SOCKET_BAD;
  return ::socket(address->family, address->socktype | SOCK_CLOEXEC, address->protocol);
}

int Exchange::on_connected(void* self, char* peer, char*, int, int) {
  auto* exchange = static_cast<Exchange*>(self);
  // A connection that another request opened may be used again here: that one may have been trusted more.
  if (!exchange->has_proxy_ && !exchange->allows(peer)) return CURL_PREREQFUNC_ABORT;
  exchange->is_connected_ = true;
  exchange->connected_at_ = Clock::now();
  exchange->changed_.notify();
  return CURL_PREREQFUNC_OK;
}

}  // namespace propeller::registry
