#include "forward/proxy_status.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace propeller::forward {
namespace {

TEST(ProxyStatus, NamesTheErrorAsProgramsKnowIt) {
  struct Case {
    Code code;
    Origin origin;
    int status;
    std::string_view type;
  };
  const std::vector<Case> cases{
      {Code::timeout, Origin::upstream, 504, "connection_timeout"},
      {Code::dns_failed, Origin::upstream, 502, "dns_error"},
      {Code::connection_refused, Origin::upstream, 502, "connection_refused"},
      {Code::host_unreachable, Origin::upstream, 502, "destination_ip_unroutable"},
      {Code::network_unreachable, Origin::upstream, 502, "destination_ip_unroutable"},
      {Code::connection_reset, Origin::upstream, 502, "connection_terminated"},
      {Code::tls_certificate, Origin::upstream, 502, "tls_certificate_error"},
      {Code::tls_failed, Origin::upstream, 502, "tls_protocol_error"},
      {Code::protocol_error, Origin::upstream, 502, "http_protocol_error"},
      {Code::protocol_error, Origin::client, 400, "http_request_error"},
      {Code::limit_exceeded, Origin::client, 431, "http_request_error"},
      {Code::digest_mismatch, Origin::upstream, 502, "http_response_incomplete"},
      {Code::io, Origin::upstream, 502, "connection_terminated"},
      {Code::registry_unavailable, Origin::upstream, 502, "destination_unavailable"},
      {Code::not_allowed, Origin::client, 403, "http_request_denied"},
      {Code::unauthorized, Origin::client, 407, "http_request_denied"},
      {Code::bad_request, Origin::client, 400, "http_request_error"},
      {Code::timeout, Origin::client, 408, "http_request_error"},
      {Code::overloaded, Origin::internal, 503, "connection_limit_reached"},
      {Code::io, Origin::internal, 500, "proxy_internal_error"},
  };
  for (const auto& one : cases) {
    const Error error{one.code, one.origin, ""};
    EXPECT_EQ(answer_for(error).status, one.status) << base::to_string(one.code);
    EXPECT_EQ(answer_for(error).type, one.type) << base::to_string(one.code);
    EXPECT_EQ(proxy_status(error), "propeller-proxy; error=" + std::string(one.type));
  }
}

TEST(ProxyStatus, DetailsAreOneStructuredString) {
  const auto text = [](std::string detail) {
    return proxy_status({Code::timeout, Origin::upstream, std::move(detail)});
  };
  EXPECT_EQ(text("said \"no\" \\ twice"),
            "propeller-proxy; error=connection_timeout; details=\"said \\\"no\\\" \\\\ twice\"");
  EXPECT_THAT(text("a\r\nSet-Cookie: b\xC3\xA4"), testing::EndsWith("details=\"a??Set-Cookie: b??\""));
  EXPECT_LE(text(std::string(5000, '"')).size(), 60 + 2 * kDetailsBytesMax);
}

}  // namespace
}  // namespace propeller::forward
