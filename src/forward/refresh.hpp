#pragma once

#include <memory>
#include <optional>
#include <string>
#include <variant>

#include "forward/cache_fill.hpp"
#include "forward/cached_responses.hpp"
#include "http/client.hpp"

namespace propeller::forward {

/// One question to the origin about one URL, by the rules of HTTP: what comes is kept where it may be, what was there
/// is confirmed by a 304.
///
/// Threads:  one core. Lifetime: of whoever asks; the parts outlive it.
/// Source:   RFC 9111 sections 3 and 4.3
class Refresh {
 public:
  struct Parts {
    store::ContentStore& store;
    CacheFills& fills;
    std::string name;  ///< ours in Via
  };
  struct Question {
    std::string url;    ///< the key
    std::string place;  ///< where the response was looked for
    std::shared_ptr<const ContentOrigin> origin;
    std::optional<CachedResponse> stored;
    std::uint64_t generation = 0;  ///< of the URL, see Invalidations
    bool is_request_no_store = false;
    bool may_be_part = false;         ///< a range is asked for: a 206 is kept, too
    bool is_text_compressed = false;  ///< in the store
    cache::Keeping keeping = cache::Keeping::as_said;
  };

  /// It is being kept: the flight's readers get it. The fields are the client's own.
  struct Begun {
    int status = 0;
    http::Fields fields;
  };
  /// What was there still holds.
  struct Confirmed {
    CachedResponse response;
  };
  /// Not for others. Unless it is an error, what was there has been forgotten.
  struct Passed {
    http::Response response;
  };
  using Outcome = std::variant<Begun, Confirmed, Passed>;

  Refresh(Parts parts, Question question) : parts_(std::move(parts)), question_(std::move(question)) {}

  /// Errors: of the client; the writer has failed with it.
  [[nodiscard]] async::awaitable<Result<Outcome>> run(std::unique_ptr<store::BlobWriter> writer,
                                                      http::InformationalSink* informational);

 private:
  [[nodiscard]] bool may_be_kept(const http::ClientResponse& response, cache::Keeping keeping,
                                 cache::sys_seconds received) const;
  [[nodiscard]] async::awaitable<std::string> place_of(const http::ClientResponse& response,
                                                       const std::vector<std::string>& vary_names);
  async::awaitable<void> drop_other_parts(const http::ClientResponse& response);
  [[nodiscard]] store::BlobHead head_of(const http::ClientResponse& response, const cache::ResponseNote& note,
                                        cache::sys_seconds received) const;

  Parts parts_;
  Question question_;
};

}  // namespace propeller::forward
