// A program with one fault, to test that tests see what a sanitizer finds: faulty race|leak|overflow|none
#include <csignal>
#include <cstdio>
#include <string_view>
#include <thread>

namespace {

int shared_counter = 0;
int* volatile kept = nullptr;

void race() {
  std::jthread other([] { ++shared_counter; });
  ++shared_counter;
}

// Two frames deep and overwritten, so that no register or stack slot still holds the pointer.
[[gnu::noinline]] void leak() {
  kept = new int(7);
  kept = nullptr;
}

[[gnu::noinline]] int overflow(int value) { return value + 1; }

}  // namespace

int main(int count, char** arguments) {
  const std::string_view fault = count > 1 ? arguments[1] : "none";
  sigset_t wanted;
  sigemptyset(&wanted);
  sigaddset(&wanted, SIGTERM);
  pthread_sigmask(SIG_BLOCK, &wanted, nullptr);
  if (fault == "race") race();
  if (fault == "leak") leak();
  if (fault == "overflow") std::printf("%d\n", overflow(2'147'483'645 + count));
  std::puts("ready");
  std::fflush(stdout);
  int number = 0;
  sigwait(&wanted, &number);
  return 0;
}
