#pragma once

#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "config/loader.hpp"
#include "config/variables.hpp"
#include "config/yaml.hpp"

namespace propeller::config {

inline constexpr std::size_t kYamlProblemsMax =
    100;  ///< errors of a file, and warnings; that there are more is told once

/// Where a file's problems go: "propeller-proxy.yaml:12: headers[\"*.x\"].conditions[0].header: ...".
class YamlReport {
 public:
  YamlReport(std::string file, Problems& problems) : file_(std::move(file)), problems_(problems) {}

  void error(std::size_t line, std::string_view path, std::string_view what);
  void warning(std::size_t line, std::string_view path, std::string_view what);

 private:
  [[nodiscard]] std::string place(std::size_t line, std::string_view path, std::string_view what) const;

  std::string file_;
  Problems& problems_;
  std::size_t errors_ = 0;
  std::size_t warnings_ = 0;
};

/// Whether a value may be repeated in a message.
enum class Show { value, nothing };

/// A map of the file, read key by key; what was not asked for when finish() is called is unknown, and an error.
///
/// Lifetime: the node and the report outlive it.
class YamlSection {
 public:
  using Set = std::function<Refusal(const std::string&)>;

  /// `node` may be null or of any kind; what is neither a map nor nothing is reported.
  YamlSection(const YamlNode* node, std::string path, YamlReport& report);

  /// The map; null when there is none.
  [[nodiscard]] const YamlNode* node() const { return node_; }
  [[nodiscard]] const std::string& path() const { return path_; }
  [[nodiscard]] std::string path_of(std::string_view name) const;
  [[nodiscard]] YamlReport& report() { return report_; }

  /// The value, null when it is missing or empty; known from now on.
  const YamlNode* take(std::string_view name);
  /// Whether the key stands in the file, with a value or without.
  [[nodiscard]] bool has(std::string_view name) const { return node_ != nullptr && node_->find(name) != nullptr; }

  /// The line of a key, or of the section when it is not there.
  [[nodiscard]] std::size_t line_of(std::string_view name) const;

  YamlSection section(std::string_view name) { return {take(name), path_of(name), report_}; }
  void value(std::string_view name, const Set& set, Show show = Show::value);
  void boolean(std::string_view name, bool& to);
  /// A list of texts, or one text alone; `add` is called for each.
  void list(std::string_view name, std::size_t entries_max, const Set& add);

  void finish();

 private:
  void set_from(const YamlNode& node, const std::string& path, const Set& set, Show show);

  const YamlNode* node_ = nullptr;
  std::size_t line_ = 1;
  std::string path_;
  YamlReport& report_;
  std::vector<std::string> known_;
};

/// `headers["*.x"]` for a key that is no plain word, `proxy.port` for one that is.
[[nodiscard]] std::string join_path(std::string_view path, std::string_view key);
[[nodiscard]] std::string item_path(std::string_view path, std::size_t index);

}  // namespace propeller::config
