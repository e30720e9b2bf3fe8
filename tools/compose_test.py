#!/usr/bin/env python3
"""Runs docker-compose.yml: a module is pushed to the registry, a device asks the bridge for it and gets the same bytes, and
so do clients of the mirror and of the forward proxy.

    tools/compose_test.py COMPOSE COMMAND …      (called by tools/containers.sh, which sets MOSQUITTO_IMAGE and so on)
"""
import os
import subprocess
import sys
import time
import urllib.request
from pathlib import Path

import playground as pg

ROOT = Path(__file__).resolve().parent.parent
READY_SECONDS_MAX = 60
PROJECT = "propeller-compose-test"


class Site:
    def __init__(self, compose):
        self.ports = {name: pg.free_port() for name in ("MQTT_PORT", "REGISTRY_PORT", "PROXY_HTTP_PORT", "FORWARD_PORT")}
        self.environment = {**os.environ, **{name: str(port) for name, port in self.ports.items()}}
        self.compose = [*compose, "-p", PROJECT, "-f", str(ROOT / "docker-compose.yml")]

    def run(self, *arguments, **environment):
        """(exit code, output)"""
        done = subprocess.run([*self.compose, *arguments], cwd=ROOT, stdin=subprocess.DEVNULL, capture_output=True, text=True,
                              env={**self.environment, **environment})
        return done.returncode, done.stdout + done.stderr

    def must(self, *arguments, **environment):
        code, output = self.run(*arguments, **environment)
        if code != 0:
            raise pg.Problem(f"compose {' '.join(arguments)} ended with {code}:\n{output}")
        return output

    def down(self):
        self.run("down", "-v")
        if "podman-compose" in self.compose[-5]:  # which leaves its network behind
            podman = [part.replace("podman-compose", "podman") for part in self.compose[:-4]]
            subprocess.run([*podman, "network", "rm", PROJECT + "_default"], stdin=subprocess.DEVNULL, capture_output=True)

    def wait_until(self, what, is_so):
        deadline = time.monotonic() + READY_SECONDS_MAX
        while not is_so():
            if time.monotonic() > deadline:
                raise pg.Problem(f"{what}: not within {READY_SECONDS_MAX} s\n" + self.run("logs", "proxy")[1][-3000:])
            time.sleep(0.2)


def fetched(site, reference):
    """What the device says. It asks again when the bridge did not reach the registry: a young network of containers does not
    always answer for its names."""
    for tries_left in (2, 1, 0):
        # --no-deps: podman-compose would build the proxy's image from source before each run
        # podman-compose does not end with the program's exit code: what it said counts.
        _, output = site.run("run", "--rm", "-T", "--no-deps", "device", REFERENCE=reference)
        if not tries_left or "propeller-proxy fetch: timeout" not in output:
            return output
        print(f"compose-test: {reference}: the bridge did not reach the registry in time; once more", flush=True)


def check(site):
    module = pg.grown(pg.module_from_text(ROOT / "tools/demo/add.wasm.txt"), 2_000_000)
    site.must("up", "-d", "mosquitto", "registry", "proxy")
    registry = f"http://127.0.0.1:{site.ports['REGISTRY_PORT']}"
    site.wait_until("registry", lambda: pg.status_of(registry + "/v2/") == 200)
    pg.Images(registry).push_raw("acme/add", "latest", module)
    pg.Images(registry).push_image("acme/add", "v1", module)
    health = f"http://127.0.0.1:{site.ports['PROXY_HTTP_PORT']}/health"
    site.wait_until("health from outside", lambda: pg.status_of(health) == 200)
    site.must("exec", "-T", "proxy", "propeller-proxy", "healthcheck")
    for reference in ("acme/add", "acme/add:v1"):
        output = fetched(site, reference)
        if pg.sha256(module) not in output:
            raise pg.Problem(f"{reference}: the device has something else than what was pushed:\n{output}")
        print(f"compose-test: {reference:<12} {len(module):,} bytes, sha256 {pg.sha256(module)[:12]}, as pushed")
    forward = f"http://127.0.0.1:{site.ports['FORWARD_PORT']}"
    blob = f"/v2/acme/add/blobs/sha256:{pg.sha256(module)}"
    check_bytes("mirror", urllib.request.build_opener(), forward + blob, module)
    through_proxy = urllib.request.build_opener(urllib.request.ProxyHandler({"http": forward}))
    check_bytes("proxy", through_proxy, "http://registry:5000" + blob, module)


def check_bytes(name, opener, url, expected):
    """What the device fetched is in the cache for everybody else."""
    with opener.open(url, timeout=READY_SECONDS_MAX) as answer:
        if answer.read() != expected or answer.headers["X-Cache"] != "HIT":
            raise pg.Problem(f"{name}: {url} is not what the device fetched, or not from the cache:\n{answer.headers}")
    print(f"compose-test: {name:<12} {len(expected):,} bytes, from the cache")


def main():
    site = Site(sys.argv[1:])
    site.down()  # what an interrupted run left
    try:
        check(site)
    except pg.Problem as problem:
        print(f"compose-test: {problem}", file=sys.stderr)
        return 1
    finally:
        site.down()
    print("compose-test: ok")
    return 0


if __name__ == "__main__":
    sys.exit(main())
