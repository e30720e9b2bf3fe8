#include "store/directory_names.hpp"

#include <dirent.h>
#include <fcntl.h>
#include <unistd.h>

#include <memory>

namespace propeller::store {

void for_each_name(const base::FileDescriptor& directory, const std::function<void(const char*)>& visit) {
  const int copy = ::openat(directory.get(), ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (copy < 0) return;
  const std::unique_ptr<DIR, int (*)(DIR*)> stream(::fdopendir(copy), [](DIR* open) { return ::closedir(open); });
  if (!stream) {
    ::close(copy);
    return;
  }
  while (const dirent* entry = ::readdir(stream.get())) {
    if (entry->d_name[0] != '.') visit(entry->d_name);
  }
}

}  // namespace propeller::store
