#pragma once

#include <functional>
#include <nlohmann/json.hpp>
#include <string>
#include <string_view>

#include "base/error.hpp"
#include "config/forward_settings.hpp"

namespace propeller::cmd {

struct ApiRequest {
  std::string method = "GET";
  std::string path;  ///< with the query
  std::string body = {};
};

struct ApiReply {
  int status = 0;
  nlohmann::json body;  ///< null when it is none, or when its events were handed on
};

/// What an event of a long answer says. False: enough, leave.
using OnEvent = std::function<bool(std::string_view name, const nlohmann::json& data)>;

/// Asks the API of the proxy that runs with this configuration, with its token where that can be read.
///
/// Bound:   an answer has kReplyBytesMax, an event kEventBytesMax; nothing for kSilenceMax is a time-out.
/// Errors:  io: nobody answers there, with what to do; timeout; protocol_error: it is no API.
/// Threads: blocks the caller.
class ApiClient {
 public:
  static constexpr std::size_t kReplyBytesMax = 64 * 1024 * 1024;
  static constexpr std::size_t kEventBytesMax = 1024 * 1024;
  static constexpr long kSilenceMaxSeconds = 300;  ///< a registry may take its time

  explicit ApiClient(const config::Api& api);

  [[nodiscard]] Result<ApiReply> ask(const ApiRequest& request) const;
  /// Where the answer is events, `on_event` gets them as they come.
  [[nodiscard]] Result<ApiReply> listen(const ApiRequest& request, const OnEvent& on_event) const;

 private:
  std::string address_;  ///< with the port
  std::string token_file_;
  std::string token_;
};

}  // namespace propeller::cmd
