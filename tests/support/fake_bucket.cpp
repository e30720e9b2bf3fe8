// A FakeRegistry as a server of objects.
#include "base/digest.hpp"
#include "support/fake_registry.hpp"

namespace propeller::support {

void FakeRegistry::put_object(const std::string& path, std::string bytes) {
  auto digest = base::sha256(bytes).to_string();
  const std::lock_guard lock(mutex_);
  contents_[path] = std::make_shared<const Content>(Content{std::move(bytes), "application/octet-stream", digest});
}

FakeRegistry::Answer FakeRegistry::decide_put(const SeenRequest& request) {
  put_object(request.target, request.body);
  return {};
}

std::string FakeRegistry::object(const std::string& path) const {
  const std::lock_guard lock(mutex_);
  const auto found = contents_.find(path);
  return found == contents_.end() ? std::string() : found->second->bytes;
}

std::vector<std::string> FakeRegistry::object_paths() const {
  const std::lock_guard lock(mutex_);
  std::vector<std::string> paths;
  for (const auto& [path, content] : contents_) paths.push_back(path);
  return paths;
}

}  // namespace propeller::support
