#include "app/open_files.hpp"

#include <sys/resource.h>

namespace propeller::app {

void raise_open_files_limit() {
  rlimit limit{};
  if (::getrlimit(RLIMIT_NOFILE, &limit) != 0) return;
  limit.rlim_cur = limit.rlim_max;
  (void)::setrlimit(RLIMIT_NOFILE, &limit);  // up to the hard limit nobody is refused
}

}  // namespace propeller::app
