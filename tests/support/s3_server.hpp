#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "support/environment.hpp"
#include "support/subprocess.hpp"

namespace propeller::support {

/// A real S3 server that checks SigV4 signatures (npm's s3rver), on a loopback port, with one bucket.
///
/// Order:    running when the constructor returns; what was put survives a restart.
/// Lifetime: ends with the object.
class S3Server {
 public:
  static constexpr std::string_view kAccessKey = "S3RVER";
  static constexpr std::string_view kSecretKey = "S3RVER";
  static constexpr std::string_view kBucket = "site-cache";

  /// Of the project; its packages are installed into the second when they are not there yet.
  S3Server(std::filesystem::path source, const std::filesystem::path& build);

  [[nodiscard]] std::string url() const { return "http://127.0.0.1:" + std::to_string(port_); }
  void start();
  void stop();

  /// Files with the bytes of all objects whose names contain `part`.
  [[nodiscard]] std::vector<std::filesystem::path> objects(std::string_view part) const;

 private:
  const std::filesystem::path source_, packages_;
  const TempDir directory_;
  const std::uint16_t port_ = free_port();
  std::unique_ptr<Subprocess> process_;
};

}  // namespace propeller::support
