#pragma once

#include <string>

#include "http/server.hpp"

namespace propeller::forward {

/// A request for us as the request for another path that it stands for; of its body nothing is passed on.
///
/// Lifetime: the request outlives it.
class RewrittenRequest final : public http::Request {
 public:
  RewrittenRequest(http::Request& request, std::string path) : request_(request), path_(std::move(path)) {
    head_ = request.head();
    head_.path = path_;
    head_.target = path_;
  }

  http::BodySource& body() override { return body_; }
  [[nodiscard]] bool expects_continue() const override { return false; }
  [[nodiscard]] const net::StreamInfo& connection() const override { return request_.connection(); }
  [[nodiscard]] async::TaskGroup& tasks() override { return request_.tasks(); }
  async::awaitable<Result<void>> send_informational(int status, http::FieldView fields) override {
    return request_.send_informational(status, fields);
  }

 private:
  http::Request& request_;
  const std::string path_;
  http::EmptyBody body_;
};

}  // namespace propeller::forward
