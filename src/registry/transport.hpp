#pragma once

#include <memory>
#include <string>
#include <unordered_set>
#include <vector>

#include "async/core.hpp"
#include "config/settings.hpp"
#include "registry/curl_multi.hpp"
#include "registry/exchange.hpp"
#include "registry/failure.hpp"
#include "registry/host_policy.hpp"
#include "registry/url.hpp"

namespace propeller::registry {

/// One request with the redirects that follow from it.
struct SendRequest {
  Url url;
  Pointer pointer = Pointer::request;  ///< who named `url`; redirects are judged by who redirects
  std::string authorization;           ///< value of Authorization; goes to the origin of `url` only
  std::vector<std::string> header_lines;
  std::string form;  ///< not empty: a POST, which is not redirected
  std::size_t buffer_bytes = 16 * 1024;
  bool must_stay_encrypted = false;  ///< from https no redirect to http
};

/// Sends requests and follows redirects by hand: every hop is judged by the host policy, and credentials are dropped
/// for good where scheme, host or port change.
///
/// Bound:    kRedirectsMax hops; kIpv4NamesMax names that are asked for without IPv6, then all are forgotten.
/// Threads:  one core.
/// Source:   RFC 9110 15.4
class Transport {
 public:
  static constexpr int kRedirectsMax = 10;

  /// Lifetime: `settings` and `policy` outlive it.
  Transport(async::asio::any_io_executor executor, const config::Registry& settings, const HostPolicy& policy);

  /// The answer that is no redirect, its head read.
  async::awaitable<Attempt<std::unique_ptr<Exchange>>> send(SendRequest request);

 private:
  static constexpr std::size_t kIpv4NamesMax = 64;

  async::awaitable<Attempt<std::unique_ptr<Exchange>>> start(ExchangeRequest request);

  CurlMulti multi_;
  const config::Registry& settings_;
  const HostPolicy& policy_;
  /// Names whose servers do not answer the question for IPv6, which the system waits for longer than we do.
  std::unordered_set<std::string> ipv4_names_;
};

/// Reads a whole body that has to be short. Errors: too_large, timeout when it takes longer than `time_max` in all.
async::awaitable<Attempt<std::string>> read_document(Exchange& exchange, std::size_t bytes_max,
                                                     std::chrono::milliseconds time_max);

}  // namespace propeller::registry
