#include "support/pusher.hpp"

#include <curl/curl.h>

#include <algorithm>
#include <cctype>
#include <memory>
#include <nlohmann/json.hpp>
#include <stdexcept>

#include "base/digest.hpp"

namespace propeller::support {
namespace {

std::size_t append_body(char* data, std::size_t size, std::size_t count, void* out) {
  static_cast<std::string*>(out)->append(data, size * count);
  return size * count;
}

std::size_t append_header(char* data, std::size_t size, std::size_t count, void* out) {
  const std::string_view line(data, size * count);
  const auto colon = line.find(':');
  if (colon != std::string_view::npos) {
    std::string name(line.substr(0, colon));
    std::ranges::transform(name, name.begin(), [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
    const auto begin = std::min(line.size(), line.find_first_not_of(' ', colon + 1));
    const auto end = line.find_last_not_of("\r\n ");
    (*static_cast<std::map<std::string, std::string>*>(out))[name] =
        line.substr(begin, end + 1 - std::min(end + 1, begin));
  }
  return size * count;
}

/// The value of key="…" in a challenge.
std::string parameter(std::string_view challenge, std::string_view key) {
  const auto at = challenge.find(std::string(key) + "=\"");
  if (at == std::string_view::npos) return {};
  const auto begin = at + key.size() + 2;
  return std::string(challenge.substr(begin, challenge.find('"', begin) - begin));
}

}  // namespace

std::string sha256_digest(std::string_view bytes) { return base::sha256(bytes).to_string(); }

HttpResponse http_request(const HttpRequest& request) {
  static const CURLcode initialised = curl_global_init(CURL_GLOBAL_DEFAULT);
  const std::unique_ptr<CURL, decltype(&curl_easy_cleanup)> handle(curl_easy_init(), &curl_easy_cleanup);
  if (initialised != CURLE_OK || !handle) throw std::runtime_error("no libcurl");
  HttpResponse response;
  curl_slist* list = nullptr;
  for (const auto& header : request.headers) list = curl_slist_append(list, header.c_str());
  list = curl_slist_append(list, "Expect:");
  const std::unique_ptr<curl_slist, decltype(&curl_slist_free_all)> headers(list, &curl_slist_free_all);
  CURL* curl = handle.get();
  curl_easy_setopt(curl, CURLOPT_URL, request.url.c_str());
  curl_easy_setopt(curl, CURLOPT_CUSTOMREQUEST, request.method.c_str());
  curl_easy_setopt(curl, CURLOPT_HTTPHEADER, headers.get());
  curl_easy_setopt(curl, CURLOPT_PROXY, "");
  curl_easy_setopt(curl, CURLOPT_NOSIGNAL, 1L);
  curl_easy_setopt(curl, CURLOPT_TIMEOUT, 120L);
  curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, &append_body);
  curl_easy_setopt(curl, CURLOPT_WRITEDATA, &response.body);
  curl_easy_setopt(curl, CURLOPT_HEADERFUNCTION, &append_header);
  curl_easy_setopt(curl, CURLOPT_HEADERDATA, &response.headers);
  if (request.method != "GET") {
    curl_easy_setopt(curl, CURLOPT_POSTFIELDSIZE_LARGE, static_cast<curl_off_t>(request.body.size()));
    curl_easy_setopt(curl, CURLOPT_POSTFIELDS, request.body.data() != nullptr ? request.body.data() : "");
  }
  if (!request.username.empty()) {
    curl_easy_setopt(curl, CURLOPT_USERNAME, request.username.c_str());
    curl_easy_setopt(curl, CURLOPT_PASSWORD, request.password.c_str());
  }
  if (!request.ca.empty()) curl_easy_setopt(curl, CURLOPT_CAINFO, request.ca.c_str());
  const CURLcode result = curl_easy_perform(curl);
  if (result != CURLE_OK) throw std::runtime_error(request.url + ": " + curl_easy_strerror(result));
  curl_easy_getinfo(curl, CURLINFO_RESPONSE_CODE, &response.status);
  return response;
}

HttpResponse Pusher::send(const std::string& repository, HttpRequest request) {
  request.ca = options_.ca;
  const auto with_credentials = [&] {
    HttpRequest copy = request;
    if (const auto token = tokens_.find(repository); token != tokens_.end()) {
      copy.headers.push_back("Authorization: Bearer " + token->second);
    } else {
      copy.username = options_.username;
      copy.password = options_.password;
    }
    return copy;
  };
  auto response = http_request(with_credentials());
  if (response.status != 401 || !response.headers["www-authenticate"].starts_with("Bearer")) return response;
  const std::string challenge = response.headers["www-authenticate"];
  const auto answer =
      http_request({.url = parameter(challenge, "realm") + "?service=" + parameter(challenge, "service") +
                           "&scope=repository:" + repository + ":pull,push",
                    .username = options_.username,
                    .password = options_.password,
                    .ca = options_.ca});
  if (answer.status != 200) throw std::runtime_error("no token: " + answer.body);
  tokens_[repository] = nlohmann::json::parse(answer.body).at("token");
  return http_request(with_credentials());
}

std::string Pusher::push_blob(const std::string& repository, std::string_view bytes) {
  const std::string digest = sha256_digest(bytes);
  const auto session =
      send(repository, {.method = "POST", .url = options_.url + "/v2/" + repository + "/blobs/uploads/"});
  if (session.status != 202)
    throw std::runtime_error("upload refused: " + std::to_string(session.status) + session.body);
  std::string location = session.headers.at("location");
  if (location.starts_with('/')) location = options_.url + location;
  location += (location.find('?') == std::string::npos ? "?digest=" : "&digest=") + digest;
  const auto put =
      send(repository,
           {.method = "PUT", .url = location, .headers = {"Content-Type: application/octet-stream"}, .body = bytes});
  if (put.status != 201) throw std::runtime_error("blob refused: " + std::to_string(put.status) + put.body);
  return digest;
}

std::string Pusher::push_manifest(const std::string& repository, const std::string& name, const std::string& media_type,
                                  std::string_view json) {
  const std::string digest = sha256_digest(json);
  const auto put =
      send(repository, {.method = "PUT",
                        .url = options_.url + "/v2/" + repository + "/manifests/" + (name.empty() ? digest : name),
                        .headers = {"Content-Type: " + media_type},
                        .body = json});
  if (put.status != 201) throw std::runtime_error("manifest refused: " + std::to_string(put.status) + put.body);
  return digest;
}

}  // namespace propeller::support
