#include "api_client.hpp"

#include <curl/curl.h>
#include <fmt/format.h>

#include <fstream>
#include <memory>

namespace propeller::cmd {

using nlohmann::json;

namespace {

constexpr long kConnectSeconds = 5;

struct FreeEasy {
  void operator()(CURL* easy) const { curl_easy_cleanup(easy); }
};
struct FreeList {
  void operator()(curl_slist* list) const { curl_slist_free_all(list); }
};

/// The answer as it comes.
struct Arriving {
  const OnEvent* on_event = nullptr;
  CURL* easy = nullptr;
  std::string text = {};
  bool has_events = false;
  bool is_enough = false;
};

json parsed(std::string_view text) { return json::parse(text, nullptr, false); }

/// "event: name\ndata: {…}". False: enough.
bool hand_on(std::string_view event, const OnEvent& on_event) {
  std::string_view name;
  std::string_view data;
  while (!event.empty()) {
    const auto end = std::min(event.find('\n'), event.size());
    const auto line = event.substr(0, end);
    if (line.starts_with("event: ")) name = line.substr(7);
    if (line.starts_with("data: ")) data = line.substr(6);
    event.remove_prefix(std::min(end + 1, event.size()));
  }
  const auto value = parsed(data);
  return !value.is_object() || on_event(name, value);
}

bool is_event_stream(CURL* easy) {
  const char* type = nullptr;
  curl_easy_getinfo(easy, CURLINFO_CONTENT_TYPE, &type);
  return type != nullptr && std::string_view(type).starts_with("text/event-stream");
}

/// libcurl's: fewer bytes than came end the transfer.
std::size_t on_bytes(char* bytes, std::size_t, std::size_t count, void* user) {
  auto& arriving = *static_cast<Arriving*>(user);
  arriving.text.append(bytes, count);
  if (arriving.on_event == nullptr || !is_event_stream(arriving.easy))
    return arriving.text.size() <= ApiClient::kReplyBytesMax ? count : 0;
  arriving.has_events = true;
  for (auto end = arriving.text.find("\n\n"); end != std::string::npos; end = arriving.text.find("\n\n")) {
    const auto event = arriving.text.substr(0, end);
    arriving.text.erase(0, end + 2);
    if (!hand_on(event, *arriving.on_event)) {
      arriving.is_enough = true;
      return 0;
    }
  }
  return arriving.text.size() <= ApiClient::kEventBytesMax ? count : 0;
}

std::string first_line(const std::string& file) {
  std::ifstream in(file);
  std::string line;
  std::getline(in, line);
  return line;
}

std::string host_of(const std::string& address) {
  if (address == "0.0.0.0") return "127.0.0.1";
  if (address == "::") return "[::1]";
  return address.find(':') == std::string::npos ? address : fmt::format("[{}]", address);
}

std::unexpected<Error> failure(CURLcode code, const std::string& address) {
  if (code == CURLE_OPERATION_TIMEDOUT)
    return fail(Code::timeout, Origin::upstream, fmt::format("the proxy's API on {} does not answer in time", address));
  if (code == CURLE_WRITE_ERROR)
    return fail(Code::protocol_error, Origin::upstream,
                fmt::format("what answers on {} is not the API: it says too much at once", address));
  return fail(Code::io, Origin::upstream,
              fmt::format("the proxy does not answer on {} ({}): start it with `propeller-proxy run`, or say with "
                          "--config or --api-port which one is meant",
                          address, curl_easy_strerror(code)));
}

}  // namespace

ApiClient::ApiClient(const config::Api& api)
    : address_(fmt::format("{}:{}", host_of(api.listen.address), api.listen.port)),
      token_file_(api.token_file.string()),
      token_(first_line(token_file_)) {}

Result<ApiReply> ApiClient::ask(const ApiRequest& request) const { return listen(request, nullptr); }

Result<ApiReply> ApiClient::listen(const ApiRequest& request, const OnEvent& on_event) const {
  const std::unique_ptr<CURL, FreeEasy> easy(curl_easy_init());
  if (!easy) return fail(Code::io, Origin::internal, "libcurl cannot be used");
  std::unique_ptr<curl_slist, FreeList> fields(curl_slist_append(nullptr, "Content-Type: application/json"));
  const auto add = [&](const std::string& field) { fields.reset(curl_slist_append(fields.release(), field.c_str())); };
  // It trusts whoever calls it by this name, and has the token of everybody else.
  add("Host: localhost");
  add("Expect:");
  if (!token_.empty()) add("Authorization: Bearer " + token_);
  Arriving arriving{.on_event = on_event ? &on_event : nullptr, .easy = easy.get()};
  const auto url = fmt::format("http://{}{}", address_, request.path);
  curl_easy_setopt(easy.get(), CURLOPT_URL, url.c_str());
  curl_easy_setopt(easy.get(), CURLOPT_PATH_AS_IS, 1L);
  curl_easy_setopt(easy.get(), CURLOPT_PROTOCOLS_STR, "http");
  curl_easy_setopt(easy.get(), CURLOPT_PROXY, "");
  curl_easy_setopt(easy.get(), CURLOPT_NETRC, static_cast<long>(CURL_NETRC_IGNORED));
  curl_easy_setopt(easy.get(), CURLOPT_NOSIGNAL, 1L);
  curl_easy_setopt(easy.get(), CURLOPT_CUSTOMREQUEST, request.method.c_str());
  curl_easy_setopt(easy.get(), CURLOPT_HTTPHEADER, fields.get());
  curl_easy_setopt(easy.get(), CURLOPT_CONNECTTIMEOUT, kConnectSeconds);
  curl_easy_setopt(easy.get(), CURLOPT_LOW_SPEED_LIMIT, 1L);
  curl_easy_setopt(easy.get(), CURLOPT_LOW_SPEED_TIME, kSilenceMaxSeconds);
  curl_easy_setopt(easy.get(), CURLOPT_WRITEFUNCTION, &on_bytes);
  curl_easy_setopt(easy.get(), CURLOPT_WRITEDATA, &arriving);
  if (!request.body.empty()) {
    curl_easy_setopt(easy.get(), CURLOPT_POSTFIELDSIZE, static_cast<long>(request.body.size()));
    curl_easy_setopt(easy.get(), CURLOPT_POSTFIELDS, request.body.c_str());
  }
  const auto code = curl_easy_perform(easy.get());
  if (code != CURLE_OK && !arriving.is_enough) return failure(code, address_);
  long status = 0;
  curl_easy_getinfo(easy.get(), CURLINFO_RESPONSE_CODE, &status);
  ApiReply reply{.status = static_cast<int>(status), .body = nullptr};
  if (!arriving.has_events) reply.body = parsed(arriving.text);
  if (reply.body.is_discarded())
    return fail(Code::protocol_error, Origin::upstream, fmt::format("what answers on {} is not the API", address_));
  if (status == 401)
    return fail(Code::unauthorized, Origin::client,
                fmt::format("the API wants its token: call this as the user who may read {}", token_file_));
  return reply;
}

}  // namespace propeller::cmd
