#include "forward/redirects.hpp"

#include <algorithm>
#include <array>

#include "forward/cache_matcher.hpp"

namespace propeller::forward {

namespace {

/// What stands behind the host, as it came; nothing where the reference has to be resolved first.
std::optional<std::string_view> path_as_it_came(std::string_view location) {
  location = location.substr(0, location.find('#'));
  if (const auto scheme = location.find("://"); scheme != std::string_view::npos && scheme < location.find('/')) {
    location.remove_prefix(scheme + 3);
    location.remove_prefix(std::min(location.find_first_of("/?"), location.size()));
  } else if (location.starts_with("//")) {
    return std::nullopt;
  }
  return location.starts_with('/') && http::is_path_and_query(location) ? std::optional(location) : std::nullopt;
}

bool is_same_origin(const http::Uri& left, const http::Uri& right) {
  return left.scheme == right.scheme && left.host == right.host && left.port == right.port;
}

}  // namespace

bool is_redirect(int status) {
  constexpr std::array kRedirects{301, 302, 303, 307, 308};
  return std::ranges::find(kRedirects, status) != kRedirects.end();
}

Result<http::Uri> redirect_target(const http::Uri& from, std::string_view location) {
  auto to = http::resolve_reference(from, location);
  if (!to || location.empty()) return fail(Code::protocol_error, Origin::upstream, "redirected to what is no URL");
  if (from.scheme == "https" && to->scheme != "https")
    return fail(Code::protocol_error, Origin::upstream, "redirected from https to http");
  if (const auto path = path_as_it_came(location)) to->target = *path;
  return std::move(*to);
}

http::OutgoingRequest redirected(const http::OutgoingRequest& request, const http::Uri& from, const http::Uri& to) {
  http::OutgoingRequest next{.method = request.method,
                             .authority = to.authority(),
                             .path = to.target,
                             .fields = request.fields,
                             .informational = request.informational};
  // For the proxy that the last request went by: the next one goes by its own way.
  next.fields.remove("Proxy-Authorization");
  if (is_same_origin(from, to)) {
    next.secret_fields = request.secret_fields;
    return next;
  }
  next.fields.remove_if([](const http::Field& field) { return carries_credentials(std::span(&field, 1)); });
  for (const auto& name : request.secret_fields) next.fields.remove(name);
  return next;
}

}  // namespace propeller::forward
