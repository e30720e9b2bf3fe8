#include "support/s3_server.hpp"

#include <csignal>
#include <stdexcept>

namespace propeller::support {

namespace fs = std::filesystem;

S3Server::S3Server(fs::path source, const fs::path& build)
    : source_(std::move(source) / "tests/support/s3"), packages_(build / "s3_server") {
  const auto install = source_.parent_path().parent_path() / "cache_suite/install.sh";
  run_command({"bash", install.string(), packages_.string(), source_.string()});
  start();
}

void S3Server::start() {
  process_ = std::make_unique<Subprocess>(
      SubprocessOptions{.arguments = {"node", (source_ / "server.mjs").string(), packages_.string(),
                                      directory_.path().string(), std::string(kBucket), std::to_string(port_)}});
  if (!process_->wait_line("the S3 server listens"))
    throw std::runtime_error("the S3 server does not start: " + process_->output());
}

void S3Server::stop() {
  process_->signal(SIGKILL);
  (void)process_->wait_exit();
}

std::vector<fs::path> S3Server::objects(std::string_view part) const {
  std::vector<fs::path> found;
  const auto bucket = directory_ / kBucket;
  for (const auto& each : fs::recursive_directory_iterator(bucket)) {
    const auto name = fs::relative(each.path(), bucket).string();
    if (name.ends_with("._S3rver_object") && name.contains(part)) found.push_back(each.path());
  }
  return found;
}

}  // namespace propeller::support
