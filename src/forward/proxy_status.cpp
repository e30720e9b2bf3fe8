#include "forward/proxy_status.hpp"

#include <algorithm>
#include <array>

namespace propeller::forward {

namespace {

struct Row {
  Code code;
  FailureAnswer answer;
};

/// Of errors that an upstream is at fault for.
constexpr std::array kUpstream{
    Row{Code::dns_failed, {502, "dns_error"}},
    Row{Code::connection_refused, {502, "connection_refused"}},
    Row{Code::host_unreachable, {502, "destination_ip_unroutable"}},
    Row{Code::network_unreachable, {502, "destination_ip_unroutable"}},
    Row{Code::connection_reset, {502, "connection_terminated"}},
    Row{Code::disconnected, {502, "connection_terminated"}},
    Row{Code::timeout, {504, "connection_timeout"}},
    Row{Code::tls_certificate, {502, "tls_certificate_error"}},
    Row{Code::tls_failed, {502, "tls_protocol_error"}},
    Row{Code::protocol_error, {502, "http_protocol_error"}},
    Row{Code::digest_mismatch, {502, "http_response_incomplete"}},
    Row{Code::limit_exceeded, {502, "http_response_header_section_size"}},
    Row{Code::too_large, {502, "http_response_body_size"}},
    Row{Code::io, {502, "connection_terminated"}},
};

/// Of errors that the client or we ourselves are at fault for.
constexpr std::array kHere{
    Row{Code::not_allowed, {403, "http_request_denied"}},
    Row{Code::unauthorized, {407, "http_request_denied"}},
    Row{Code::bad_request, {400, "http_request_error"}},
    Row{Code::protocol_error, {400, "http_request_error"}},
    Row{Code::limit_exceeded, {431, "http_request_error"}},
    Row{Code::too_large, {413, "http_request_error"}},
    Row{Code::timeout, {408, "http_request_error"}},
    Row{Code::overloaded, {503, "connection_limit_reached"}},
    Row{Code::shutting_down, {503, "proxy_internal_response"}},
    Row{Code::bad_config, {502, "proxy_configuration_error"}},
};

}  // namespace

FailureAnswer answer_for(const Error& error) {
  const auto look = [&](const auto& rows) {
    const auto found = std::ranges::find(rows, error.code, &Row::code);
    return found == rows.end() ? FailureAnswer{0, {}} : found->answer;
  };
  if (error.origin == Origin::upstream) {
    const auto answer = look(kUpstream);
    return answer.status != 0 ? answer : FailureAnswer{502, "destination_unavailable"};
  }
  const auto answer = look(kHere);
  return answer.status != 0 ? answer : FailureAnswer{500, "proxy_internal_error"};
}

std::string proxy_status(const Error& error) {
  std::string text(kProxyName);
  text.append("; error=").append(answer_for(error).type);
  if (error.detail.empty()) return text;
  text += "; details=\"";
  for (const char c : std::string_view(error.detail).substr(0, kDetailsBytesMax)) {
    if (c == '"' || c == '\\') text += '\\';
    text += c >= 0x20 && c < 0x7f ? c : '?';
  }
  return text + "\"";
}

}  // namespace propeller::forward
