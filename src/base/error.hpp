#pragma once

#include <expected>
#include <string>
#include <string_view>
#include <utility>

namespace propeller::base {

/// What went wrong. The first group is the closed list of `failed` codes on the wire (PROTOCOL 2.1); the second
/// and the third (connections) never leave the process as a device's answer under their own name, see wire_code().
enum class Code {
  bad_request,
  bad_reference,
  not_allowed,
  unauthorized,
  not_found,
  no_module,
  ambiguous_module,
  encrypted,
  too_large,
  digest_mismatch,
  signature_invalid,
  registry_unavailable,
  timeout,
  broker_rejected,
  overloaded,
  shutting_down,

  cancelled,     ///< given up on purpose: nobody waits for it any more
  bad_config,    ///< the operator's input; exit code 2
  disconnected,  ///< the broker connection is down; tried again
  io,            ///< local disk or socket

  dns_failed,           ///< the name has no address, or nobody could say
  connection_refused,   ///< nobody listens there
  host_unreachable,     ///< its network cannot find the host
  network_unreachable,  ///< no route leads to its network
  connection_reset,     ///< the peer broke an established connection
  tls_certificate,      ///< the peer's certificate is not to be trusted; the detail says why
  tls_failed,           ///< the TLS handshake or a record failed for another reason
  protocol_error,       ///< the peer does not keep to the protocol
  limit_exceeded,       ///< the peer keeps to it, but asks for more than a named bound allows
};

/// Whose fault it is: who called us, whom we call, or we ourselves.
enum class Origin { client, upstream, internal };

/// An expected failure. `detail` is a sentence for the operator and the device's owner; never a secret.
struct Error {
  Code code = Code::io;
  Origin origin = Origin::internal;
  std::string detail;

  friend bool operator==(const Error&, const Error&) = default;
};

template <class T>
using Result = std::expected<T, Error>;

[[nodiscard]] inline std::unexpected<Error> fail(Code code, Origin origin, std::string detail) {
  return std::unexpected(Error{code, origin, std::move(detail)});
}

/// Name of the code as written on the wire and in logs, for example "registry_unavailable".
[[nodiscard]] std::string_view to_string(Code code);
[[nodiscard]] std::string_view to_string(Origin origin);

/// The code a device is told: the codes behind the first group become the one of it that says what the device should
/// do (bad_config: not_allowed, asking again does not help).
[[nodiscard]] Code wire_code(const Error& error);

/// "not_found: no such tag" for logs and messages on the terminal.
[[nodiscard]] std::string describe(const Error& error);

}  // namespace propeller::base

namespace propeller {
using base::Code;
using base::Error;
using base::fail;
using base::Origin;
using base::Result;
}  // namespace propeller
