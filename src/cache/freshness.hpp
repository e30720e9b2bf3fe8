#pragma once

#include <chrono>

#include "cache/packs.hpp"
#include "http/fields.hpp"

namespace propeller::cache {

using std::chrono::sys_seconds;

/// How long a response may be used without asking again.
struct Lifetime {
  seconds length{0};
  bool is_explicit = false;  ///< the origin said so; else guessed from Last-Modified, or 0
};

/// As a shared cache takes it: s-maxage before max-age before Expires, else a tenth of the time since Last-Modified, at
/// most a day, for statuses that may be guessed about. Pure. `received` is when the response came.
/// Source: RFC 9111 sections 4.2.1 and 4.2.2
[[nodiscard]] Lifetime lifetime(int status, http::FieldView fields, const ResponseDirectives& said,
                                sys_seconds received);

/// How old a response was when it came, by Age, by Date and by how long it took. Of several members of Age the first
/// counts; what is no number is passed over.
/// Source: RFC 9111 sections 4.2.3 and 5.1
[[nodiscard]] seconds initial_age(http::FieldView fields, sys_seconds requested, sys_seconds received);

/// A response as it was kept.
struct StoredResponse {
  int status = 200;
  http::FieldView fields;
  seconds initial_age{0};
  sys_seconds received;
  Keeping keeping = Keeping::as_said;
};

/// What a stored response is good for, now and for this request.
struct Verdict {
  enum class Use {
    fresh,           ///< as it is
    stale_at_once,   ///< as it is, while somebody asks whether it still holds (stale-while-revalidate)
    after_checking,  ///< once the origin has said that it still holds
  };
  Use use = Use::after_checking;
  seconds age{0};
  seconds time_left{0};              ///< until it is stale; below 0 since when it is
  bool may_outlive_silence = false;  ///< stale, when the origin cannot be reached
  bool may_outlive_errors = false;   ///< stale, when the origin answers 500, 502, 503 or 504
};
/// Nothing but what a pack calls unchanging is fresh for longer than `length_max`. Pure. Source: RFC 9111 sections 4.2
/// and 5.2, RFC 5861
[[nodiscard]] Verdict judge(const StoredResponse& stored, const RequestDirectives& asked, sys_seconds now,
                            seconds length_max = kSecondsMax);

}  // namespace propeller::cache
