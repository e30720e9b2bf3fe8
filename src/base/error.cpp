#include "base/error.hpp"

#include "base/assert.hpp"

namespace propeller::base {

std::string_view to_string(Code code) {
  switch (code) {
    case Code::bad_request: return "bad_request";
    case Code::bad_reference: return "bad_reference";
    case Code::not_allowed: return "not_allowed";
    case Code::unauthorized: return "unauthorized";
    case Code::not_found: return "not_found";
    case Code::no_module: return "no_module";
    case Code::ambiguous_module: return "ambiguous_module";
    case Code::encrypted: return "encrypted";
    case Code::too_large: return "too_large";
    case Code::digest_mismatch: return "digest_mismatch";
    case Code::signature_invalid: return "signature_invalid";
    case Code::registry_unavailable: return "registry_unavailable";
    case Code::timeout: return "timeout";
    case Code::broker_rejected: return "broker_rejected";
    case Code::overloaded: return "overloaded";
    case Code::shutting_down: return "shutting_down";
    case Code::cancelled: return "cancelled";
    case Code::bad_config: return "bad_config";
    case Code::disconnected: return "disconnected";
    case Code::io: return "io";
    case Code::dns_failed: return "dns_failed";
    case Code::connection_refused: return "connection_refused";
    case Code::host_unreachable: return "host_unreachable";
    case Code::network_unreachable: return "network_unreachable";
    case Code::connection_reset: return "connection_reset";
    case Code::tls_certificate: return "tls_certificate";
    case Code::tls_failed: return "tls_failed";
    case Code::protocol_error: return "protocol_error";
    case Code::limit_exceeded: return "limit_exceeded";
  }
  base::assertion_failed("every code has a name");
}

std::string_view to_string(Origin origin) {
  switch (origin) {
    case Origin::client: return "client";
    case Origin::upstream: return "upstream";
    case Origin::internal: return "internal";
  }
  base::assertion_failed("every origin has a name");
}

Code wire_code(const Error& error) {
  switch (error.code) {
    case Code::cancelled: return Code::shutting_down;
    // Asking again does not help until the operator has changed something.
    case Code::bad_config: return Code::not_allowed;
    case Code::disconnected: return Code::broker_rejected;
    case Code::io: return error.origin == Origin::internal ? Code::overloaded : Code::registry_unavailable;
    case Code::dns_failed:
    case Code::connection_refused:
    case Code::host_unreachable:
    case Code::network_unreachable:
    case Code::connection_reset:
    case Code::tls_certificate:
    case Code::tls_failed:
    case Code::protocol_error: return Code::registry_unavailable;
    case Code::limit_exceeded: return Code::too_large;
    default: return error.code;
  }
}

std::string describe(const Error& error) {
  std::string text(to_string(error.code));
  if (!error.detail.empty()) text.append(": ").append(error.detail);
  return text;
}

}  // namespace propeller::base
