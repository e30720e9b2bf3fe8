#!/usr/bin/env python3
"""The registry mirror next to docker-registry's pull-through cache, nginx, Varnish and Squid, all in front of one registry.

    bench/forward/mirror.py PROGRAM [--quick] [--only hits,pulls]

hits    CPU time for a hit of a 2 KiB manifest by its digest, in turns, from /proc.
pulls   Wall time of a pull of ten layers, three at a time: straight, cold through the mirror, and again; and over a link of
        50 ms and 20 MB/s (a relay that delays and counts) straight and cold through the mirror. Beside them, cold through
        nginx and docker-registry. Median of rounds, each with layers of its own.

Needs Debian's docker-registry and wrk; of nginx, Varnish and Squid what is missing is left out. Ends with 3 when a bar is
missed, but not where CI is set.
"""
import argparse
import concurrent.futures
import hashlib
import json
import os
import statistics
import sys
import tempfile
import time
import urllib.request
from pathlib import Path

import peers as sites
import run
from machine import wrk
from relay import Relay

sys.path.insert(0, str(Path(__file__).resolve().parent.parent.parent / "tools"))
import playground  # noqa: E402

REGISTRY, PULL_THROUGH, NGINX, VARNISH, SQUID, OURS, OURS_API, LINK = range(19020, 19028)
MANIFEST = "application/vnd.oci.image.manifest.v1+json"
LAYERS, LAYER_BYTES = 10, 4 << 20

REGISTRY_YAML = """
version: 0.1
log: {{level: error, accesslog: {{disabled: true}}}}
storage: {{filesystem: {{rootdirectory: {d}/{name}}}, cache: {{blobdescriptor: inmemory}}}}
http: {{addr: '127.0.0.1:{port}', secret: bench}}
"""
NGINX_CONF = """
daemon off; worker_processes 1; error_log {d}/nginx.err; pid {d}/nginx.pid; events {{ worker_connections 4096; }}
http {{ access_log off; keepalive_requests 1000000; proxy_cache_path {d}/nginx levels=1:2 keys_zone=c:16m use_temp_path=off;
  upstream registry {{ server 127.0.0.1:{REGISTRY}; keepalive 64; }}
  server {{ listen 127.0.0.1:{NGINX}; location / {{ proxy_pass http://registry; proxy_http_version 1.1;
    proxy_set_header Connection ""; proxy_set_header Host $http_host; proxy_cache c; proxy_cache_valid 200 1d; }} }} }}
"""
SQUID_CONF = """
http_port 127.0.0.1:{SQUID} accel defaultsite=127.0.0.1 no-vhost
cache_peer 127.0.0.1 parent {REGISTRY} 0 no-query originserver
http_access allow all
cache_mem 256 MB
refresh_pattern . 1440 100% 1440 override-expire
access_log none
cache_log {d}/squid.log
pid_filename {d}/squid.pid
cache_effective_user proxy
shutdown_lifetime 1 seconds
visible_hostname localhost
"""
OURS_YAML = """
threads: 1
proxy: {{port: {OURS}, api_port: {OURS_API}}}
tls: {{cert_dir: {d}/ours/certs}}
cache: {{enabled: true, dir: {d}/ours/cache, min_free: 0}}
mirror: {{enabled: true, upstreams: [{{name: docker.io, url: 'http://127.0.0.1:{REGISTRY}'}},
  {{name: link.example, url: 'http://127.0.0.1:{LINK}'}}]}}
logging: {{level: warn}}
"""


class Site(sites.Peers):
    """One registry, and those that cache what it has."""

    def __init__(self, folder, program):  # not Peers': there is no nginx to be the origin
        self.folder, self.program, self.running, self.paths = folder, program, {}, {}
        self.names = {"d": folder, "REGISTRY": REGISTRY, "NGINX": NGINX, "SQUID": SQUID, "OURS": OURS, "OURS_API": OURS_API,
                      "LINK": LINK}
        os.chmod(folder, 0o755)

    def start_all(self):
        self.start_registry("registry", REGISTRY)
        self.start_registry("pull-through", PULL_THROUGH, f"proxy: {{remoteurl: 'http://127.0.0.1:{REGISTRY}'}}\n")
        self.start("nginx", ["nginx", "-c", self.configure("nginx.conf", NGINX_CONF)], NGINX)
        vcl = self.configure("varnish.vcl", f'vcl 4.1;\nbackend default {{{{ .host="127.0.0.1"; .port="{REGISTRY}"; }}}}\n'
                                            "sub vcl_backend_response {{ set beresp.ttl = 1d; }}\n")
        self.start("varnish", ["varnishd", "-F", "-a", f"127.0.0.1:{VARNISH}", "-f", vcl, "-s", "malloc,256m", "-n",
                               f"{self.folder}/varnish"], VARNISH)
        self.start("squid", ["squid", "-N", "-f", self.configure("squid.conf", SQUID_CONF)], SQUID)
        self.start("ours", [self.program, "run", "--config", self.configure("ours.yaml", OURS_YAML)], OURS)

    def start_registry(self, name, port, more=""):
        text = REGISTRY_YAML.format(d=self.folder, name=name, port=port) + more
        self.start(name, ["docker-registry", "serve", sites.write(f"{self.folder}/{name}.yml", text)], port)


class Source(playground.Images):
    """Pushes images to the registry."""

    def manifest(self, name, tag, layers, annotations=None):
        config = self._upload(name, b"{}", "application/vnd.oci.empty.v1+json")
        parts = [self._upload(name, layer, "application/vnd.oci.image.layer.v1.tar") for layer in layers]
        manifest = {"schemaVersion": 2, "mediaType": MANIFEST, "config": config, "layers": parts, "annotations": annotations or {}}
        text = json.dumps(manifest).encode()
        self._request("PUT", f"{self.registry_url}/v2/{name}/manifests/{tag}", text, MANIFEST)
        return "sha256:" + hashlib.sha256(text).hexdigest(), text


def hits(site, source, rounds, seconds):
    digest, text = source.manifest("bench/m", "v1", [b"layer"], {"note": "n" * 1500})
    path = f"/v2/bench/m/manifests/{digest}"
    script = sites.write(f"{site.folder}/accept.lua", f'wrk.headers["Accept"] = "{MANIFEST}"\n')
    ports = {"pull-through": PULL_THROUGH, "nginx": NGINX, "varnish": VARNISH, "squid": SQUID, "ours": OURS}
    names = [name for name in ports if name in site.running]

    def load(name, for_seconds):
        count, trouble = wrk(f"http://127.0.0.1:{ports[name]}{path}", 32, for_seconds, script)
        if trouble:
            print(f"  {name}: {trouble}")
        return count

    for name in names:
        load(name, 1)
    costs = run.measure(rounds, {name: (site.pid(name), lambda name=name: load(name, seconds)) for name in names})
    through = costs.pop("pull-through")
    ratio = run.table(f"hit of a manifest of {len(text)} bytes", costs)
    print(f"  {'registry':8} {through * 1e6:9.1f} us  docker-registry as a pull-through cache")
    run.bar("of docker-registry's", costs["ours"] / through, 0.02)
    if ratio:
        run.bar("of the best other's", ratio, 1.0)


def pull(port, name):
    """Seconds for the manifest of a tag and all its blobs, three at a time."""
    began = time.perf_counter()
    base = f"http://127.0.0.1:{port}/v2/{name}/"

    def get(path):
        request = urllib.request.Request(base + path, headers={"Accept": MANIFEST})
        with playground.http.open(request, timeout=120) as response:
            return response.read()

    manifest = json.loads(get("manifests/v1"))
    wanted = {part["digest"] for part in (manifest["config"], *manifest["layers"])}
    with concurrent.futures.ThreadPoolExecutor(3) as workers:
        for digest, content in zip(wanted, workers.map(lambda digest: get(f"blobs/{digest}"), wanted)):
            if "sha256:" + hashlib.sha256(content).hexdigest() != digest:
                raise RuntimeError(f"{digest} came as something else")
    return time.perf_counter() - began


def pulls(site, source, rounds):
    seen = {"straight": [], "cold": [], "again": [], "link": [], "cold over the link": []}
    others = {f"cold through {name}": port for name, port in (("nginx", NGINX), ("pull-through", PULL_THROUGH)) if name in site.running}
    seen |= {what: [] for what in others}
    with Relay(LINK, REGISTRY, delay=0.025, bytes_per_second=20e6):
        for number in range(rounds):
            name = f"bench/pull{number}"
            source.manifest(name, "v1", [os.urandom(LAYER_BYTES) for _ in range(LAYERS)])
            turns = [("straight", REGISTRY), ("cold", OURS)]
            for what, port in turns if number % 2 else reversed(turns):
                seen[what].append(pull(port, name))
            for what, port in others.items():
                seen[what].append(pull(port, name))
            time.sleep(0.5)  # the entries of a download are there a moment after its last byte
            seen["again"].append(pull(OURS, name))
            if number < 3:
                seen["link"].append(pull(LINK, name))
                far = f"bench/far{number}"  # which the mirror has not seen
                source.manifest(far, "v1", [os.urandom(LAYER_BYTES) for _ in range(LAYERS)])
                seen["cold over the link"].append(pull(OURS, f"link.example/{far}"))
    middle = {what: statistics.median(times) for what, times in seen.items()}
    size = LAYERS * LAYER_BYTES >> 20
    print(f"pull of {LAYERS} layers, {size} MiB: " + ", ".join(f"{what} {seconds * 1e3:.0f} ms" for what, seconds in middle.items()))
    run.bar("a cold pull through the mirror, of a straight one", middle["cold"] / middle["straight"], 1.15)
    run.bar("the same over 50 ms and 20 MB/s", middle["cold over the link"] / middle["link"], 1.15)
    run.bar("the second pull, of one over 50 ms and 20 MB/s", middle["again"] / middle["link"], 0.2)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("program")
    parser.add_argument("--quick", action="store_true", help="one short round of everything")
    parser.add_argument("--only", default="hits,pulls")
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="mirror-bench-") as folder:
        site = Site(folder, os.path.abspath(asked.program))
        try:
            site.start_all()
            source = Source(f"http://127.0.0.1:{REGISTRY}")
            if "hits" in asked.only.split(","):
                hits(site, source, 1 if asked.quick else 3, 1 if asked.quick else 4)
            if "pulls" in asked.only.split(","):
                pulls(site, source, 3 if asked.quick else 11)
        finally:
            site.stop()
    sys.exit(3 if run.missed and "CI" not in os.environ else 0)


if __name__ == "__main__":
    main()
