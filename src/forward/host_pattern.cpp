#include "forward/host_pattern.hpp"

#include <algorithm>

namespace propeller::forward {

namespace {

std::string lower(std::string_view text) {
  std::string out(text);
  for (char& c : out) c = c >= 'A' && c <= 'Z' ? static_cast<char>(c + ('a' - 'A')) : c;
  return out;
}

}  // namespace

std::string host_of(std::string_view authority) {
  if (authority.starts_with('[')) return lower(authority.substr(1, authority.find(']') - 1));
  // More than one colon: an IPv6 address that came without brackets.
  if (const auto colon = authority.find(':'); colon == authority.rfind(':')) authority = authority.substr(0, colon);
  if (authority.size() > 1 && authority.ends_with('.')) authority.remove_suffix(1);
  return lower(authority);
}

HostPattern::HostPattern(std::string_view text) : text_(lower(text)) {
  if (text_ == "*") {
    kind_ = Kind::any;
  } else if (text_.starts_with("*.")) {
    kind_ = Kind::suffix;
  } else if (text_.ends_with(".*")) {
    kind_ = Kind::prefix;
  }
}

bool HostPattern::matches(std::string_view host) const {
  const std::string_view text = text_;
  switch (kind_) {
    case Kind::exact: return host == text;
    case Kind::any: return true;
    case Kind::suffix: return host.size() > text.size() - 1 && host.ends_with(text.substr(1));
    case Kind::prefix: return host.size() > text.size() - 1 && host.starts_with(text.substr(0, text.size() - 1));
  }
  return false;
}

std::weak_ordering operator<=>(const HostPattern& a, const HostPattern& b) {
  const bool is_a_exact = a.kind_ == HostPattern::Kind::exact;
  const bool is_b_exact = b.kind_ == HostPattern::Kind::exact;
  if (is_a_exact != is_b_exact) return is_a_exact ? std::weak_ordering::less : std::weak_ordering::greater;
  if (a.text_.size() != b.text_.size()) return b.text_.size() <=> a.text_.size();
  return a.text_ <=> b.text_;
}

HostPatterns::HostPatterns(const std::vector<std::string>& texts) {
  for (const auto& text : texts) {
    if (text.find('*') == std::string::npos) {
      exact_.push_back(lower(text));
    } else {
      wildcards_.emplace_back(text);
    }
  }
  std::ranges::sort(exact_);
}

bool HostPatterns::matches(std::string_view host) const {
  return std::ranges::binary_search(exact_, host) ||
         std::ranges::any_of(wildcards_, [&](const HostPattern& pattern) { return pattern.matches(host); });
}

}  // namespace propeller::forward
