#include "forward/content_origin.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "cache/update.hpp"
#include "forward/byte_range.hpp"
#include "forward/cache_answer.hpp"
#include "forward/cache_matcher.hpp"

namespace propeller::forward {

namespace {

constexpr int kOk = 200;
constexpr int kPartialContent = 206;
constexpr int kTooManyRequests = 429;
constexpr int kServerErrors = 500;
constexpr std::size_t kPieceBytesMax = 64 * 1024;

std::unexpected<Error> changed(std::string_view why) {
  return fail(Code::digest_mismatch, Origin::upstream, fmt::format("the download cannot be resumed: {}", why));
}

/// The bytes before `offset`, which are here already.
async::awaitable<Result<void>> skip(http::BodySource& body, std::uint64_t offset) {
  while (offset > 0) {
    const auto piece = co_await body.read(std::min<std::uint64_t>(offset, kPieceBytesMax));
    if (!piece) co_return std::unexpected(piece.error());
    if (piece->empty()) co_return changed("the upstream has less than before");
    offset -= piece->size();
  }
  co_return Result<void>();
}

/// The answer to a request for a part: what speaks against going on with it.
Result<void> check(const http::ClientResponse& answer, const store::BlobHead& head, ContentPart part) {
  if (answer.status == kTooManyRequests || answer.status >= kServerErrors)
    return fail(Code::registry_unavailable, Origin::upstream, fmt::format("the upstream answered {}", answer.status));
  if (answer.status != kOk && answer.status != kPartialContent)
    return changed(fmt::format("the upstream answered {}", answer.status));
  if (!head.validator.empty() && strong_etag(answer.fields) != head.validator) return changed("the ETag is another");
  if (answer.status == kOk) {
    const auto length = answer.body->length();
    return length && *length != *head.length ? changed("the length is another") : Result<void>();
  }
  const auto range = parse_content_range(answer.fields.find("Content-Range").value_or(""));
  if (range != ContentRange{.first = part.offset, .last = part.end - 1, .size = *head.length})
    return changed("the upstream sends another range than it was asked for");
  return {};
}

}  // namespace

bool may_pass(const Error& error) { return error.origin == Origin::upstream && error.code != Code::digest_mismatch; }

bool has_doubtful_end(const http::ClientResponse& response) {
  return !response.body->length() && response.version != http::Version::http_2 &&
         !response.fields.contains("Transfer-Encoding");
}

ContentOrigin::ContentOrigin(http::Sender& client, http::Destination destination, const http::OutgoingRequest& request,
                             bool is_verified)
    : client_(client),
      destination_(std::move(destination)),
      authority_(request.authority),
      path_(request.path),
      fields_(request.fields),
      secret_fields_(request.secret_fields),
      is_verified_(is_verified) {}

http::OutgoingRequest ContentOrigin::request() const {
  return {.method = "GET", .authority = authority_, .path = path_, .fields = fields_, .secret_fields = secret_fields_};
}

cache::Credentials ContentOrigin::credentials() const {
  return secret_fields_.empty() ? credentials_in(fields_) : cache::Credentials::authorization;
}

async::awaitable<Result<http::ClientResponse>> ContentOrigin::ask(http::InformationalSink* informational) const {
  auto whole = request();
  whole.informational = informational;
  co_return co_await client_.send(destination_, whole);
}

async::awaitable<Result<http::ClientResponse>> ContentOrigin::ask_again(http::FieldView stored,
                                                                        http::InformationalSink* informational) const {
  auto question = request();
  cache::add_validators(question.fields, stored);
  question.informational = informational;
  co_return co_await client_.send(destination_, question);
}

async::awaitable<Result<http::ClientResponse>> ContentOrigin::ask_whether() const {
  auto question = request();
  question.method = "HEAD";
  for (const auto* field : {"Range", "If-Range", "If-None-Match", "If-Modified-Since"}) question.fields.remove(field);
  co_return co_await client_.send(destination_, question);
}

async::awaitable<Result<std::unique_ptr<http::BodySource>>> ContentOrigin::resume(const store::BlobHead& head,
                                                                                  ContentPart part) const {
  if (!head.length) co_return changed("its length is not known");
  if (head.validator.empty() && !is_verified_) co_return changed("it has neither a strong ETag nor a digest");
  auto rest = request();
  for (const auto* condition : {"If-None-Match", "If-Modified-Since"}) rest.fields.remove(condition);
  rest.fields.set("Range", fmt::format("bytes={}-{}", part.offset, part.end - 1));
  if (!head.validator.empty()) rest.fields.set("If-Range", head.validator);
  auto answer = co_await client_.send(destination_, rest);
  if (!answer) co_return std::unexpected(answer.error());
  if (auto fits = check(*answer, head, part); !fits) co_return std::unexpected(fits.error());
  if (answer->status == kOk) {
    if (auto skipped = co_await skip(*answer->body, part.offset); !skipped) co_return std::unexpected(skipped.error());
  }
  co_return std::move(answer->body);
}

}  // namespace propeller::forward
