#include "forward/mirror_table.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "registry/docker_config.hpp"
#include "registry/reference.hpp"

namespace propeller::forward {

namespace {

constexpr std::string_view kDockerHub = "docker.io";

std::unexpected<Error> wrong(const config::MirrorUpstream& upstream, std::string_view why) {
  return fail(Code::bad_config, Origin::internal, fmt::format("mirror.upstreams: {}: {}", upstream.name, why));
}

config::Registry login_of(const config::MirrorUpstream& upstream) {
  const auto& given = upstream.credentials;
  config::Registry login;
  login.url = upstream.url;
  login.is_authenticated = !given.username.empty() || !given.token.empty();
  login.username = given.username;
  login.password = given.password;
  login.token = given.token;
  login.docker_config = given.docker_config;
  return login;
}

}  // namespace

Result<std::unique_ptr<const MirrorRegistry>> MirrorTable::made_of(const config::MirrorUpstream& settings,
                                                                   const config::ForwardTls& tls) {
  auto url = registry::parse_registry_url(settings.url);
  if (!url) return wrong(settings, url.error().detail);
  auto origin = http::parse_uri(url->origin() + "/");
  if (!origin) return wrong(settings, "not a registry's URL");
  auto curl_url = registry::parse_url(origin->to_string());
  if (!curl_url) return wrong(settings, curl_url.error().detail);
  auto made = std::make_unique<MirrorRegistry>();
  made->name = registry::docker_key(settings.name);
  made->origin = std::move(*origin);
  made->prefix = std::move(url->prefix);
  made->login = login_of(settings);
  made->url = std::move(*curl_url);
  if (!settings.ca.empty()) {
    auto files = tls.upstream_ca;
    files.push_back(settings.ca);
    auto own = net::ClientTls::create({.ca_files = std::move(files), .insecure_hosts = tls.insecure_hosts});
    if (!own) return wrong(settings, own.error().detail);
    made->tls = std::move(*own);
  }
  return std::unique_ptr<const MirrorRegistry>(std::move(made));
}

Result<std::shared_ptr<const MirrorTable>> MirrorTable::create(const config::Mirror& settings,
                                                               const config::ForwardTls& tls) {
  auto table = std::make_shared<MirrorTable>();
  for (const auto& upstream : settings.upstreams) {
    auto made = made_of(upstream, tls);
    if (!made) return std::unexpected(made.error());
    if (table->find((*made)->name) != nullptr) return wrong(upstream, "it is there under another name too");
    table->registries_.push_back(std::move(*made));
  }
  const auto wanted = settings.default_name.empty() ? kDockerHub : std::string_view(settings.default_name);
  table->default_ = table->find(wanted);
  if (table->default_ == nullptr && !table->registries_.empty()) table->default_ = table->registries_.front().get();
  return table;
}

const MirrorRegistry* MirrorTable::find(std::string_view name) const {
  const auto key = registry::docker_key(name);
  const auto found = std::ranges::find(registries_, key, [](const auto& each) { return each->name; });
  return found == registries_.end() ? nullptr : found->get();
}

const MirrorRegistry* MirrorTable::find_at(std::string_view authority) const {
  const auto found =
      std::ranges::find_if(registries_, [&](const auto& each) { return each->origin.authority() == authority; });
  return found == registries_.end() ? nullptr : found->get();
}

Result<MirrorChoice> MirrorTable::choose(RegistryPath path, const std::optional<std::string>& ns) const {
  MirrorChoice choice{.registry = default_, .path = std::move(path)};
  auto& repository = choice.path.repository;
  if (ns) {
    choice.registry = find(*ns);
    choice.is_default = false;
  } else if (const auto slash = repository.find('/'); slash != std::string::npos) {
    if (const auto* named = find(repository.substr(0, slash))) {
      choice.registry = named;
      choice.is_default = false;
      repository.erase(0, slash + 1);
    }
  }
  if (choice.registry == nullptr) {
    return fail(Code::not_found, Origin::client,
                fmt::format("no upstream has this name: configure mirror.upstreams with name: {}",
                            ns.value_or(std::string(kDockerHub)).substr(0, registry::kHostBytesMax)));
  }
  if (choice.path.call == RegistryCall::ping) return choice;
  if (choice.registry->name == kDockerHub && repository.find('/') == std::string::npos)
    repository.insert(0, "library/");
  if (!choice.registry->prefix.empty()) repository.insert(0, choice.registry->prefix + "/");
  return choice;
}

}  // namespace propeller::forward
