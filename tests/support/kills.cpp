#include "support/kills.hpp"

#include <cstdlib>

#include "base/digest.hpp"
#include "support/environment.hpp"

namespace propeller::support {

int kill_count(int usually) {
  const char* text = std::getenv("PROPELLER_KILLS");  // NOLINT(concurrency-mt-unsafe): nobody sets it
  return text != nullptr ? std::atoi(text) : usually;
}

BlobCount count_blobs(const std::filesystem::path& directory) {
  BlobCount count;
  for (const auto& file : std::filesystem::directory_iterator(directory)) {
    const bool is_right = base::sha256(read_file(file.path())).hex() == file.path().filename();
    ++(is_right ? count.right : count.wrong);
  }
  return count;
}

}  // namespace propeller::support
