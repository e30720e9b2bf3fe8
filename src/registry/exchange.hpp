#pragma once

#include <array>
#include <cstddef>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "async/core.hpp"
#include "config/settings.hpp"
#include "registry/curl_multi.hpp"
#include "registry/failure.hpp"
#include "registry/host_policy.hpp"
#include "registry/signal.hpp"
#include "registry/url.hpp"

namespace propeller::registry {

/// Status line and header fields of an answer.
struct ResponseHead {
  int status = 0;
  std::vector<std::pair<std::string, std::string>> fields;  ///< names in lower case, in order

  /// The first field of that (lower-case) name, or empty.
  [[nodiscard]] std::string_view field(std::string_view name) const;
};

/// One HTTP request to send.
struct ExchangeRequest {
  Url url;
  Pointer pointer = Pointer::request;
  std::vector<std::string> header_lines;  ///< "Name: value"
  std::string form;                       ///< not empty: POST as application/x-www-form-urlencoded
  bool is_ipv4_only = false;
  std::size_t buffer_bytes = 16 * 1024;  ///< at once from the socket, and kept for the reader
  /// Further options of the transfer, on top of the usual ones: another method, a signature, a body.
  std::function<void(CURL*)> adjust = {};
  std::string_view ca_setting = "PROXY_REGISTRY_CA_CERT";  ///< to name where a certificate is not trusted
};

/// One HTTP request and its answer, whose body is pulled. Follows nothing, decides nothing.
///
/// Order:    start() once, then read() until it is empty or fails, each from one coroutine at a time.
/// Bound:    header fields kHeadersMax and kHeaderBytesMax; body at most `buffer_bytes` waiting, twice that in memory.
/// Pressure: what is not read pauses the transfer, and stays in the peer's TCP window.
/// Errors:   not_allowed (an address that the policy refuses), timeout, registry_unavailable.
/// Threads:  one core. Destroying it at any await ends the transfer.
/// Lifetime: the CurlMulti, settings and policy outlive it.
class Exchange final : private CurlMulti::Listener {
 public:
  static constexpr std::size_t kHeadersMax = 128;
  static constexpr std::size_t kHeaderBytesMax = 64 * 1024;
  static constexpr std::size_t kBufferBytesMax = 512 * 1024;

  Exchange(CurlMulti& multi, const config::Registry& settings, const HostPolicy& policy, ExchangeRequest request);
  ~Exchange();
  Exchange(const Exchange&) = delete;
  Exchange& operator=(const Exchange&) = delete;

  /// Sends the request; returns when the head of the answer is whole.
  async::awaitable<Attempt<void>> start();
  [[nodiscard]] const ResponseHead& head() const { return head_; }
  [[nodiscard]] const Url& url() const { return request_.url; }

  /// The next bytes of the body, at most `bytes_max`; empty at its end. Valid until the next call.
  async::awaitable<Attempt<std::span<const std::byte>>> read(std::size_t bytes_max);
  /// The body has ended well and everything was read; asks nothing of the network.
  [[nodiscard]] bool is_at_end() const;

  /// Reads the rest of a short body so that the connection can be used again; gives up silently on a long or slow one.
  async::awaitable<void> drain();
  /// When start() was a timeout: it was the name that nobody said the address of.
  [[nodiscard]] bool is_without_address() const;

 private:
  void configure(const config::Registry& settings);
  void on_finished(CURLcode code) override;
  void resume_if_paused();
  [[nodiscard]] Attempt<void> failure_of(CURLcode code) const;
  [[nodiscard]] std::string not_reached() const;

  static std::size_t on_header(char* data, std::size_t size, std::size_t count, void* self);
  static std::size_t on_body(char* data, std::size_t size, std::size_t count, void* self);
  static curl_socket_t on_open_socket(void* self, curlsocktype purpose, curl_sockaddr* address);
  static int on_connected(void* self, char* peer, char* local, int peer_port, int local_port);
  std::size_t take_header(std::string_view line);
  std::size_t take_body(std::string_view bytes);
  [[nodiscard]] bool allows(const std::string& address);

  CurlMulti& multi_;
  const HostPolicy& policy_;
  ExchangeRequest request_;
  std::chrono::milliseconds connect_timeout_;
  std::chrono::milliseconds first_byte_timeout_;
  std::chrono::milliseconds stall_timeout_;
  bool has_proxy_;
  Signal changed_;
  CURL* easy_;
  curl_slist* header_list_ = nullptr;
  std::array<char, CURL_ERROR_SIZE> message_{};

  ResponseHead head_;
  std::size_t header_bytes_ = 0;
  std::vector<std::byte> arrived_;  ///< from the network
  std::vector<std::byte> current_;  ///< being read
  std::size_t current_offset_ = 0;
  CURLcode code_ = CURLE_OK;
  std::chrono::steady_clock::time_point connected_at_{};
  std::string refused_address_;
  bool is_connected_ = false;
  bool is_head_complete_ = false;
  bool is_paused_ = false;
  bool is_finished_ = false;
  bool has_too_long_head_ = false;
};

}  // namespace propeller::registry
