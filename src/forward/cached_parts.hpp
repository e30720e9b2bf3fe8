#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "cache/directives.hpp"
#include "cache/entry_note.hpp"
#include "cache/freshness.hpp"
#include "forward/byte_range.hpp"
#include "http/body.hpp"
#include "http/fields.hpp"
#include "store/content_store.hpp"

namespace propeller::forward {

/// Which bytes a 206 brings: those that its Content-Range names, when it names them and has as many. Nothing for
/// several ranges in one body. Pure.
[[nodiscard]] std::optional<ContentRange> part_of(int status, http::FieldView fields,
                                                  std::optional<std::uint64_t> length);

/// The parts of one response that are kept while its whole is not, each in an entry of its own beside the place of the
/// whole. Parts are put together only when the same strong ETag says that they are of one content.
///
/// Bound:    kPartsMax of one response, but for those that are arriving at the same time: the oldest makes room. One
///           answer is put together out of kSlicesMax of them, each an open file.
/// Threads:  one core. Lifetime: the store outlives it.
/// Source:   RFC 9110 section 15.3.7.3, RFC 9111 section 3.4
class CachedParts {
 public:
  static constexpr std::size_t kPartsMax = 64;
  static constexpr std::size_t kSlicesMax = 8;

  /// `place` is the key of the whole, see CachedResponses.
  CachedParts(store::ContentStore& store, std::string place) : store_(store), place_(std::move(place)) {}

  /// Where this part goes, after making room for it.
  [[nodiscard]] async::awaitable<std::string> place_for(ContentRange range);
  /// Parts of another content go: those whose strong ETag is not this one, or of another length, where that is known.
  async::awaitable<void> keep_only(std::string_view etag, std::optional<std::uint64_t> size);

  struct Question {
    std::string_view range;     ///< the Range field
    std::string_view if_range;  ///< empty: none
    const cache::RequestDirectives& asked;
    cache::seconds ttl_max;
  };
  struct Found {
    http::Fields fields;  ///< with Content-Range
    std::unique_ptr<http::BodySource> body;
    cache::seconds age{0};        ///< of the oldest
    cache::seconds time_left{0};  ///< of the one that is stale first
    std::int64_t stored_at = 0;
  };
  /// Nothing unless all of the range is there, and fresh.
  [[nodiscard]] async::awaitable<std::optional<Found>> find(Question question);

 private:
  struct Part {
    store::Entry entry;
    http::Fields fields;
    ContentRange range;
    std::string etag;  ///< empty: none that is strong
    cache::Verdict verdict = {};
  };
  struct Chosen {
    std::vector<Part> parts;
    std::vector<PartSlice> slices;
    ByteRange range;
  };

  [[nodiscard]] async::awaitable<std::vector<Part>> list();
  [[nodiscard]] static cache::Verdict verdict_on(const Part& part, const Question& question);
  [[nodiscard]] static std::optional<Chosen> choose(std::vector<Part> parts, const Question& question);
  [[nodiscard]] static std::optional<Chosen> choose_of(std::vector<Part>& parts, std::size_t newest,
                                                       const Question& question);
  [[nodiscard]] async::awaitable<std::unique_ptr<http::BodySource>> body_of_all(const Chosen& chosen);

  store::ContentStore& store_;
  std::string place_;
};

}  // namespace propeller::forward
