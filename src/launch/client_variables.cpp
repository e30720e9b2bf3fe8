#include "launch/client_variables.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <iterator>

namespace propeller::launch {

namespace {

constexpr std::array<std::string_view, 3> kNotProxied{"localhost", "127.0.0.1", "::1"};
// These take the file for all there is.
constexpr std::array<std::string_view, 8> kBundleNames{"SSL_CERT_FILE",  "NIX_SSL_CERT_FILE", "REQUESTS_CA_BUNDLE",
                                                       "CURL_CA_BUNDLE", "GIT_SSL_CAINFO",    "PIP_CERT",
                                                       "AWS_CA_BUNDLE",  "CARGO_HTTP_CAINFO"};
// These add it to what they know.
constexpr std::array<std::string_view, 2> kCertificateNames{"NODE_EXTRA_CA_CERTS", "DENO_CERT"};

/// The client's list with ours, each entry once.
std::string not_proxied(std::string_view own) {
  std::string out;
  const auto add = [&out](std::string_view entry) {
    const auto listed = fmt::format(",{},", out);
    if (entry.empty() || listed.find(fmt::format(",{},", entry)) != std::string::npos) return;
    out += (out.empty() ? "" : ",") + std::string(entry);
  };
  while (!own.empty()) {
    const auto comma = own.find(',');
    auto entry = own.substr(0, comma);
    entry.remove_prefix(std::min(entry.find_first_not_of(' '), entry.size()));
    add(entry.substr(0, entry.find_last_not_of(' ') + 1));
    own.remove_prefix(comma == std::string_view::npos ? own.size() : comma + 1);
  }
  for (const auto entry : kNotProxied) add(entry);
  return out;
}

/// Each of the characters replaced by what stands for it.
std::string replaced(std::string_view text, std::initializer_list<std::pair<char, std::string_view>> replacements) {
  std::string out;
  for (const char c : text) {
    const auto* const found =
        std::ranges::find(replacements, c, [](const auto& replacement) { return replacement.first; });
    if (found == replacements.end()) {
      out += c;
    } else {
      out += found->second;
    }
  }
  return out;
}

std::string line_of(std::string_view name, std::string_view value, VariableFormat format) {
  switch (format) {
    case VariableFormat::sh: return fmt::format("export {}='{}'\n", name, replaced(value, {{'\'', "'\\''"}}));
    case VariableFormat::fish:
      return fmt::format("set -gx {} '{}'\n", name, replaced(value, {{'\'', "\\'"}, {'\\', "\\\\"}}));
    case VariableFormat::systemd:
      return fmt::format("Environment=\"{}={}\"\n", name,
                         replaced(value, {{'"', "\\\""}, {'\\', "\\\\"}, {'%', "%%"}, {'\n', "\\n"}}));
    case VariableFormat::docker: return fmt::format("{}={}\n", name, value);
  }
  return {};
}

}  // namespace

Variables client_variables(const ProxyAccess& access) {
  Variables variables;
  const auto add_both = [&variables](std::string name, const std::string& value) {
    auto lower = name;
    std::ranges::transform(lower, lower.begin(),
                           [](char c) { return c == '_' ? c : static_cast<char>(c - 'A' + 'a'); });
    variables.emplace_back(std::move(name), value);
    variables.emplace_back(std::move(lower), value);
  };
  for (const auto* const name : {"HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"}) add_both(name, access.url);
  add_both("NO_PROXY", not_proxied(access.no_proxy));
  if (!access.bundle.empty()) {
    for (const auto name : kBundleNames) variables.emplace_back(name, access.bundle);
  }
  if (!access.certificate.empty()) {
    for (const auto name : kCertificateNames) variables.emplace_back(name, access.certificate);
    // uv has a list of its own otherwise, and no variable for one more authority.
    variables.emplace_back("UV_SYSTEM_CERTS", "1");
  }
  return variables;
}

std::optional<VariableFormat> variable_format(std::string_view name) {
  if (name == "sh") return VariableFormat::sh;
  if (name == "fish") return VariableFormat::fish;
  if (name == "systemd") return VariableFormat::systemd;
  if (name == "docker") return VariableFormat::docker;
  return std::nullopt;
}

Result<std::string> render(const Variables& variables, VariableFormat format) {
  std::string out = format == VariableFormat::systemd ? "[Service]\n" : "";
  for (const auto& [name, value] : variables) {
    const bool is_line = format != VariableFormat::docker || value.find_first_of("\r\n") == std::string::npos;
    if (!is_line || value.find('\0') != std::string::npos)
      return fail(Code::bad_config, Origin::client, fmt::format("{} has a character that cannot be written", name));
    out += line_of(name, value, format);
  }
  return out;
}

}  // namespace propeller::launch
