#pragma once

#include <memory>
#include <string>
#include <string_view>

#include "async/core.hpp"
#include "store/blob_digest.hpp"
#include "store/open_blob.hpp"

namespace propeller::store {

/// What stands behind a store and is shared with others: asked before an upstream is, and told what came from one.
///
/// It knows what anybody may have, and nothing else: whoever asks does so for such a key, and offers such content only.
///
/// Errors:   none: what cannot be brought, or not soon, is not there.
/// Threads:  any core; bring() resumes on the caller's.
class Backing {
 public:
  /// True: the blob is in the store now, and an entry under the key names it.
  [[nodiscard]] virtual async::awaitable<bool> bring(std::string key, BlobDigest digest) = 0;
  /// That the upstream gave this under the key to somebody who said no word about who he is. Returns at once.
  virtual void offer(std::string key, std::shared_ptr<const OpenBlob> blob, std::string_view header_text) = 0;
  /// That the upstream has taken away or changed what is under the key. Returns at once.
  virtual void forget(std::string key) = 0;

 protected:
  ~Backing() = default;
};

}  // namespace propeller::store
