#include "forward/stored_body.hpp"

#include "forward/chained_body.hpp"

namespace propeller::forward {

std::unique_ptr<http::BodySource> body_of(const std::shared_ptr<const store::OpenBlob>& blob, ByteRange range) {
  if (!blob->bytes().empty())
    return std::make_unique<http::MemoryBody>(blob, blob->bytes().substr(range.offset, range.count));
  return std::make_unique<http::FileBody>(std::shared_ptr<const base::FileDescriptor>(blob, &blob->file()),
                                          range.offset, range.count);
}

namespace {

std::unique_ptr<http::BodySource> several_of(const std::shared_ptr<const store::OpenBlob>& blob,
                                             const RangeList& list) {
  ChainedBody::Links links;
  for (const auto& range : list.ranges) {
    links.push_back(std::make_unique<http::MemoryBody>(list.head_of(range)));
    links.push_back(body_of(blob, range));
  }
  links.push_back(std::make_unique<http::MemoryBody>(list.end()));
  return std::make_unique<ChainedBody>(std::move(links));
}

}  // namespace

http::Response without_body(CacheAnswer answer, http::Method method, std::optional<std::uint64_t> size) {
  http::Response response{.status = answer.status, .fields = std::move(answer.fields)};
  if (method == http::Method::head && answer.status != 304) response.body = std::make_unique<http::EmptyBody>(size);
  return response;
}

http::Response response_from(const std::shared_ptr<const store::OpenBlob>& blob, CacheAnswer answer,
                             http::Method method) {
  if (!answer.has_body) return without_body(std::move(answer), method, blob->size());
  http::Response response{.status = answer.status, .fields = std::move(answer.fields)};
  response.body = answer.list ? several_of(blob, *answer.list) : body_of(blob, answer.range);
  return response;
}

}  // namespace propeller::forward
