#include "config/site_mirror.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "config/parse.hpp"
#include "config/setters.hpp"
#include "config/site_setters.hpp"

namespace propeller::config {

namespace {

using V = const std::string&;

Refusal set_name(std::string& to, V value) {
  if (!is_host_port(value)) return "allowed is the name of a registry: host[:port]";
  to = value;
  std::ranges::transform(to, to.begin(), [](char c) { return c >= 'A' && c <= 'Z' ? char(c + ('a' - 'A')) : c; });
  return std::nullopt;
}

void read_credentials(YamlSection section, MirrorCredentials& to) {
  section.value("username", [&](V v) { return set_text(to.username, v); });
  section.value("password", [&](V v) { return set_secret(to.password, v); }, Show::nothing);
  section.value("password_file", [&](V v) { return set_secret_from_file(to.password, v); });
  section.value("token", [&](V v) { return set_secret(to.token, v); }, Show::nothing);
  section.value("token_file", [&](V v) { return set_secret_from_file(to.token, v); });
  section.value("docker_config", [&](V v) { return set_readable_file(to.docker_config, v); });
  const auto refuse = [&](std::string_view key, std::string_view why) {
    section.report().error(section.line_of(key), section.path_of(key), why);
  };
  for (const auto* name : {"password", "token"}) {
    const auto file = std::string(name) + "_file";
    if (section.has(name) && section.has(file)) refuse(file, fmt::format("{} is given too", name));
  }
  if (to.username.empty() != to.password.empty()) refuse("username", "a user name and a password belong together");
  if (!to.username.empty() && !to.token.empty()) refuse("token", "a user name is given too");
  section.finish();
}

void read_upstream(YamlSection section, std::size_t line, Mirror& to) {
  MirrorUpstream upstream;
  section.value("name", [&](V v) { return set_name(upstream.name, v); });
  section.value("url", [&](V v) { return set_registry_url(upstream.url, v); });
  section.value("ca", [&](V v) { return set_readable_file(upstream.ca, v); });
  read_credentials(section.section("credentials"), upstream.credentials);
  section.finish();
  if (section.take("name") == nullptr)
    return section.report().error(line, section.path_of("name"), "a value is needed");
  if (upstream.url.empty()) upstream.url = upstream.name;
  if (std::ranges::find(to.upstreams, upstream.name, &MirrorUpstream::name) != to.upstreams.end())
    return section.report().error(section.line_of("name"), section.path_of("name"), "the name is there twice");
  to.upstreams.push_back(std::move(upstream));
}

void read_upstreams(YamlSection& section, Mirror& to) {
  const auto* node = section.take("upstreams");
  if (node == nullptr) return;
  const auto path = section.path_of("upstreams");
  if (node->kind != YamlNode::Kind::list) return section.report().error(node->line, path, "a list is needed here");
  if (node->items.size() > kMirrorUpstreamsMax)
    return section.report().error(node->line, path, fmt::format("at most {} entries", kMirrorUpstreamsMax));
  auto built_in = std::exchange(to.upstreams, {});
  for (std::size_t i = 0; i < node->items.size(); ++i)
    read_upstream({&node->items[i], item_path(path, i), section.report()}, node->items[i].line, to);
  if (to.upstreams.empty()) to.upstreams = std::move(built_in);
}

}  // namespace

void read_mirror(YamlSection section, Mirror& to) {
  section.boolean("enabled", to.is_enabled);
  section.value("default", [&](V v) { return set_name(to.default_name, v); });
  read_upstreams(section, to);
  const bool is_known = std::ranges::find(to.upstreams, to.default_name, &MirrorUpstream::name) != to.upstreams.end();
  if (!to.default_name.empty() && !is_known)
    section.report().error(section.line_of("default"), section.path_of("default"), "no upstream has this name");
  if (!to.is_enabled && section.has("upstreams"))
    section.report().warning(section.line_of("upstreams"), section.path_of("upstreams"),
                             "not used without mirror.enabled: true");
  section.finish();
}

}  // namespace propeller::config
