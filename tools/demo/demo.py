#!/usr/bin/env python3
"""A WASM module travels from a real registry through a real broker to a device, and arrives as it was. Then the registry
is stopped, and an image that was pulled once is pulled again, by a client of the mirror and by a device.

    tools/demo/demo.py PROPELLER_PROXY      (`make demo` builds it and installs what is missing)
"""
import json
import sys
import time
import urllib.request
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
import playground as pg  # noqa: E402


MANIFESTS = "application/vnd.oci.image.manifest.v1+json, application/vnd.docker.distribution.manifest.v2+json"


def deliver(site, name, module, flags=()):
    """Fetches as a device would; says what came."""
    output = site.folder / "delivered.wasm"
    output.unlink(missing_ok=True)
    began = time.monotonic()
    code, printed = site.fetch(name, output, *flags)
    if code != 0:
        raise pg.Problem(f"fetch {name} failed with {code}: {printed}\n" + "".join(site.bridge.log_tail()))
    seconds = time.monotonic() - began
    delivered = output.read_bytes()
    if pg.sha256(delivered) != pg.sha256(module):
        raise pg.Problem(f"{name}: what arrived is not what was pushed")
    how = " ".join(flags) or "broadcast"
    print(f"  {name:<22} {how:<15} {len(delivered):>9,} bytes in {seconds * 1000:5.0f} ms   sha256 {pg.sha256(delivered)[:12]} = pushed")


def pull(site, name, tag):
    """As a container engine with the mirror pulls: what the tag names, then each blob. Returns how many were hits."""
    began = time.monotonic()
    hits, total, size = 0, 0, 0

    def get(path):
        nonlocal hits, total, size
        request = urllib.request.Request(f"{site.mirror_url}/v2/{name}/{path}?ns=docker.io", headers={"Accept": MANIFESTS})
        with pg.http.open(request, timeout=60) as response:
            content = response.read()
            hits += response.headers["X-Cache"] == "HIT"
        total, size = total + 1, size + len(content)
        return content

    manifest = json.loads(get(f"manifests/{tag}"))
    for part in (manifest["config"], *manifest["layers"]):
        if pg.sha256(get(f"blobs/{part['digest']}")) != part["digest"].removeprefix("sha256:"):
            raise pg.Problem(f"{name}: {part['digest']} is not what was pulled")
    milliseconds = (time.monotonic() - began) * 1000
    print(f"  {name + ':' + tag:<22} {'mirror':<15} {size:>9,} bytes in {milliseconds:5.0f} ms   {hits} of {total} parts were here")
    return hits == total


def main():
    if len(sys.argv) != 2:
        print(__doc__, file=sys.stderr)
        return 2
    add = pg.module_from_text(Path(__file__).with_name("add.wasm.txt"))
    big = pg.grown(add, 5_000_000)
    try:
        with pg.Playground(sys.argv[1], has_proxy=True) as site:
            site.broker.start()
            site.registry.start()
            print(f"mosquitto on 127.0.0.1:{site.broker_port}, docker-registry on 127.0.0.1:{site.registry_port}")
            site.images.push_raw("acme/add", "latest", add)
            site.images.push_image("acme/big", "v1", big)
            print("pushed acme/add (the module itself, as oras does) and acme/big:v1 (a tar.gz, as docker does)")
            site.bridge.start()
            print(f"propeller-proxy connected and subscribed ({site.health_url} says 200); a device asks over MQTT:")
            deliver(site, "acme/add", add)
            deliver(site, "acme/big:v1", big)
            deliver(site, "acme/big:v1", big, ("--direct", "--raw"))
            code, printed = site.fetch("acme/nothing", site.folder / "nothing.wasm")
            if code == 0:
                raise pg.Problem("an image that does not exist was delivered")
            print(f"  {'acme/nothing':<22} {printed.splitlines()[-1].removeprefix('propeller-proxy fetch: ')}")
            print(f"a client pulls through the mirror {site.mirror_url}, which takes what the bridge has fetched:")
            pull(site, "acme/big", "v1")
            site.registry.stop()
            print("the registry is stopped; the client pulls again, and a device asks once more:")
            if not pull(site, "acme/big", "v1"):
                raise pg.Problem("a part of the second pull was not in the cache")
            deliver(site, "acme/big:v1", big)
            code = site.bridge.stop()
            if code != 0:
                raise pg.Problem(f"the bridge ended with {code} after SIGTERM:\n" + "".join(site.bridge.log_tail()))
            print("the proxy stopped cleanly; the broker stopped too")
    except pg.Problem as problem:
        print(f"demo: {problem}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130
    print("demo: every module arrived as it was pushed")
    return 0


if __name__ == "__main__":
    sys.exit(main())
