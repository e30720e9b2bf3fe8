#pragma once

#include <chrono>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <string>
#include <string_view>

/// What a test needs of its machine: a place for files, a free port, waiting on a condition.
/// Everything in tests/support throws std::runtime_error when the machine lets it down: a test then fails with the
/// text.
namespace propeller::support {

using std::chrono::milliseconds;

/// Long enough for a busy two-core machine under a sanitizer; nothing that works comes near it.
inline constexpr milliseconds kPatience{30'000};

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
inline constexpr bool kIsSanitized = true;
#elif defined(__has_feature)
inline constexpr bool kIsSanitized = __has_feature(address_sanitizer) || __has_feature(thread_sanitizer);
#else
inline constexpr bool kIsSanitized = false;
#endif

/// A directory of its own, removed with everything in it.
class TempDir {
 public:
  TempDir();
  ~TempDir();
  TempDir(const TempDir&) = delete;
  TempDir& operator=(const TempDir&) = delete;

  [[nodiscard]] const std::filesystem::path& path() const { return path_; }
  [[nodiscard]] std::filesystem::path operator/(std::string_view name) const { return path_ / name; }

 private:
  std::filesystem::path path_;
};

void write_file(const std::filesystem::path& path, std::string_view content);
[[nodiscard]] std::string read_file(const std::filesystem::path& path);

/// A TCP port that nobody uses on any IPv4 address now, and that no other test gets, from below the kernel's range for
/// outgoing connections, so that it stays free for a restart of the server that takes it.
[[nodiscard]] std::uint16_t free_port();

[[nodiscard]] bool can_connect(std::uint16_t port);

/// Asks again until it is true or the time is over; returns the last answer.
[[nodiscard]] bool wait_until(const std::function<bool()>& condition, milliseconds limit = kPatience);

}  // namespace propeller::support
