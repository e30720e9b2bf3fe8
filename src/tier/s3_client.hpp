#pragma once

#include <curl/curl.h>

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/error.hpp"
#include "config/forward_settings.hpp"
#include "config/settings.hpp"
#include "registry/curl_multi.hpp"
#include "registry/exchange.hpp"
#include "registry/host_policy.hpp"

namespace propeller::tier {

/// What is put: a file from its beginning, or a text where there is no file.
struct ObjectSource {
  int file = -1;
  std::string_view text;
  std::uint64_t size = 0;
  std::string sha256;  ///< in hex digits
  std::uint64_t offset = 0;
};

/// Objects of one bucket, over libcurl with its SigV4, by path-style names.
///
/// Errors:   registry_unavailable or timeout, with what the server said; bad_request: it refuses this object, or has
///           not got it in the time of one. One that is not there is no error; a bucket that is not, is one.
/// Bound:    kConnectTimeout, kFirstByteTimeout and kStallTimeout of who reads; an upload has kUploadTimeMax, and has
///           to make kUploadRateMin.
/// Threads:  one core, which may wait for a disk: files are read there.
/// Lifetime: its requests do not outlive it.
/// Source:   Amazon S3 API, "Authenticating Requests (AWS Signature Version 4)"
class S3Client {
 public:
  static constexpr std::chrono::milliseconds kConnectTimeout{500};
  static constexpr std::chrono::milliseconds kFirstByteTimeout{1'000};
  static constexpr std::chrono::milliseconds kStallTimeout{1'000};
  static constexpr std::chrono::milliseconds kUploadTimeMax{10 * 60 * 1'000};
  static constexpr std::uint64_t kUploadRateMin = 16 * 1024;  ///< bytes a second

  /// Errors: bad_config: an endpoint that is no URL.
  [[nodiscard]] static Result<std::unique_ptr<S3Client>> make(
      const async::asio::any_io_executor& executor, const config::SecondTier& settings,
      std::chrono::milliseconds upload_time_max = kUploadTimeMax);

  using Body = std::unique_ptr<registry::Exchange>;

  /// The object, its head read; null: it is not there.
  [[nodiscard]] async::awaitable<Result<Body>> get(std::string name);
  /// A small object, whole.
  [[nodiscard]] async::awaitable<Result<std::optional<std::string>>> get_text(std::string name, std::size_t bytes_max);
  /// Its size; nothing: it is not there.
  [[nodiscard]] async::awaitable<Result<std::optional<std::uint64_t>>> find_size(std::string name);
  /// Whoever the file belongs to keeps it open until this returns.
  [[nodiscard]] async::awaitable<Result<void>> put(std::string name, ObjectSource source);

 private:
  S3Client(const async::asio::any_io_executor& executor, const config::SecondTier& settings,
           std::chrono::milliseconds upload_time_max, std::string base, registry::HostPolicy policy);
  [[nodiscard]] Body request(const config::Registry& timeouts, std::string_view name, std::string_view sha256,
                             std::function<void(CURL*)> adjust);
  [[nodiscard]] async::awaitable<Result<Body>> ask(Body exchange);
  void sign(CURL* handle) const;

  registry::CurlMulti multi_;
  const std::string base_;  ///< of all URLs
  const std::string access_key_;
  const Secret secret_key_;
  const std::string signature_;  ///< libcurl's name of the kind
  const registry::HostPolicy policy_;
  const config::Registry reading_, writing_;  ///< time-outs
};

}  // namespace propeller::tier
