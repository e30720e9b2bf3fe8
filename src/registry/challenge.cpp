#include "registry/challenge.hpp"

#include <algorithm>
#include <optional>

namespace propeller::registry {

namespace {

char lower(char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c + ('a' - 'A')) : c; }

bool is_token_char(char c) {
  const bool is_alnum = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
  return is_alnum || std::string_view("!#$%&'*+-.^_`|~").find(c) != std::string_view::npos;
}

bool is_token68_char(char c) {
  const bool is_alnum = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
  return is_alnum || std::string_view("-._~+/").find(c) != std::string_view::npos;
}

// Reads the field from front to back; every take_ leaves its place alone when it does not fit.
class Scanner {
 public:
  explicit Scanner(std::string_view text) : rest_(text) {}

  [[nodiscard]] bool is_at_end() const { return rest_.empty(); }

  bool skip_blanks() {
    const auto before = rest_.size();
    while (!rest_.empty() && (rest_.front() == ' ' || rest_.front() == '\t')) rest_.remove_prefix(1);
    return rest_.size() != before;
  }

  void skip_list_separators() {
    while (skip_blanks() || take(',')) {
    }
  }

  bool take(char c) {
    if (!rest_.starts_with(c)) return false;
    rest_.remove_prefix(1);
    return true;
  }

  std::string take_token() {
    const auto end = std::ranges::find_if_not(rest_, is_token_char);
    std::string token(rest_.begin(), end);
    rest_.remove_prefix(token.size());
    return token;
  }

  // A token68 ends its challenge: only a comma or the end may follow, or else it is a parameter's name.
  std::optional<std::string> take_token68() {
    auto end = std::ranges::find_if_not(rest_, is_token68_char);
    if (end == rest_.begin()) return std::nullopt;
    while (end != rest_.end() && *end == '=') ++end;
    const std::string_view after(end, rest_.end());
    const auto next = after.find_first_not_of(" \t");
    if (next != after.npos && after[next] != ',') return std::nullopt;
    std::string value(rest_.begin(), end);
    rest_.remove_prefix(value.size());
    return value;
  }

  std::optional<std::string> take_quoted() {
    if (!take('"')) return std::nullopt;
    std::string value;
    while (!rest_.empty()) {
      const char c = rest_.front();
      rest_.remove_prefix(1);
      if (c == '"') return value;
      if (c != '\\') {
        value.push_back(c);
        continue;
      }
      if (rest_.empty()) return std::nullopt;
      value.push_back(rest_.front());
      rest_.remove_prefix(1);
    }
    return std::nullopt;
  }

  // `name BWS = BWS (token / quoted-string)`; nothing when it is something else, such as the next challenge.
  enum class Parameter { taken, none, malformed };
  Parameter take_parameter(std::pair<std::string, std::string>& parameter) {
    const auto before = rest_;
    parameter.first = take_token();
    std::ranges::transform(parameter.first, parameter.first.begin(), lower);
    skip_blanks();
    if (parameter.first.empty() || !take('=')) {
      rest_ = before;
      return Parameter::none;
    }
    skip_blanks();
    if (rest_.starts_with('"')) {
      auto value = take_quoted();
      if (!value) return Parameter::malformed;
      parameter.second = std::move(*value);
      return Parameter::taken;
    }
    parameter.second = take_token();
    return parameter.second.empty() ? Parameter::malformed : Parameter::taken;
  }

  [[nodiscard]] std::string_view rest() const { return rest_; }

 private:
  std::string_view rest_;
};

std::unexpected<Error> malformed() {
  return fail(Code::registry_unavailable, Origin::upstream, "the registry's WWW-Authenticate field is malformed");
}

Result<void> take_parameters(Scanner& scanner, Challenge& challenge) {
  for (;;) {
    std::pair<std::string, std::string> parameter;
    const auto taken = scanner.take_parameter(parameter);
    if (taken == Scanner::Parameter::malformed) return malformed();
    if (taken == Scanner::Parameter::none) return {};
    if (challenge.parameters.size() == kChallengeParametersMax) return malformed();
    challenge.parameters.push_back(std::move(parameter));
    scanner.skip_blanks();
    if (!scanner.is_at_end() && !scanner.rest().starts_with(',')) return malformed();
    scanner.skip_list_separators();
  }
}

}  // namespace

std::string_view Challenge::parameter(std::string_view name) const {
  const auto found =
      std::ranges::find(parameters, name, [](const auto& parameter) { return std::string_view(parameter.first); });
  return found == parameters.end() ? std::string_view{} : std::string_view(found->second);
}

Result<std::vector<Challenge>> parse_challenges(std::string_view field) {
  if (field.size() > kChallengeBytesMax) return malformed();
  std::vector<Challenge> challenges;
  Scanner scanner(field);
  for (scanner.skip_list_separators(); !scanner.is_at_end(); scanner.skip_list_separators()) {
    Challenge challenge;
    challenge.scheme = scanner.take_token();
    std::ranges::transform(challenge.scheme, challenge.scheme.begin(), lower);
    if (challenge.scheme.empty() || challenges.size() == kChallengesMax) return malformed();
    const bool has_blank = scanner.skip_blanks();
    if (!has_blank && !scanner.is_at_end() && !scanner.rest().starts_with(',')) return malformed();
    if (has_blank) {
      if (auto token68 = scanner.take_token68()) {
        challenge.token68 = std::move(*token68);
      } else if (auto taken = take_parameters(scanner, challenge); !taken) {
        return std::unexpected(taken.error());
      }
    }
    challenges.push_back(std::move(challenge));
  }
  return challenges;
}

const Challenge* find_challenge(const std::vector<Challenge>& challenges, std::string_view scheme) {
  const auto found = std::ranges::find(challenges, scheme,
                                       [](const Challenge& challenge) { return std::string_view(challenge.scheme); });
  return found == challenges.end() ? nullptr : &*found;
}

}  // namespace propeller::registry
