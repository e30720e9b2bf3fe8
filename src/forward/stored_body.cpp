#include "forward/stored_body.hpp"

#include "forward/chained_body.hpp"
#include "forward/compressed_text.hpp"

namespace propeller::forward {

std::unique_ptr<http::BodySource> body_of(const StoredContent& content, ByteRange range) {
  const auto& blob = content.blob;
  if (content.text_size) return std::make_unique<compressed_text::Body>(blob, *content.text_size, range);
  if (!blob->bytes().empty())
    return std::make_unique<http::MemoryBody>(blob, blob->bytes().substr(range.offset, range.count));
  return std::make_unique<http::FileBody>(std::shared_ptr<const base::FileDescriptor>(blob, &blob->file()),
                                          range.offset, range.count);
}

namespace {

std::unique_ptr<http::BodySource> several_of(const StoredContent& content, const RangeList& list) {
  ChainedBody::Links links;
  for (const auto& range : list.ranges) {
    links.push_back(std::make_unique<http::MemoryBody>(list.head_of(range)));
    links.push_back(body_of(content, range));
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

http::Response response_from(const StoredContent& content, CacheAnswer answer, http::Method method) {
  if (!answer.has_body) return without_body(std::move(answer), method, content.size());
  http::Response response{.status = answer.status, .fields = std::move(answer.fields)};
  response.body = answer.list ? several_of(content, *answer.list) : body_of(content, answer.range);
  return response;
}

http::Response not_in_cache() {
  constexpr int kGatewayTimeout = 504;
  auto response = http::text_response(kGatewayTimeout, "propeller-proxy: not in the cache, and only-if-cached\n");
  response.fields.add_view("Cache-Status", "propeller-proxy; detail=only-if-cached");
  return response;
}

}  // namespace propeller::forward
