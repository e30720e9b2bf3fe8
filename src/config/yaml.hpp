#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

#include "base/error.hpp"

namespace propeller::config {

inline constexpr std::size_t kYamlBytesMax = 1024 * 1024;
inline constexpr std::size_t kYamlDepthMax = 32;
inline constexpr std::size_t kYamlNodesMax = 100'000;  ///< what an alias stands for is counted again

struct YamlEntry;

/// One value of a YAML document, with the line it stands on. Scalars stay text: what they mean, the reader of a key
/// knows.
struct YamlNode {
  enum class Kind { null, scalar, list, map };

  Kind kind = Kind::null;
  std::size_t line = 0;            ///< from 1
  std::string text = {};           ///< of a scalar
  std::vector<YamlNode> items{};   ///< of a list
  std::vector<YamlEntry> entries;  ///< of a map, in the order of the file, keys unique

  /// The value at `key` of a map, or null.
  [[nodiscard]] const YamlNode* find(std::string_view key) const;
};

struct YamlEntry {
  std::string key;
  std::size_t line = 0;
  YamlNode value;
};

/// Reads one document. An empty text is a null node; aliases are replaced by what they stand for.
///
/// Bound:  kYamlBytesMax, kYamlDepthMax, kYamlNodesMax.
/// Errors: bad_config; the detail begins with "line N: ". A key that is there twice, a key that is no scalar and a
/// second
///         document are errors too.
[[nodiscard]] Result<YamlNode> parse_yaml(std::string_view text);

}  // namespace propeller::config
