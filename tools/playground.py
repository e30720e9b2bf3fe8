"""A site on loopback for demo and drill: a real broker, a real registry, a bridge, and images to put in.

Everything lives in a folder of its own and on ports of its own, and is stopped by process id when the `Playground`
is left. Needs Debian's mosquitto and docker-registry; tools/setup.sh test installs them.
"""
import gzip
import hashlib
import io
import json
import os
import random
import shutil
import signal
import socket
import subprocess
import tarfile
import tempfile
import time
import urllib.error
import urllib.parse
import urllib.request
from pathlib import Path

START_SECONDS_MAX = 20
STOP_SECONDS_MAX = 35
CHANNEL = "8f1c2a64-demo"
IDENTITY = "demo-proplet"
KEY = "demo-key"
# No proxy of the user's environment stands between the parts of a site on loopback.
http = urllib.request.build_opener(urllib.request.ProxyHandler({}))


class Problem(Exception):
    """What a person should read; no stack."""


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def answers(port):
    try:
        socket.create_connection(("127.0.0.1", port), 1).close()
        return True
    except OSError:
        return False


def status_of(url):
    """The HTTP status, or None when nobody answers."""
    try:
        with http.open(url, timeout=2) as response:
            return response.status
    except urllib.error.HTTPError as error:
        return error.code
    except OSError:
        return None


def find_program(name):
    found = shutil.which(name, path=os.environ.get("PATH", "") + ":/usr/sbin:/usr/local/sbin")
    if not found:
        raise Problem(f"{name} is missing: tools/setup.sh test installs it")
    return found


class Service:
    """A child process that is ready when `is_ready` says so."""

    def __init__(self, name, command, is_ready, log, environment=None):
        self.name, self.command, self.is_ready, self.log, self.environment = name, command, is_ready, log, environment
        self.process = None

    def start(self):
        with open(self.log, "ab") as log:
            self.process = subprocess.Popen(self.command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, env=self.environment)
        deadline = time.monotonic() + START_SECONDS_MAX
        while not self.is_ready():
            if self.process.poll() is not None or time.monotonic() > deadline:
                self.stop()
                raise Problem(f"{self.name} did not start:\n" + "".join(self.log_tail()))
            time.sleep(0.02)

    def stop(self, with_signal=signal.SIGTERM):
        """Returns the exit code."""
        if self.process is None:
            return None
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGCONT)
            self.process.send_signal(with_signal)
            try:
                self.process.wait(STOP_SECONDS_MAX)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
        return self.process.returncode

    def log_tail(self, lines=15):
        with open(self.log, errors="replace") as log:
            return log.readlines()[-lines:]


class Playground:
    """Use as a context manager; `broker`, `registry` and `bridge` are started one by one."""

    def __init__(self, binary, settings=None, has_proxy=False):
        """`has_proxy`: the site's HTTP proxy runs beside the bridge, as the mirror of the registry."""
        self.binary = str(Path(binary).resolve())
        self.folder = Path(tempfile.mkdtemp(prefix="propeller-site-"))
        self.broker_port, self.registry_port, self.health_port = free_port(), free_port(), free_port()
        self.broker_url = f"tcp://127.0.0.1:{self.broker_port}"
        self.registry_url = f"http://127.0.0.1:{self.registry_port}"
        self.health_url = f"http://127.0.0.1:{self.health_port}/health"
        self.broker = self._broker()
        self.registry = self._registry()
        self.images = Images(self.registry_url)
        self.mirror_url = f"http://127.0.0.1:{free_port()}"
        self.bridge = self._bridge(settings or {}, ["run", "--config", str(self._site_file())] if has_proxy else [])

    def __enter__(self):
        return self

    def __exit__(self, *_):
        for service in (self.bridge, self.registry, self.broker):
            service.stop()
        shutil.rmtree(self.folder, ignore_errors=True)

    def _broker(self):
        config = self.folder / "mosquitto.conf"
        config.write_text(f"listener {self.broker_port} 127.0.0.1\nallow_anonymous true\npersistence false\n")
        command = [find_program("mosquitto"), "-c", str(config)]
        return Service("mosquitto", command, lambda: answers(self.broker_port), self.folder / "broker.log")

    def _registry(self):
        config = self.folder / "registry.yml"
        config.write_text(
            "version: 0.1\nlog: {level: error}\n"
            f"storage: {{filesystem: {{rootdirectory: {self.folder}/images}}, delete: {{enabled: true}}}}\n"
            f"http: {{addr: '127.0.0.1:{self.registry_port}', secret: playground}}\n")
        command = [find_program("docker-registry"), "serve", str(config)]
        return Service("docker-registry", command, lambda: status_of(self.registry_url + "/v2/") == 200,
                       self.folder / "registry.log")

    def _site_file(self):
        config = self.folder / "propeller-proxy.yaml"
        config.write_text(
            f"proxy: {{listen: ['{self.mirror_url.removeprefix('http://')}']}}\n"
            f"api: {{listen: '127.0.0.1:{free_port()}'}}\n"
            f"tls: {{cert_dir: {self.folder}/certs}}\n"
            f"cache: {{enabled: true, dir: {self.folder}/cache, min_free: 0}}\n"
            f"mirror: {{enabled: true, upstreams: [{{name: docker.io, url: '{self.registry_url}'}}]}}\n")
        return config

    def _bridge(self, settings, arguments):
        environment = {
            "PATH": os.environ.get("PATH", ""),
            "PROXY_MQTT_ADDRESS": self.broker_url,
            "PROXY_PROPLET_ID": IDENTITY,
            "PROXY_PROPLET_KEY": KEY,
            "PROXY_CHANNEL_ID": CHANNEL,
            "PROXY_REGISTRY_URL": self.registry_url,
            "PROXY_HTTP_PORT": str(self.health_port),
            "PROXY_SPOOL_DIR": str(self.folder / "spool"),
            **settings,
        }
        return Service("propeller-proxy", [self.binary, *arguments], lambda: status_of(self.health_url) == 200,
                       self.folder / "bridge.log", environment)

    def fetch_command(self, reference, output, *flags):
        return [self.binary, "fetch", "--broker", self.broker_url, "--channel", CHANNEL, *flags, reference, "-o", str(output)]

    def fetch(self, reference, output, *flags, seconds_max=120):
        """(exit code, what it printed)"""
        done = subprocess.run(self.fetch_command(reference, output, *flags), stdin=subprocess.DEVNULL, capture_output=True,
                              text=True, timeout=seconds_max, env={"PATH": os.environ.get("PATH", "")})
        return done.returncode, (done.stdout + done.stderr).strip()


class Images:
    """Puts images into a registry, through its API."""

    def __init__(self, registry_url):
        self.registry_url = registry_url

    def push_raw(self, name, tag, module):
        """As `oras push` does: the module itself is the layer."""
        layer = self._upload(name, module, "application/wasm")
        layer["annotations"] = {"org.opencontainers.image.title": name.rsplit("/", 1)[-1] + ".wasm"}
        config = self._upload(name, b"{}", "application/vnd.oci.empty.v1+json")
        self._put_manifest(name, tag, "application/vnd.oci.image.manifest.v1+json", config, layer)

    def push_image(self, name, tag, module):
        """As `docker push` of FROM scratch, COPY plugin.wasm does: a tar, compressed with gzip, under an image's manifest."""
        archive = io.BytesIO()
        with tarfile.open(fileobj=archive, mode="w") as tar:
            entry = tarfile.TarInfo("plugin.wasm")
            entry.size = len(module)
            tar.addfile(entry, io.BytesIO(module))
        kind = "application/vnd.docker.image.rootfs.diff.tar.gzip"
        layer = self._upload(name, gzip.compress(archive.getvalue(), compresslevel=1, mtime=0), kind)
        image = {"architecture": "wasm", "os": "wasi", "config": {"Entrypoint": ["/plugin.wasm"]},
                 "rootfs": {"type": "layers", "diff_ids": ["sha256:" + sha256(archive.getvalue())]}}
        config = self._upload(name, json.dumps(image).encode(), "application/vnd.docker.container.image.v1+json")
        self._put_manifest(name, tag, "application/vnd.docker.distribution.manifest.v2+json", config, layer)

    def _request(self, method, url, body, content_type):
        request = urllib.request.Request(url, data=body, method=method, headers={"Content-Type": content_type})
        with http.open(request, timeout=60) as response:
            return response

    def _upload(self, name, content, media_type):
        begun = self._request("POST", f"{self.registry_url}/v2/{name}/blobs/uploads/", b"", "application/octet-stream")
        location = urllib.parse.urljoin(self.registry_url, begun.headers["Location"])
        digest = "sha256:" + sha256(content)
        joint = "&" if "?" in location else "?"
        self._request("PUT", f"{location}{joint}digest={digest}", content, "application/octet-stream")
        return {"mediaType": media_type, "digest": digest, "size": len(content)}

    def _put_manifest(self, name, tag, media_type, config, layer):
        manifest = {"schemaVersion": 2, "mediaType": media_type, "config": config, "layers": [layer]}
        self._request("PUT", f"{self.registry_url}/v2/{name}/manifests/{tag}", json.dumps(manifest).encode(), media_type)


def sha256(content):
    return hashlib.sha256(content).hexdigest()


def module_from_text(path):
    """The bytes of a file like tools/demo/add.wasm.txt."""
    return bytes.fromhex(" ".join(line.partition(";")[0] for line in Path(path).read_text().splitlines()))


def leb128(number):
    encoded = bytearray()
    while True:
        number, low = number >> 7, number & 0x7F
        encoded.append(low | (0x80 if number else 0))
        if not number:
            return bytes(encoded)


def grown(module, size, seed=0):
    """The module with a custom section behind it that brings it to about `size` bytes; still a valid module."""
    name = b"\x07padding"
    content = name + random.Random(seed).randbytes(max(0, size - len(module) - 8))
    return module + b"\x00" + leb128(len(content)) + content
