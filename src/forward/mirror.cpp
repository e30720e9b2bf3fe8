#include "forward/mirror.hpp"

#include <fmt/format.h>

#include <nlohmann/json.hpp>

#include "forward/rewritten_request.hpp"

namespace propeller::forward {

namespace {

constexpr std::string_view kJson = "application/json";
constexpr int kOk = 200, kBadRequest = 400, kNotFound = 404, kMethodNotAllowed = 405;

http::Response json_response(int status, std::string text) {
  http::Response response{.status = status};
  response.fields.add_view("Content-Type", kJson);
  response.fields.add_view("Docker-Distribution-Api-Version", "registry/2.0");
  response.body = std::make_unique<http::MemoryBody>(std::move(text));
  return response;
}

/// Source: OCI distribution-spec 1.1, "Error Codes"
http::Response refusal(int status, std::string_view code, std::string_view message) {
  nlohmann::json error = {{"code", code}, {"message", message}};
  const nlohmann::json document = {{"errors", nlohmann::json::array({std::move(error)})}};
  return json_response(status, document.dump(-1, ' ', true, nlohmann::json::error_handler_t::replace) + "\n");
}

std::string_view code_for(const RegistryPath& path) {
  if (path.call == RegistryCall::manifest) return "MANIFEST_INVALID";
  return path.call == RegistryCall::tags ? "NAME_INVALID" : "DIGEST_INVALID";
}

/// "</v2/acme/m/tags/list?last=b>; rel=\"next\"" as the client has to ask for it: with the name of the registry where
/// its own question had that, and without the prefix, which the next question gets again.
void name_registry_in_link(http::Fields& fields, const MirrorRegistry& registry, bool is_default) {
  constexpr std::string_view kStart = "</v2/";
  const auto link = fields.find("Link");
  if (!link || !link->starts_with(kStart)) return;
  auto path = link->substr(kStart.size());
  if (const auto prefix = registry.prefix + "/"; path.starts_with(prefix)) path.remove_prefix(prefix.size());
  fields.set("Link", fmt::format("{}{}{}", kStart, is_default ? "" : registry.name + "/", path));
}

}  // namespace

bool Mirror::takes(std::string_view path) const {
  return table_ != nullptr && is_registry_path(path.substr(0, path.find('?')));
}

std::expected<Mirror::Route, http::Response> Mirror::route(const http::RequestHead& head) const {
  const auto answered = [](http::Response response) { return std::unexpected(std::move(response)); };
  if (head.method != http::Method::get && head.method != http::Method::head) {
    auto refused = refusal(kMethodNotAllowed, "UNSUPPORTED", "this is a mirror: it is read, not written");
    refused.fields.add_view("Allow", "GET, HEAD");
    return answered(std::move(refused));
  }
  const auto query_at = std::min(head.path.find('?'), head.path.size());
  auto path = parse_registry_path(head.path.substr(0, query_at));
  if (!path) return answered(refusal(kNotFound, "UNSUPPORTED", "the mirror has no such path"));
  const auto query = take_namespace(head.path.substr(std::min(query_at + 1, head.path.size())));
  const auto choice = table_->choose(std::move(*path), query.name);
  if (!choice) return answered(refusal(kNotFound, "NAME_UNKNOWN", choice.error().detail));
  if (choice->path.call == RegistryCall::ping) return answered(json_response(kOk, "{}"));
  if (const auto checked = check_names(choice->path); !checked)
    return answered(refusal(kBadRequest, code_for(choice->path), checked.error().detail));
  auto wanted = choice->path.to_string();
  if (!query.rest.empty()) wanted += "?" + query.rest;
  return Route{.registry = choice->registry, .path = std::move(wanted), .is_default = choice->is_default};
}

async::awaitable<http::Response> Mirror::answer(http::Request& request, PolicyPtr policy) {
  auto route = this->route(request.head());
  if (!route) co_return std::move(route.error());
  const auto& registry = *route->registry;
  RewrittenRequest rewritten(request, std::move(route->path));
  const bool is_our_login = registry.has_credentials() && !request.fields().contains("Authorization");
  auto response = co_await forwarder_.forward(rewritten,
                                              {.scheme = registry.origin.scheme,
                                               .host = registry.origin.host,
                                               .port = registry.origin.port,
                                               .registry = registry.name,
                                               .is_private = is_our_login},
                                              std::move(policy));
  response.fields.set("OCI-Namespace", registry.name);
  name_registry_in_link(response.fields, registry, route->is_default);
  co_return response;
}

}  // namespace propeller::forward
