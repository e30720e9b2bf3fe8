#pragma once

#include <filesystem>
#include <map>
#include <string>
#include <string_view>
#include <vector>

namespace propeller::support {

struct HttpResponse {
  long status = 0;
  std::string body;
  std::map<std::string, std::string> headers = {};  ///< names in lower case
};

struct HttpRequest {
  std::string method = "GET";
  std::string url;
  std::vector<std::string> headers = {};  ///< "Name: value"
  std::string_view body = {};
  std::string username = {}, password = {};
  std::filesystem::path ca = {};
};

/// One blocking HTTP request. Throws when there is no answer.
[[nodiscard]] HttpResponse http_request(const HttpRequest& request);

struct PusherOptions {
  std::string url;  ///< http://127.0.0.1:5000
  std::string username = {}, password = {};
  std::filesystem::path ca = {};
};

/// Puts blobs and manifests into a registry (OCI distribution-spec 1.1, "Push"), by password or bearer token as it
/// asks.
class Pusher {
 public:
  explicit Pusher(PusherOptions options) : options_(std::move(options)) {}

  /// Returns the blob's digest, "sha256:…".
  std::string push_blob(const std::string& repository, std::string_view bytes);
  /// `name` is a tag, or empty: by digest only. Returns the manifest's digest.
  std::string push_manifest(const std::string& repository, const std::string& name, const std::string& media_type,
                            std::string_view json);

 private:
  HttpResponse send(const std::string& repository, HttpRequest request);

  PusherOptions options_;
  std::map<std::string, std::string> tokens_;  ///< by repository
};

[[nodiscard]] std::string sha256_digest(std::string_view bytes);  ///< "sha256:…"

}  // namespace propeller::support
