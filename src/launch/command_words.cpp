#include "launch/command_words.hpp"

#include <optional>

namespace propeller::launch {

namespace {

constexpr std::string_view kBlanks = " \t\r\n";
constexpr std::string_view kEscapedInQuotes = "\"\\$`";

std::unexpected<Error> refused(std::string why) { return fail(Code::bad_config, Origin::client, std::move(why)); }

}  // namespace

Result<std::vector<std::string>> command_words(std::string_view line) {
  if (line.find('\0') != std::string_view::npos) return refused("a zero byte");
  std::vector<std::string> words;
  std::optional<std::string> word;
  char quote = 0;
  for (std::size_t i = 0; i < line.size(); ++i) {
    const char c = line[i];
    if (quote == 0 && kBlanks.find(c) != std::string_view::npos) {
      if (word) words.push_back(std::move(*word));
      word.reset();
      continue;
    }
    if (!word) word.emplace();
    if (c == quote) {
      quote = 0;
    } else if (quote == 0 && (c == '\'' || c == '"')) {
      quote = c;
    } else if (c == '\\' && quote != '\'') {
      if (i + 1 == line.size()) return refused("a backslash at the end");
      if (quote == '"' && kEscapedInQuotes.find(line[i + 1]) == std::string_view::npos) *word += c;
      *word += line[++i];
    } else {
      *word += c;
    }
  }
  if (quote != 0) return refused(std::string("a quote without its end: ") + quote);
  if (word) words.push_back(std::move(*word));
  if (words.empty()) return refused("a command is needed");
  return words;
}

}  // namespace propeller::launch
