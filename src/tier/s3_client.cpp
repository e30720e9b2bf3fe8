#include "tier/s3_client.hpp"

#include <fmt/format.h>
#include <sys/types.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <cstdio>
#include <cstring>

#include "registry/transport.hpp"
#include "registry/url.hpp"
#include "tier/record.hpp"

namespace propeller::tier {

namespace {

constexpr int kOk = 200;
constexpr int kNotFound = 404;
constexpr std::size_t kErrorBytesMax = 16 * 1024;
constexpr std::size_t kBufferBytes = 128 * 1024;
constexpr long kExpectTimeoutMs = 200;
constexpr long kUploadSlowSeconds = 10;
constexpr std::string_view kEmptySha256 = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

config::Registry timeouts(const config::SecondTier& settings, std::chrono::milliseconds first_byte) {
  config::Registry made;
  made.ca_cert = settings.ca;
  made.connect_timeout = S3Client::kConnectTimeout;
  made.first_byte_timeout = first_byte;
  made.stall_timeout = S3Client::kStallTimeout;
  return made;
}

std::size_t read_source(char* to, std::size_t size, std::size_t count, void* self) {
  auto& source = *static_cast<ObjectSource*>(self);
  const auto wanted = static_cast<std::size_t>(std::min<std::uint64_t>(size * count, source.size - source.offset));
  std::size_t got = 0;
  if (source.file < 0) {
    const auto piece = source.text.substr(source.offset, wanted);
    std::memcpy(to, piece.data(), piece.size());
    got = piece.size();
  } else if (wanted > 0) {
    ssize_t read = -1;
    do {
      read = ::pread(source.file, to, wanted, static_cast<off_t>(source.offset));
    } while (read < 0 && errno == EINTR);
    if (read <= 0) return CURL_READFUNC_ABORT;
    got = static_cast<std::size_t>(read);
  }
  source.offset += got;
  return got;
}

// curl begins anew on a connection that turns out to be closed.
int seek_source(void* self, curl_off_t offset, int origin) {
  auto& source = *static_cast<ObjectSource*>(self);
  if (origin != SEEK_SET || offset < 0 || static_cast<std::uint64_t>(offset) > source.size) return CURL_SEEKFUNC_FAIL;
  source.offset = static_cast<std::uint64_t>(offset);
  return CURL_SEEKFUNC_OK;
}

/// bad_request: of this object alone.
Error refusal(int status, std::string_view code) {
  constexpr int kBadRequest = 400, kTooLarge = 413;
  const bool is_of_object = status == kBadRequest || status == kTooLarge;
  return {is_of_object ? Code::bad_request : Code::registry_unavailable, Origin::upstream,
          fmt::format("the second tier answered {}{}{}", status, code.empty() ? "" : " ", code)};
}

}  // namespace

Result<std::unique_ptr<S3Client>> S3Client::make(const async::asio::any_io_executor& executor,
                                                 const config::SecondTier& settings,
                                                 std::chrono::milliseconds upload_time_max) {
  const bool has_scheme = settings.endpoint.contains("://");
  auto text = (has_scheme ? "" : "https://") + settings.endpoint;
  while (text.ends_with('/')) text.pop_back();
  const auto url = registry::parse_url(text);
  if (!url) return fail(Code::bad_config, Origin::client, "cache.second_tier.endpoint: " + url.error().detail);
  auto policy = registry::HostPolicy::make(*url, {});
  if (!policy) return std::unexpected(policy.error());
  return std::unique_ptr<S3Client>(new S3Client(executor, settings, upload_time_max,
                                                fmt::format("{}/{}/", text, settings.bucket), std::move(*policy)));
}

S3Client::S3Client(const async::asio::any_io_executor& executor, const config::SecondTier& settings,
                   std::chrono::milliseconds upload_time_max, std::string base, registry::HostPolicy policy)
    : multi_(executor),
      base_(std::move(base)),
      access_key_(settings.access_key),
      secret_key_(settings.secret_key),
      signature_(fmt::format("aws:amz:{}:s3", settings.region)),
      policy_(std::move(policy)),
      reading_(timeouts(settings, kFirstByteTimeout)),
      writing_(timeouts(settings, upload_time_max)) {}

void S3Client::sign(CURL* handle) const {
  curl_easy_setopt(handle, CURLOPT_AWS_SIGV4, signature_.c_str());
  curl_easy_setopt(handle, CURLOPT_USERNAME, access_key_.c_str());
  curl_easy_setopt(handle, CURLOPT_PASSWORD, secret_key_.reveal().c_str());
}

// curl 7.88 signs the hash that this field names, and computes none of an upload itself; and it signs a field that was
// given without a value (`Expect:`) though it does not send it. So nothing is taken away here.
S3Client::Body S3Client::request(const config::Registry& timeouts, std::string_view name, std::string_view sha256,
                                 std::function<void(CURL*)> adjust) {
  registry::ExchangeRequest request{.header_lines = {fmt::format("x-amz-content-sha256: {}", sha256)},
                                    .form = {},
                                    .buffer_bytes = kBufferBytes,
                                    .adjust =
                                        [this, adjust = std::move(adjust)](CURL* handle) {
                                          sign(handle);
                                          if (adjust) adjust(handle);
                                        },
                                    .ca_setting = "cache.second_tier.ca"};
  // What the names and the settings are made of leaves nothing to be refused.
  if (auto url = registry::parse_url(base_ + std::string(name))) request.url = std::move(*url);
  return std::make_unique<registry::Exchange>(multi_, timeouts, policy_, std::move(request));
}

async::awaitable<Result<S3Client::Body>> S3Client::ask(Body exchange) {
  const auto started = co_await exchange->start();
  if (!started) co_return std::unexpected(started.error().error);
  const int status = exchange->head().status;
  if (status == kOk) co_return exchange;
  const auto document = co_await registry::read_document(*exchange, kErrorBytesMax, kFirstByteTimeout);
  const auto code = document ? error_code(*document) : std::string_view();
  if (status == kNotFound && code != "NoSuchBucket") co_return Body();
  co_return std::unexpected(refusal(status, code));
}

async::awaitable<Result<S3Client::Body>> S3Client::get(std::string name) {
  co_return co_await ask(request(reading_, name, kEmptySha256, {}));
}

async::awaitable<Result<std::optional<std::string>>> S3Client::get_text(std::string name, std::size_t bytes_max) {
  const auto object = co_await get(std::move(name));
  if (!object) co_return std::unexpected(object.error());
  if (!*object) co_return std::nullopt;
  auto text = co_await registry::read_document(**object, bytes_max, kFirstByteTimeout);
  if (!text) co_return std::unexpected(text.error().error);
  co_return std::move(*text);
}

async::awaitable<Result<std::optional<std::uint64_t>>> S3Client::find_size(std::string name) {
  const auto found = co_await ask(
      request(reading_, name, kEmptySha256, [](CURL* handle) { curl_easy_setopt(handle, CURLOPT_NOBODY, 1L); }));
  if (!found) co_return std::unexpected(found.error());
  if (!*found) co_return std::nullopt;
  std::uint64_t size = 0;
  const auto text = (*found)->head().field("content-length");
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), size);
  if (error != std::errc() || end != text.data() + text.size()) co_return std::nullopt;
  co_return size;
}

async::awaitable<Result<void>> S3Client::put(std::string name, ObjectSource source) {
  const auto adjust = [&source](CURL* handle) {
    curl_easy_setopt(handle, CURLOPT_UPLOAD, 1L);
    curl_easy_setopt(handle, CURLOPT_INFILESIZE_LARGE, static_cast<curl_off_t>(source.size));
    curl_easy_setopt(handle, CURLOPT_READFUNCTION, &read_source);
    curl_easy_setopt(handle, CURLOPT_READDATA, &source);
    curl_easy_setopt(handle, CURLOPT_SEEKFUNCTION, &seek_source);
    curl_easy_setopt(handle, CURLOPT_SEEKDATA, &source);
    curl_easy_setopt(handle, CURLOPT_EXPECT_100_TIMEOUT_MS, kExpectTimeoutMs);
    curl_easy_setopt(handle, CURLOPT_LOW_SPEED_LIMIT, static_cast<long>(kUploadRateMin));
    curl_easy_setopt(handle, CURLOPT_LOW_SPEED_TIME, kUploadSlowSeconds);
  };
  const auto began = std::chrono::steady_clock::now();
  const auto answer = co_await ask(request(writing_, name, source.sha256, adjust));
  if (!answer) {
    // It was taken all that time, or curl had ended it before: a server that takes nothing is another matter.
    const bool had_its_time = std::chrono::steady_clock::now() - began >= writing_.first_byte_timeout;
    if (answer.error().code == Code::timeout && had_its_time)
      co_return fail(Code::bad_request, Origin::upstream, "the second tier takes this object too slowly");
    co_return std::unexpected(answer.error());
  }
  if (!*answer) co_return std::unexpected(refusal(kNotFound, ""));
  co_await (*answer)->drain();
  co_return Result<void>();
}

}  // namespace propeller::tier
