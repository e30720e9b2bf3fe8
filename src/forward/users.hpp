#pragma once

#include <array>
#include <chrono>
#include <cstdint>
#include <filesystem>
#include <list>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>

#include "base/clock.hpp"
#include "base/error.hpp"
#include "base/secret.hpp"

namespace propeller::forward {

struct Login {
  std::string name;
  Secret password;

  friend bool operator==(const Login&, const Login&) = default;
};

/// The name and password of `Basic dXNlcjpwYXNz`, the value of Proxy-Authorization. Source: RFC 7617
[[nodiscard]] std::optional<Login> parse_basic(std::string_view value);

/// The users of an htpasswd file.
///
/// Bound:   kUsersMax users, kUsersBytesMax of text.
/// Threads: any; immutable.
class Users {
 public:
  static constexpr std::size_t kUsersMax = 10'000;
  static constexpr std::size_t kUsersBytesMax = 4 * 1024 * 1024;

  /// Errors: bad_config with the line. A hash of a kind that cannot be verified is an error: that user could never
  /// come.
  [[nodiscard]] static Result<Users> parse(std::string_view text);

  /// Takes as long for a name that is not there as for one that is. Slow on purpose: goes through offload().
  [[nodiscard]] bool verify(const Login& login) const;
  [[nodiscard]] std::size_t size() const { return hashes_.size(); }

 private:
  std::map<std::string, std::string, std::less<>> hashes_;
};

/// The users of a file; null for an empty path: nobody has to log in. Errors: bad_config with the file and the line.
[[nodiscard]] Result<std::shared_ptr<const Users>> load_users(const std::filesystem::path& file);

/// Logins that were verified a short while ago, so that a hash that takes 50 ms is not computed for every request.
///
/// Bound:   kEntriesMax; the one that was verified first makes room.
/// Threads: any.
class VerifiedLogins {
 public:
  static constexpr std::size_t kEntriesMax = 1024;
  static constexpr std::chrono::minutes kLifetime{5};

  VerifiedLogins();

  [[nodiscard]] bool contains(const Login& login, base::Clock::time_point now);
  void add(const Login& login, base::Clock::time_point now);
  /// When the file has changed.
  void clear();

 private:
  using Print = std::array<std::uint8_t, 32>;
  struct Entry {
    Print print;
    base::Clock::time_point until;
  };

  [[nodiscard]] Print print(const Login& login) const;

  std::string salt_;  ///< of this process: what is kept is of no use elsewhere
  std::mutex mutex_;
  std::list<Entry> entries_;  ///< oldest first
  std::map<Print, std::list<Entry>::iterator> index_;
};

}  // namespace propeller::forward
