#pragma once

#include <string>

#include "registry/credentials.hpp"
#include "registry/url.hpp"

namespace propeller::registry {

/// Under which key of the content store something of a registry is kept.
struct KeptPlace {
  std::string key;
  /// Anybody may have it: no login of ours is involved. Then the forward proxy finds it, and may have put it there.
  bool is_shared = false;
};

/// The URL as the forward proxy's keys have it: without the port that the scheme has anyway.
[[nodiscard]] std::string shared_key(const Url& url);

/// Of content that its digest names. With a login it is the bridge's own, and of that login alone: an operator who
/// gives the bridge another one does not leave it what the former was allowed to have.
[[nodiscard]] KeptPlace place_of_content(const Url& url, const Credentials& login);

/// What a tag meant the last time; the bridge's own in any case, as it is not what the tag means now.
[[nodiscard]] std::string key_of_tag(const Url& url, const Credentials& login);

}  // namespace propeller::registry
