#include "app/api_document.hpp"

#include <fmt/format.h>

#include <nlohmann/json.hpp>

namespace propeller::app {

using http::Method;
using nlohmann::json;

namespace {

constexpr std::string_view kEvents = "text/event-stream";

/// What several operations refer to. The answers' texts are fixed: clients of the existing proxies read them.
constexpr std::string_view kComponents = R"json({
  "securitySchemes": {"token": {"type": "http", "scheme": "bearer", "description": "The content of api.token_file. Not needed from loopback, unless api.auth is token."}},
  "parameters": {
    "digest": {"name": "digest", "in": "path", "required": true, "schema": {"$ref": "#/components/schemas/Digest"}},
    "byDigest": {"name": "digest", "in": "query", "schema": {"$ref": "#/components/schemas/Digest"}},
    "byKey": {"name": "key", "in": "query", "description": "This key and its variants, as a listing shows it.", "schema": {"type": "string"}},
    "byPrefix": {"name": "prefix", "in": "query", "description": "Of the key.", "schema": {"type": "string"}},
    "byHost": {"name": "host", "in": "query", "description": "With or without the port.", "schema": {"type": "string"}},
    "byRepository": {"name": "repository", "in": "query", "description": "Of a registry, with or without its host.", "schema": {"type": "string"}},
    "byKind": {"name": "kind", "in": "query", "schema": {"$ref": "#/components/schemas/Kind"}},
    "limit": {"name": "limit", "in": "query", "schema": {"type": "integer", "minimum": 1, "maximum": 1000, "default": 100}},
    "cursor": {"name": "cursor", "in": "query", "description": "Of the page before.", "schema": {"type": "string"}}
  },
  "schemas": {
    "Problem": {"type": "object", "required": ["error"], "properties": {"error": {"type": "string"}}},
    "Done": {"type": "object", "required": ["status"], "properties": {"status": {"const": "ok"}}},
    "Text": {"type": "string"},
    "Document": {"type": "object"},
    "Digest": {"type": "string", "pattern": "^(sha256:[0-9a-f]{64}|sha512:[0-9a-f]{128})$"},
    "Kind": {"type": "string", "enum": ["digest", "tag", "http"]},
    "Health": {"type": "object", "properties": {"status": {"const": "ok"}, "ca_cert": {"type": "string"}}},
    "Status": {"type": "object", "properties": {
      "version": {"type": "string"}, "config_file": {"type": "string"}, "workspace_file": {"type": "string"},
      "listen": {"type": "array", "items": {"type": "string"}}, "rules_from": {"enum": ["file", "api"]},
      "needs_restart": {"type": "array", "items": {"type": "string"}}, "reload_error": {"type": "string"},
      "cache": {"type": "object"}, "mirror": {"type": "object"}}},
    "Rules": {"type": "object", "properties": {
      "allowlist": {"type": ["object", "null"], "properties": {
        "enabled": {"type": "boolean"},
        "domains": {"type": "array", "items": {"type": "string"}},
        "ips": {"type": "array", "items": {"type": "string"}}}},
      "headers": {"type": ["object", "null"], "additionalProperties": {"type": ["object", "null"], "properties": {
        "conditions": {"type": "array", "items": {"type": "object", "required": ["header", "equals"], "properties": {
          "header": {"type": "string"}, "equals": {"type": "string"}}}},
        "set": {"type": "object", "additionalProperties": {"type": "string"}},
        "append": {"type": "object", "additionalProperties": {"type": "string"}}}}}}},
    "CacheStats": {"type": "object", "properties": {
      "hits": {"type": "integer"}, "misses": {"type": "integer"}, "stores": {"type": "integer"},
      "evictions": {"type": "integer"}, "errors": {"type": "integer"}, "current_size": {"type": "integer"},
      "hit_rate": {"type": "number"}}},
    "Entry": {"type": "object", "properties": {
      "key": {"type": ["string", "null"], "description": "The URL; secrets in its query are [REDACTED]. Null of a blob that no entry names."},
      "kind": {"$ref": "#/components/schemas/Kind"},
      "host": {"type": ["string", "null"]}, "repository": {"type": ["string", "null"]},
      "digest": {"oneOf": [{"$ref": "#/components/schemas/Digest"}, {"type": "null"}]},
      "size": {"type": "integer"}, "status": {"type": ["integer", "null"]},
      "stored_at": {"type": ["string", "null"], "format": "date-time"},
      "last_used": {"type": ["string", "null"], "format": "date-time"},
      "pinned": {"type": "boolean"},
      "freshness": {"type": "object", "description": "Of what is kept by the rules of HTTP.", "properties": {
        "state": {"enum": ["fresh", "stale"]}, "age_seconds": {"type": "integer"},
        "fresh_for_seconds": {"type": "integer", "description": "Below 0: since when it is stale."}}}}},
    "Entries": {"type": "object", "properties": {
      "entries": {"type": "array", "items": {"$ref": "#/components/schemas/Entry"}},
      "cursor": {"type": ["string", "null"], "description": "There may be more: ask again with it, also after an empty page."}}},
    "Erased": {"type": "object", "properties": {"status": {"const": "ok"}, "bytes": {"type": "integer"}}},
    "Purge": {"type": "object", "minProperties": 1, "additionalProperties": false, "properties": {
      "key": {"type": "string"}, "prefix": {"type": "string"}, "host": {"type": "string"},
      "repository": {"type": "string"}, "digest": {"$ref": "#/components/schemas/Digest"},
      "kind": {"$ref": "#/components/schemas/Kind"}}},
    "Purged": {"type": "object", "properties": {
      "entries": {"type": "integer"}, "blobs": {"type": "integer"}, "bytes": {"type": "integer"}}},
    "Pins": {"type": "object", "properties": {"pins": {"type": "array", "items": {"type": "object", "properties": {
      "digest": {"$ref": "#/components/schemas/Digest"}, "size": {"type": "integer"},
      "last_used": {"type": ["string", "null"], "format": "date-time"}}}}}},
    "Pull": {"type": "object", "required": ["reference"], "additionalProperties": false, "properties": {
      "reference": {"type": "string", "examples": ["ghcr.io/owner/image:tag"]},
      "platform": {"type": "string", "description": "Default: that of the proxy.", "examples": ["linux/arm64"]}}},
    "Sweep": {"type": "object", "additionalProperties": false, "properties": {"unnamed": {"type": "boolean", "description": "Blobs that no entry names, too."}}},
    "Events": {"type": "string", "description": "Server-sent events: `progress` with figures so far, and `done` or `error` last."}
  }
})json";

std::string_view name_of(Method method) {
  switch (method) {
    case Method::post: return "post";
    case Method::put: return "put";
    case Method::patch: return "patch";
    case Method::del: return "delete";
    default: return "get";
  }
}

std::string_view problem_text(int status) {
  switch (status) {
    case 400: return "The question is wrong, or there is no cache.";
    case 401: return "The token is missing or wrong.";
    case 404: return "There is nothing of that name.";
    case 409: return "A bound is reached, or the like of it runs already.";
    case 410: return "The cursor is not known any more.";
    case 413: return "The body is too large.";
    case 415: return "The body is no JSON.";
    default: return "It failed.";
  }
}

json content_of(std::string_view type, std::string_view schema) {
  return {{std::string(type), {{"schema", {{"$ref", fmt::format("#/components/schemas/{}", schema)}}}}}};
}

json answers_of(const ApiOperation& operation) {
  json answers = {
      {"200", {{"description", "Done."}, {"content", content_of(operation.answer_type, operation.answer)}}}};
  const auto add = [&](int status) {
    answers[std::to_string(status)] = {{"description", problem_text(status)},
                                       {"content", content_of("application/json", "Problem")}};
  };
  add(401);
  for (const int status : operation.problems) add(status);
  if (!operation.body.empty()) {
    add(413);
    add(415);
  }
  return answers;
}

json json_of(const ApiOperation& operation) {
  json value = {{"summary", operation.summary}, {"responses", answers_of(operation)}};
  for (const auto name : operation.parameters)
    value["parameters"].push_back({{"$ref", fmt::format("#/components/parameters/{}", name)}});
  if (!operation.body.empty()) {
    value["requestBody"] = {{"required", operation.is_body_needed},
                            {"content", content_of("application/json", operation.body)}};
  }
  return value;
}

}  // namespace

const std::vector<ApiOperation>& api_operations() {
  static const std::vector<ApiOperation> operations{
      {.path = "/health", .summary = "Whether it runs, and where the authority's certificate is", .answer = "Health"},
      {.path = "/ready", .summary = "Whether it serves"},
      {.path = "/metrics",
       .summary = "Every figure, for Prometheus",
       .answer = "Text",
       .answer_type = "text/plain; version=0.0.4; charset=utf-8"},
      {.path = "/api/openapi.json", .summary = "This document", .answer = "Document"},
      {.path = "/api/status", .summary = "Version, files, listeners, what waits for a restart", .answer = "Status"},
      {.path = "/api/config", .summary = "The rules in force, without the values that they set", .answer = "Rules"},
      {.method = Method::post,
       .path = "/api/config",
       .summary = "Replace the rules; what is left out is empty and off",
       .body = "Rules",
       .problems = {400}},
      {.method = Method::patch,
       .path = "/api/config",
       .summary = "Change some rules; null deletes one",
       .body = "Rules",
       .problems = {400}},
      {.path = "/api/cache/stats", .summary = "What the cache did since it was cleared", .answer = "CacheStats"},
      {.method = Method::del, .path = "/api/cache", .summary = "Clear it, but for what is pinned", .problems = {400}},
      {.path = "/api/cache/entries",
       .summary = "What the cache holds",
       .parameters = {"byKey", "byPrefix", "byHost", "byRepository", "byDigest", "byKind", "limit", "cursor"},
       .answer = "Entries",
       .problems = {400, 410}},
      {.method = Method::del,
       .path = "/api/cache/{digest}",
       .summary = "Erase content, and every entry that names it",
       .parameters = {"digest"},
       .answer = "Erased",
       .problems = {400, 404}},
      {.method = Method::post,
       .path = "/api/cache/purge",
       .summary = "Erase the entries that fit all that is given, and what nothing names then",
       .body = "Purge",
       .answer = "Purged",
       .problems = {400}},
      {.path = "/api/cache/pins", .summary = "What is pinned", .answer = "Pins", .problems = {400}},
      {.method = Method::put,
       .path = "/api/cache/pins/{digest}",
       .summary = "Pin content: it is not evicted, cleared or purged",
       .parameters = {"digest"},
       .problems = {400, 404, 409}},
      {.method = Method::del,
       .path = "/api/cache/pins/{digest}",
       .summary = "Unpin it",
       .parameters = {"digest"},
       .problems = {400, 404}},
      {.method = Method::post,
       .path = "/api/cache/verify",
       .summary = "Read every blob again, and drop what is damaged",
       .answer = "Events",
       .answer_type = kEvents,
       .problems = {400, 409}},
      {.method = Method::post,
       .path = "/api/cache/pull",
       .summary = "Pull an image through the mirror, so that the cache has it",
       .body = "Pull",
       .answer = "Events",
       .answer_type = kEvents,
       .problems = {400, 409}},
      {.method = Method::post,
       .path = "/api/cache/gc",
       .summary = "Bring the store under its limits, and clear away what nothing knows",
       .body = "Sweep",
       .is_body_needed = false,
       .answer = "Events",
       .answer_type = kEvents,
       .problems = {400, 409}},
  };
  return operations;
}

std::string api_document(std::string_view version) {
  json paths = json::object();
  for (const auto& operation : api_operations())
    paths[std::string(operation.path)][std::string(name_of(operation.method))] = json_of(operation);
  const json document = {
      {"openapi", "3.1.0"},
      {"info",
       {{"title", "propeller-proxy"},
        {"version", version},
        {"description", "The API of the forward proxy and its cache. Every problem is {\"error\": \"…\"}."}}},
      {"security", json::array({{{"token", json::array()}}, json::object()})},
      {"paths", std::move(paths)},
      {"components", json::parse(kComponents)}};
  return document.dump() + "\n";
}

}  // namespace propeller::app
