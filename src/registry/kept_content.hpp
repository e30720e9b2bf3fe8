#pragma once

#include <algorithm>
#include <boost/asio/thread_pool.hpp>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "async/core.hpp"
#include "async/task_group.hpp"
#include "base/digest.hpp"
#include "base/units.hpp"
#include "store/content_store.hpp"

namespace propeller::registry {

/// A manifest, byte for byte.
struct Document {
  std::string text;
  std::string content_type;
  Digest digest;
  bool is_from_memory = false;  ///< the registry does not answer: this is what it said before
};

/// What one of several downloads may hold before it writes it: large pieces cost less, and all of them together are
/// bounded.
///
/// Threads: one core.
class UnwrittenShare {
 public:
  static constexpr std::size_t kBytesMax = 1 * base::kMiB;  ///< of all
  static constexpr std::size_t kSharersMax = 8;
  static constexpr std::size_t kPieceBytesMax = 128 * base::kKiB, kPieceBytesMin = 16 * base::kKiB;

  explicit UnwrittenShare(std::shared_ptr<std::size_t> sharers) : sharers_(std::move(sharers)) { ++*sharers_; }
  ~UnwrittenShare() { --*sharers_; }
  UnwrittenShare(const UnwrittenShare&) = delete;
  UnwrittenShare& operator=(const UnwrittenShare&) = delete;

  [[nodiscard]] std::size_t piece_bytes() const {
    return std::clamp<std::size_t>(kBytesMax / *sharers_, kPieceBytesMin, kPieceBytesMax);
  }

 private:
  const std::shared_ptr<std::size_t> sharers_;
};

/// A download into the store that has come to its end.
struct Publication {
  std::unique_ptr<store::BlobWriter> writer;
  std::unique_ptr<UnwrittenShare> share;  ///< until the rest is written
  std::string key;
  std::string rest = {};          ///< not written yet
  store::BlobHead head;           ///< where the writer has not begun
  bool is_for_everybody = false;  ///< whoever shares the store may have it, too
};

/// The content store as the client of registries uses it.
///
/// Errors:   a store that is full, broken or crowded keeps nothing and has nothing; nobody hears more of it.
/// Bound:    documents of kManifestBytesMax, kWritingMax keys of them being written: beyond that nothing is kept;
///           downloads by ContentStore::kFlightsMax.
/// Threads:  one core; reading and writing on the pools.
/// Lifetime: `store` and `pool` outlive it. stop() before it goes.
/// Source:   docs/adr/0007-the-bridge-on-the-store.md
class KeptContent {
 public:
  static constexpr std::size_t kWritingMax = 32;

  /// For a download that is about to hold bytes back; null when too many do: it is not kept.
  [[nodiscard]] std::unique_ptr<UnwrittenShare> share() const {
    return *sharers_ < UnwrittenShare::kSharersMax ? std::make_unique<UnwrittenShare>(sharers_) : nullptr;
  }

  KeptContent(const async::asio::any_io_executor& executor, store::ContentStore& store, async::asio::thread_pool& pool);

  /// Null when there is none, or when what is under the key is not for everybody who may look there.
  [[nodiscard]] async::awaitable<std::shared_ptr<const store::OpenBlob>> find_blob(std::string key);
  [[nodiscard]] async::awaitable<std::optional<Document>> find_document(std::string key);
  /// What the tag under this URL stood for when a client of the forward proxy asked last, of what anybody may have.
  [[nodiscard]] async::awaitable<std::optional<Digest>> find_tag(std::string url);
  /// The registry says that there is no such tag any more for anybody.
  [[nodiscard]] async::awaitable<void> forget_tag(std::string url);
  /// Under all of these keys, in the place of what was there, beside whatever the caller does next. Of one key the
  /// last that was said holds, whatever is being written.
  void keep_document(const std::vector<std::string>& keys, Document document);
  /// find_document() has nothing of it from now on.
  void forget(const std::string& key);

  /// What find_blob() did not find, from those who share the store. Of keys that anybody may look under only.
  [[nodiscard]] async::awaitable<std::shared_ptr<const store::OpenBlob>> bring_blob(std::string key, Digest digest);

  /// The place in a download of the key, see ContentStore::join(); nothing of it when the store is crowded.
  [[nodiscard]] async::awaitable<store::Joined> join(std::string key, Digest digest);
  /// Reads it off the core. Lifetime: who keeps the file open does so until this returns.
  [[nodiscard]] async::awaitable<Result<std::string>> read_piece(store::FilePiece piece);
  /// The last byte is there: writes what is not written yet and makes an entry of it, beside whatever the caller does
  /// next.
  void publish(Publication publication) { writing_.spawn(publish_now(std::move(publication))); }
  /// Waits for what is being written.
  [[nodiscard]] async::awaitable<void> stop() { return writing_.join(); }

 private:
  [[nodiscard]] async::awaitable<std::vector<store::Entry>> list_tag(std::string url);
  using Wish = std::shared_ptr<const Document>;  ///< null: to be forgotten
  struct Pending {
    Wish last;
    bool is_new = true;  ///< nobody has begun with it
  };
  void set(const std::string& key, Wish wish);
  [[nodiscard]] async::awaitable<void> write_pending(std::string key);
  [[nodiscard]] async::awaitable<void> write_document(std::string key, const Document& document);
  [[nodiscard]] static async::awaitable<bool> write_rest(Publication& publication);
  [[nodiscard]] async::awaitable<void> publish_now(Publication publication);
  [[nodiscard]] async::awaitable<bool> put_entry(std::string key, const store::BlobHead& head, Digest digest,
                                                 std::uint64_t size);

  store::ContentStore& store_;
  async::asio::thread_pool& pool_;
  std::unordered_map<std::string, Pending> pending_;
  const std::shared_ptr<std::size_t> sharers_ = std::make_shared<std::size_t>(0);
  async::TaskGroup writing_;
};

/// The fields that a registry sends with a content, as entries keep them.
[[nodiscard]] std::string kept_fields(std::string_view content_type, const Digest& digest);
/// The opposite of the first of them; empty when there is none.
[[nodiscard]] std::string kept_content_type(std::string_view header_text);

}  // namespace propeller::registry
