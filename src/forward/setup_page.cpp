#include "forward/setup_page.hpp"

#include <fmt/format.h>

namespace propeller::forward {

namespace {

/// {0}: our authority, {1}: the certificate.
constexpr std::string_view kScript = R"sh(#!/bin/sh
# Lets this machine use the proxy at {0}: curl -fsS http://{0}/setup.sh | sh
# Into a directory alone, without touching the system: … | sh -s -- DIRECTORY
set -eu
directory="${{1:-}}"
if [ -z "$directory" ] && [ "$(id -u)" = 0 ]; then directory=/etc/propeller-proxy; is_system=yes; fi
directory="${{directory:-${{HOME:?}}/.config/propeller-proxy}}"
mkdir -p "$directory"
cat > "$directory/ca.crt" <<'END_OF_CERTIFICATE'
{1}END_OF_CERTIFICATE

: > "$directory/bundle.crt"
for system in /etc/ssl/certs/ca-certificates.crt /etc/pki/tls/certs/ca-bundle.crt /etc/ssl/ca-bundle.pem /etc/ssl/cert.pem; do
  if [ -r "$system" ]; then cat "$system" > "$directory/bundle.crt"; break; fi
done
cat "$directory/ca.crt" >> "$directory/bundle.crt"

cat > "$directory/env.sh" <<END_OF_VARIABLES
export http_proxy='http://{0}' https_proxy='http://{0}' HTTP_PROXY='http://{0}' HTTPS_PROXY='http://{0}'
export no_proxy='localhost,127.0.0.1,::1' NO_PROXY='localhost,127.0.0.1,::1'
export SSL_CERT_FILE='$directory/bundle.crt' CURL_CA_BUNDLE='$directory/bundle.crt'
export GIT_SSL_CAINFO='$directory/bundle.crt' REQUESTS_CA_BUNDLE='$directory/bundle.crt'
export NODE_EXTRA_CA_CERTS='$directory/ca.crt'
END_OF_VARIABLES

if [ "${{is_system:-}}" = yes ]; then
  if command -v update-ca-certificates >/dev/null 2>&1; then
    cp "$directory/ca.crt" /usr/local/share/ca-certificates/propeller-proxy-ca.crt
    update-ca-certificates >/dev/null
  elif command -v update-ca-trust >/dev/null 2>&1; then
    cp "$directory/ca.crt" /etc/pki/ca-trust/source/anchors/propeller-proxy-ca.crt
    update-ca-trust
  fi
  if [ -d /etc/profile.d ]; then cp "$directory/env.sh" /etc/profile.d/propeller-proxy.sh; fi
fi
echo "To use the proxy in this shell: . '$directory/env.sh'"
)sh";

constexpr std::string_view kPage = R"html(<!doctype html>
<html lang="en"><meta charset="utf-8"><title>propeller-proxy</title>
<h1>propeller-proxy</h1>
<p>Proxy and registry mirror of this site: <code>http://{0}</code></p>
<h2>This machine</h2>
<pre>curl -fsS http://{0}/setup.sh | sh</pre>
<p>writes down the <a href="/ca.crt">authority</a> and the proxy's variables and says how a shell takes them; as root the
machine trusts it, and each login has them (<a href="/setup.sh">what it does</a>).</p>
<h2>Docker: into /etc/docker/daemon.json</h2>
<pre>{{"registry-mirrors": ["http://{0}"]}}</pre>
<h2>containerd: /etc/containerd/certs.d/_default/hosts.toml</h2>
<pre>[host."http://{0}"]
  capabilities = ["pull", "resolve"]</pre>
<p>for <code>ctr --hosts-dir /etc/containerd/certs.d</code>, and for Kubernetes with
<code>config_path = "/etc/containerd/certs.d"</code> in the registry's section of config.toml.</p>
<h2>Podman: /etc/containers/registries.conf.d/mirror.conf</h2>
<pre>[[registry]]
prefix = "docker.io"
location = "docker.io"
[[registry.mirror]]
location = "{0}"
insecure = true</pre>
</html>
)html";

http::Response with_text(std::string_view type, std::string text) {
  http::Response response;
  response.fields.add_view("Content-Type", type);
  response.body = std::make_unique<http::MemoryBody>(std::move(text));
  return response;
}

}  // namespace

std::string setup_script(const SetupFacts& facts) {
  return fmt::format(kScript, facts.authority, facts.certificate_pem);
}

std::optional<http::Response> setup_answer(const http::RequestHead& head, const SetupFacts& facts) {
  if (head.method != http::Method::get && head.method != http::Method::head) return std::nullopt;
  const auto path = head.path.substr(0, head.path.find('?'));
  if (path == "/ca.crt") return with_text("application/x-x509-ca-cert", facts.certificate_pem);
  if (path == "/setup") return with_text("text/html; charset=utf-8", fmt::format(kPage, facts.authority));
  if (path == "/setup.sh") return with_text("text/x-shellscript; charset=utf-8", setup_script(facts));
  return std::nullopt;
}

}  // namespace propeller::forward
