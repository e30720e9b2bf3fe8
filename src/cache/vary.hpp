#pragma once

#include <optional>
#include <string>
#include <vector>

#include "http/fields.hpp"

namespace propeller::cache {

/// More names than any origin has reason for; with more a response is as good as `Vary: *`.
inline constexpr std::size_t kVaryNamesMax = 16;

/// The request's fields that a response was chosen by: in lower case, sorted, each once. Empty when it varies by
/// nothing. Nothing for "*" and for what is malformed: no other request is answered with it.
/// Source: RFC 9111 section 4.1
[[nodiscard]] std::optional<std::vector<std::string>> vary_names(http::FieldView response);

/// "accept-encoding,accept-language", and back.
[[nodiscard]] std::string join_names(const std::vector<std::string>& names);
[[nodiscard]] std::vector<std::string> split_names(std::string_view text);

/// The request's values of those fields in normal form, as 64 hex digits: equal for requests that mean the same.
/// Several fields of one name are one list; blanks around commas do not count; of Accept, Accept-Charset,
/// Accept-Encoding and Accept-Language neither case nor order do.
[[nodiscard]] std::string variant_of(const std::vector<std::string>& names, http::FieldView request);

}  // namespace propeller::cache
