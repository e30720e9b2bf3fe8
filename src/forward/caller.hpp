#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "config/forward_settings.hpp"
#include "http/fields.hpp"

namespace propeller::forward {

/// Who asks for content, as far as its registry tells callers apart.
struct Caller {
  enum class Login {
    none,
    callers,  ///< brought by the caller
    own       ///< the proxy's own: of the mirror's upstream, or of a header rule
  };

  Login login = Login::none;
  std::string name;  ///< of these credentials for this repository: a hash, 64 hex digits
};

/// What is asked for, and with what.
struct CallersQuestion {
  std::string_view url;                           ///< scheme, authority, path
  http::FieldView asked;                          ///< the caller's own fields
  http::FieldView sent;                           ///< as they go to the registry
  const std::vector<std::string>& secret_fields;  ///< of those, what our header rules added
  std::string_view own_login;  ///< whose credentials of the mirror go with it, which no field shows yet; or empty
};

/// A registry gives rights by repository: the name is the same for all that is in one. Of any other URL it is the
/// URL's own.
[[nodiscard]] Caller caller_of(const CallersQuestion& question);

/// Under which key content is kept that came with credentials, beside `key` for everybody; nothing: it is not kept.
/// Those whom the registry accepts share it; under proxy_credentials, where it is not asked, those who use the same of
/// the proxy's own.
[[nodiscard]] std::optional<std::string> private_key(std::string_view key, const Caller& caller,
                                                     config::PrivateContent content);

}  // namespace propeller::forward
