#include "net/socket_error.hpp"

#include <fmt/format.h>

#include <cerrno>
#include <system_error>

namespace propeller::net {

std::unexpected<Error> socket_error(int code, Origin origin, std::string_view what) {
  auto detail = fmt::format("{}: {}", what, std::generic_category().message(code));
  switch (code) {
    case ECONNREFUSED: return fail(Code::connection_refused, origin, std::move(detail));
    case EHOSTUNREACH:
    case EHOSTDOWN: return fail(Code::host_unreachable, origin, std::move(detail));
    case ENETUNREACH:
    case ENETDOWN: return fail(Code::network_unreachable, origin, std::move(detail));
    case ECONNRESET:
    case ECONNABORTED:
    case EPIPE:
    case ENOTCONN: return fail(Code::connection_reset, origin, std::move(detail));
    case ETIMEDOUT: return fail(Code::timeout, origin, std::move(detail));
    default: return fail(Code::io, Origin::internal, std::move(detail));
  }
}

}  // namespace propeller::net
