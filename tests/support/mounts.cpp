#include "support/mounts.hpp"

#include <sched.h>
#include <sys/mount.h>
#include <sys/wait.h>
#include <unistd.h>

#include <fstream>
#include <string>

namespace propeller::support {

bool may_mount() {
  const pid_t child = ::fork();
  if (child == 0) ::_exit(::unshare(CLONE_NEWNS) == 0 ? 0 : 1);
  int status = 1;
  ::waitpid(child, &status, 0);
  return status == 0;
}

bool enter_mount_namespace() {
  if (::unshare(CLONE_NEWNS) != 0) {
    const uid_t user = ::geteuid();
    if (::unshare(CLONE_NEWUSER | CLONE_NEWNS) != 0) return false;
    if (!(std::ofstream("/proc/self/uid_map") << "0 " << user << " 1" << std::flush)) return false;
  }
  return ::mount("none", "/", nullptr, MS_REC | MS_PRIVATE, nullptr) == 0;
}

bool mount_small_disk(const std::filesystem::path& directory, const char* size, unsigned long flags) {
  const std::string options = std::string("size=") + size + ",mode=700";
  return ::mount("none", directory.c_str(), "tmpfs", flags, options.c_str()) == 0;
}

}  // namespace propeller::support
