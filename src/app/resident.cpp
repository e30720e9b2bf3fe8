#include "app/resident.hpp"

#include <malloc.h>
#include <sys/mman.h>
#include <unistd.h>

#include <charconv>
#include <fstream>
#include <string>
#include <string_view>

namespace propeller::app {

namespace {

struct ResidentMemory {
  double all_bytes = 0, of_files_bytes = 0;
};

ResidentMemory resident_memory() {
  std::ifstream statm("/proc/self/statm");
  double total = 0;
  double resident = 0;
  double shared = 0;
  statm >> total >> resident >> shared;
  const auto page = static_cast<double>(sysconf(_SC_PAGESIZE));
  return {.all_bytes = resident * page, .of_files_bytes = shared * page};
}

}  // namespace

void release_resident_pages() {
  malloc_trim(0);
  std::ifstream maps("/proc/self/maps");
  for (std::string line; std::getline(maps, line);) {
    // Text of files only: it cannot have been written, so what is dropped is the same when it comes back. Read-only
    // data may hold relocations that exist in memory alone.
    if (line.find(" r-xp ") == std::string::npos || line.find('/') == std::string::npos) continue;
    std::uintptr_t begin = 0;
    std::uintptr_t end = 0;
    const std::string_view text = line;
    const auto dash = text.find('-');
    const auto blank = text.find(' ');
    if (dash == std::string_view::npos || blank < dash) continue;
    if (std::from_chars(text.data(), text.data() + dash, begin, 16).ec != std::errc{}) continue;
    if (std::from_chars(text.data() + dash + 1, text.data() + blank, end, 16).ec != std::errc{}) continue;
    // Only advice: where the kernel refuses it, nothing is lost.
    (void)madvise(reinterpret_cast<void*>(begin), end - begin, MADV_DONTNEED);  // NOLINT(performance-no-int-to-ptr)
  }
}

void release_free_heap() {
  // Stacks and data of libraries are in memory besides what is allocated.
  constexpr double kOtherBytes = 6.0 * 1024 * 1024;
  const struct mallinfo2 heap = mallinfo2();
  const auto used = static_cast<double>(heap.uordblks) + static_cast<double>(heap.hblkhd);
  const auto memory = resident_memory();
  if (memory.all_bytes - memory.of_files_bytes > used + kOtherBytes) malloc_trim(0);
}

double resident_bytes() { return resident_memory().all_bytes; }

}  // namespace propeller::app
