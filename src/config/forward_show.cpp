#include "config/forward_show.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <concepts>

#include "config/forward_keys.hpp"
#include "config/parse.hpp"

namespace propeller::config {

namespace {

std::string text_of(const std::string& value) { return value; }
std::string text_of(const std::filesystem::path& value) { return value.string(); }
std::string text_of(bool value) { return value ? "true" : "false"; }
std::string text_of(std::integral auto value) { return fmt::to_string(value); }
std::string text_of(std::chrono::milliseconds value) { return format_duration(value); }
std::string text_of(EvictionPolicy value) { return std::string(to_string(value)); }
std::string text_of(PrivateContent value) { return std::string(to_string(value)); }
std::string text_of(CachePack value) { return std::string(to_string(value)); }
std::string text_of(ApiAuth value) { return std::string(to_string(value)); }
std::string text_of(LogFormat value) { return std::string(to_string(value)); }

std::string text_of(const Endpoint& value) {
  const bool is_v6 = value.address.find(':') != std::string::npos;
  return fmt::format("{}{}{}:{}", is_v6 ? "[" : "", value.address, is_v6 ? "]" : "", value.port);
}

std::string text_of(const std::optional<UpstreamProxy>& value) {
  if (!value) return {};
  return fmt::format("{}://{}{}:{}", to_string(value->scheme), value->username.empty() ? "" : "***@", value->host,
                     value->port);
}

template <class T>
std::string text_of(const std::vector<T>& values) {
  std::vector<std::string> texts;
  for (const auto& value : values) texts.push_back(text_of(value));
  return fmt::format("{}", fmt::join(texts, ", "));
}

using Lines = std::vector<std::pair<std::string, std::string>>;

void show(std::string_view key, const auto& value, Lines& lines) { lines.emplace_back(key, text_of(value)); }

void show(std::string_view key, const AllowList& list, Lines& lines) {
  lines.emplace_back(fmt::format("{}.enabled", key), text_of(list.is_enabled));
  lines.emplace_back(fmt::format("{}.domains", key), text_of(list.domains));
  lines.emplace_back(fmt::format("{}.ips", key), text_of(list.ips));
}

void show(std::string_view key, const std::vector<HeaderRule>& rules, Lines& lines) {
  for (const auto& rule : rules) {
    std::vector<std::string> changes;
    for (const auto& each : rule.set) changes.push_back(fmt::format("{}={}", each.name, each.value.masked()));
    for (const auto& each : rule.append) changes.push_back(fmt::format("{}+={}", each.name, each.value.masked()));
    lines.emplace_back(fmt::format("{}[\"{}\"]", key, rule.pattern), text_of(changes));
  }
}

std::string text_of(const MirrorCredentials& value) {
  std::vector<std::string> parts;
  if (!value.username.empty()) parts.push_back(fmt::format("{}:{}", value.username, value.password.masked()));
  if (!value.token.empty()) parts.push_back(fmt::format("token {}", value.token.masked()));
  if (!value.docker_config.empty()) parts.push_back(value.docker_config.string());
  return text_of(parts);
}

void show(std::string_view key, const std::vector<MirrorUpstream>& upstreams, Lines& lines) {
  for (const auto& each : upstreams) {
    const auto name = fmt::format("{}[\"{}\"]", key, each.name);
    lines.emplace_back(name + ".url", each.url);
    if (!each.ca.empty()) lines.emplace_back(name + ".ca", text_of(each.ca));
    if (!each.credentials.empty()) lines.emplace_back(name + ".credentials", text_of(each.credentials));
  }
}

void show(std::string_view key, const SecondTier& tier, Lines& lines) {
  if (tier.empty()) {
    lines.emplace_back(key, "");
    return;
  }
  const auto add = [&](std::string_view name, std::string_view value) {
    lines.emplace_back(fmt::format("{}.{}", key, name), value);
  };
  add("endpoint", tier.endpoint);
  add("bucket", tier.bucket);
  add("region", tier.region);
  add("prefix", tier.prefix);
  add("access_key", tier.access_key);
  add("secret_key", tier.secret_key.masked());
  add("ca", tier.ca.native());
}

}  // namespace

std::vector<std::pair<std::string, std::string>> show_forward(const Forward& settings) {
  Lines lines;
  for_each_key([&](std::string_view key, TakesEffect, auto get) { show(key, get(settings), lines); });
  return lines;
}

}  // namespace propeller::config
