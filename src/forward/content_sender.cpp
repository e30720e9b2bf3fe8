#include "forward/content_sender.hpp"

#include "forward/redirects.hpp"

namespace propeller::forward {

async::awaitable<Result<http::ClientResponse>> ContentSender::send(const http::Destination& destination,
                                                                   http::OutgoingRequest& request) {
  auto answer = co_await sender_.send(destination, request);
  if (!answer || !destination.tls_profile.empty()) co_return answer;
  const http::Uri asked{
      .scheme = destination.scheme, .host = destination.host, .port = destination.port, .target = request.path};
  // A name that is only claimed is no base for a reference. What leads nowhere is the client's to understand.
  const bool is_known = request.authority == asked.authority();
  const auto leads_on = [&] {
    return redirect_target(asked, answer->fields.find("Location").value_or("")).has_value();
  };
  if (is_known && is_redirect(answer->status) && leads_on())
    answer = co_await hops_.follow(nullptr, asked, std::move(*answer), request);
  if (!answer) co_return answer;
  co_return co_await with_digest(request, std::move(*answer));
}

}  // namespace propeller::forward
