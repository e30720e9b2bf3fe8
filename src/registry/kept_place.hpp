#pragma once

#include <string>
#include <unordered_map>

#include "registry/credentials.hpp"
#include "registry/url.hpp"

namespace propeller::registry {

/// Under which key of the content store something of a registry is kept.
struct KeptPlace {
  std::string key;
  /// Anybody may have it: no login of ours is involved. Then the forward proxy finds it, and may have put it there.
  bool is_shared = false;
};

/// Tells logins apart in keys, which are written to a disk: by all of a login, so that another one of the same name is
/// another one; and slowly, so that the name is little help to whoever guesses its password.
///
/// Bound:    of() takes some 50 ms for a login it does not know; it knows kLoginsMax.
/// Threads:  one.
class LoginNames {
 public:
  static constexpr std::size_t kLoginsMax = 16;

  [[nodiscard]] std::string of(const Credentials& login);
  [[nodiscard]] std::size_t size() const { return names_.size(); }

 private:
  std::unordered_map<std::string, std::string> names_;  ///< by login_hash()
};

/// The URL as the forward proxy's keys have it: without the port that the scheme has anyway.
[[nodiscard]] std::string shared_key(const Url& url);

/// Of content that its digest names. With a login it is the bridge's own, and of that login alone: an operator who
/// gives the bridge another one does not leave it what the former was allowed to have.
[[nodiscard]] KeptPlace place_of_content(const Url& url, const Credentials& login, LoginNames& names);

/// What a tag meant the last time; the bridge's own in any case, as it is not what the tag means now.
[[nodiscard]] std::string key_of_tag(const Url& url, const Credentials& login, LoginNames& names);

}  // namespace propeller::registry
