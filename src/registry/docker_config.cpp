#include "registry/docker_config.hpp"

#include <algorithm>
#include <nlohmann/json.hpp>

#include "base/base64.hpp"
#include "registry/json.hpp"

namespace propeller::registry {

namespace {

using nlohmann::json;

constexpr std::string_view kDockerHub = "docker.io";

Result<Credentials> parse_auth(const json& entry, const std::string& server) {
  Credentials credentials;
  credentials.username = string_at(entry, "username");
  credentials.password = Secret(std::string(string_at(entry, "password")));
  credentials.identity_token = Secret(std::string(string_at(entry, "identitytoken")));
  credentials.bearer = Secret(std::string(string_at(entry, "registrytoken")));
  const auto auth = string_at(entry, "auth");
  if (auth.empty()) return credentials;
  const auto decoded = base::base64_decode(auth);
  const auto colon = decoded ? decoded->find(':') : std::string::npos;
  if (!decoded || colon == std::string::npos) {
    return fail(Code::bad_config, Origin::client,
                "Docker's config.json: 'auth' of " + server.substr(0, 255) + " is not base64 of user:password");
  }
  credentials.username = decoded->substr(0, colon);
  auto password = decoded->substr(colon + 1);
  while (password.ends_with('\0')) password.pop_back();
  credentials.password = Secret(std::move(password));
  return credentials;
}

}  // namespace

std::string docker_key(std::string_view server) {
  if (const auto scheme = server.find("://"); scheme != server.npos) server.remove_prefix(scheme + 3);
  std::string host(server.substr(0, server.find('/')));
  for (char& c : host) c = c >= 'A' && c <= 'Z' ? static_cast<char>(c + ('a' - 'A')) : c;
  if (host.ends_with(":443")) host.resize(host.size() - 4);
  if (host == "index.docker.io" || host == "registry-1.docker.io" || host == "registry.hub.docker.com")
    return std::string(kDockerHub);
  return host;
}

std::string helper_server(std::string_view key) {
  return key == kDockerHub ? "https://index.docker.io/v1/" : std::string(key);
}

bool is_helper_name(std::string_view name) {
  const auto is_name_char = [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' || c == '_' ||
           c == '.';
  };
  return !name.empty() && name.size() <= 64 && name.front() != '.' && name.front() != '-' &&
         std::ranges::all_of(name, is_name_char);
}

Result<DockerConfig> parse_docker_config(std::string_view text) {
  const auto document = parse_json(text, Code::bad_config, "Docker's config.json");
  if (!document) return std::unexpected(document.error());
  DockerConfig config;
  if (const auto auths = document->find("auths"); auths != document->end() && auths->is_object()) {
    for (const auto& [server, entry] : auths->items()) {
      if (!entry.is_object()) continue;
      auto credentials = parse_auth(entry, server);
      if (!credentials) return std::unexpected(credentials.error());
      if (!credentials->empty()) config.auths.emplace(docker_key(server), std::move(*credentials));
    }
  }
  const auto helper_name = [](std::string_view name) -> Result<std::string> {
    if (!is_helper_name(name))
      return fail(Code::bad_config, Origin::client,
                  "Docker's config.json names a credential helper by something that is no name");
    return std::string(name);
  };
  if (const auto helpers = document->find("credHelpers"); helpers != document->end() && helpers->is_object()) {
    for (const auto& [server, name] : helpers->items()) {
      auto checked =
          helper_name(name.is_string() ? std::string_view(name.get_ref<const std::string&>()) : std::string_view{});
      if (!checked) return std::unexpected(checked.error());
      config.helpers.emplace(docker_key(server), std::move(*checked));
    }
  }
  if (const auto store = string_at(*document, "credsStore"); !store.empty()) {
    auto checked = helper_name(store);
    if (!checked) return std::unexpected(checked.error());
    config.store = std::move(*checked);
  }
  return config;
}

Result<Credentials> parse_helper_output(std::string_view text) {
  const auto document = parse_json(text, Code::unauthorized, "the credential helper's answer");
  if (!document) return std::unexpected(document.error());
  Credentials credentials;
  const auto username = string_at(*document, "Username");
  const auto secret = string_at(*document, "Secret");
  if (secret.empty()) return fail(Code::unauthorized, Origin::internal, "the credential helper gave no secret");
  if (username == "<token>") {
    credentials.identity_token = Secret(std::string(secret));
  } else {
    credentials.username = username;
    credentials.password = Secret(std::string(secret));
  }
  return credentials;
}

}  // namespace propeller::registry
