#include "forward/no_proxy.hpp"

#include <algorithm>
#include <charconv>

#include "forward/host_pattern.hpp"

namespace propeller::forward {

namespace {

struct Parts {
  std::string_view host;
  std::optional<std::uint16_t> port;
};

std::optional<std::uint16_t> parse_port(std::string_view text) {
  std::uint16_t port = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), port);
  if (error != std::errc{} || end != text.data() + text.size()) return std::nullopt;
  return port;
}

Parts split(std::string_view entry) {
  if (entry.starts_with('[')) {
    const auto close = entry.find(']');
    if (close == std::string_view::npos) return {entry, std::nullopt};
    const auto rest = entry.substr(close + 1);
    return {entry.substr(1, close - 1), rest.starts_with(':') ? parse_port(rest.substr(1)) : std::nullopt};
  }
  const auto colon = entry.find(':');
  if (colon == std::string_view::npos || colon != entry.rfind(':')) return {entry, std::nullopt};
  return {entry.substr(0, colon), parse_port(entry.substr(colon + 1))};
}

bool has_port(const std::optional<std::uint16_t>& wanted, std::uint16_t port) { return !wanted || *wanted == port; }

}  // namespace

NoProxy::NoProxy(const std::vector<std::string>& entries) {
  for (const auto& entry : entries) {
    if (entry == "*") {
      is_everything_ = true;
      continue;
    }
    auto [host, port] = split(entry);
    if (auto range = AddressRange::parse(host)) {
      addresses_.push_back({*range, port});
      continue;
    }
    const bool is_below_only = host.starts_with("*.");
    if (is_below_only) {
      host.remove_prefix(2);
    } else if (host.starts_with('.')) {
      host.remove_prefix(1);
    }
    if (!host.empty()) names_.push_back({host_of(host), !is_below_only, port});
  }
}

bool NoProxy::matches(std::string_view host, std::uint16_t port) const {
  if (is_everything_) return true;
  if (const auto literal = literal_address(host)) {
    return std::ranges::any_of(
        addresses_, [&](const Address& one) { return one.range.contains(*literal) && has_port(one.port, port); });
  }
  return std::ranges::any_of(names_, [&](const Name& one) {
    if (!has_port(one.port, port)) return false;
    if (host == one.name) return one.is_itself_in;
    return host.size() > one.name.size() + 1 && host.ends_with(one.name) &&
           host[host.size() - one.name.size() - 1] == '.';
  });
}

}  // namespace propeller::forward
