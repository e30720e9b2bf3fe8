"""An origin, and the proxies that are measured: each with one thread for its work, each with a cache."""
import hashlib
import os
import shutil
import socket
import subprocess
import time

SIZES = {"2k": 2 << 10, "1m": 1 << 20, "64m": 64 << 20}
ORIGIN, ORIGIN_TLS, NGINX, VARNISH, SQUID, SQUID_BUMP, OURS, OURS_API = range(19000, 19008)

ORIGIN_CONF = """
daemon off; worker_processes 1; error_log {d}/origin.err; pid {d}/origin.pid; events {{ worker_connections 16384; }}
http {{ access_log {d}/origin.log; sendfile on; keepalive_requests 1000000; keepalive_timeout 300; default_type application/octet-stream;
  server {{ listen 127.0.0.1:{ORIGIN} backlog=4096; listen 127.0.0.1:{ORIGIN_TLS} ssl; root {d}/www;
    ssl_certificate {d}/origin.crt; ssl_certificate_key {d}/origin.key;
    location / {{ add_header Cache-Control "public, max-age=31536000, immutable"; }}
    location ~ ^/v2/bench/many/blobs/(.*)$ {{ access_log off; return 200 "the bytes of number $1"; }} }} }}
"""
NGINX_CONF = """
daemon off; worker_processes 1; error_log {d}/nginx.err; pid {d}/nginx.pid; events {{ worker_connections 16384; }}
http {{ access_log off; sendfile on; keepalive_requests 1000000; keepalive_timeout 300;
  proxy_cache_path {d}/nginx levels=1:2 keys_zone=c:64m max_size=10g use_temp_path=off;
  upstream origin {{ server 127.0.0.1:{ORIGIN}; keepalive 256; }}
  server {{ listen 127.0.0.1:{NGINX} backlog=4096;
    location / {{ proxy_pass http://origin; proxy_http_version 1.1; proxy_set_header Connection "";
      proxy_cache c; proxy_cache_valid 200 1d; proxy_cache_lock on; }} }} }}
"""
SQUID_CONF = """
http_access allow localhost
http_port 127.0.0.1:{SQUID}
http_port 127.0.0.1:{SQUID_BUMP} ssl-bump tls-cert={d}/ca.pem generate-host-certificates=on dynamic_cert_mem_cache_size=4MB
sslcrtd_program /usr/lib/squid/security_file_certgen -s {d}/certgen -M 4MB
ssl_bump bump all
sslproxy_cert_error allow all
cache_dir ufs {d}/squid 4000 16 256
maximum_object_size 1 GB
cache_mem 256 MB
maximum_object_size_in_memory 8 MB
access_log none
cache_log {d}/squid/log
pid_filename {d}/squid/pid
cache_effective_user proxy
shutdown_lifetime 1 seconds
visible_hostname localhost
"""
OURS_YAML = """
threads: 1
proxy:
  port: {OURS}
  api_port: {OURS_API}
  allow_targets: [127.0.0.0/8]
tls:
  cert_dir: {d}/ours/certs
  upstream_ca: [{d}/origin.crt]
cache:
  enabled: true
  dir: {d}/ours/cache
  max_size: 21474836480
  patterns: ["^/v2/.*/blobs/"]
logging:
  level: warn
"""


def write(path, text):
    with open(path, "w") as file:
        file.write(text)
    return path


def certificate(folder, name, subject, *more):
    subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2",
                    "-keyout", f"{folder}/{name}.key", "-out", f"{folder}/{name}.crt", "-subj", f"/CN={subject}", *more],
                   check=True, stderr=subprocess.DEVNULL)


class Peers:
    """Starts what is installed with start_all(); stop() is for the end, also after a start that failed."""

    def __init__(self, folder, program):
        self.folder = folder
        self.running = {}
        self.paths = {}
        self.names = dict(d=folder, ORIGIN=ORIGIN, ORIGIN_TLS=ORIGIN_TLS, NGINX=NGINX, SQUID=SQUID, SQUID_BUMP=SQUID_BUMP,
                          OURS=OURS, OURS_API=OURS_API)
        os.chmod(folder, 0o755)
        self.make_blobs()
        certificate(folder, "origin", "localhost", "-addext", "subjectAltName=DNS:localhost")
        self.program = program

    def start_all(self):
        folder = self.folder
        self.start("origin", ["nginx", "-c", self.configure("origin.conf", ORIGIN_CONF)], ORIGIN)
        self.start("nginx", ["nginx", "-c", self.configure("nginx.conf", NGINX_CONF)], NGINX)
        vcl = self.configure("varnish.vcl", 'vcl 4.1;\nbackend default {{ .host="127.0.0.1"; .port="{ORIGIN}"; }}\n')
        self.start("varnish", ["varnishd", "-F", "-a", f"127.0.0.1:{VARNISH}", "-f", vcl, "-s", "malloc,1g", "-n",
                               f"{folder}/varnish", "-t", "86400"], VARNISH)
        self.start_squid()
        self.start("ours", [self.program, "run", "--config", self.configure("ours.yaml", OURS_YAML)], OURS)

    def configure(self, name, text):
        return write(f"{self.folder}/{name}", text.format(**self.names))

    def make_blobs(self):
        blobs = f"{self.folder}/www/v2/bench/m/blobs"
        os.makedirs(blobs)
        for name, size in SIZES.items():
            self.paths[name] = self.add_blob(os.urandom(size))

    def add_blob(self, content):
        path = f"/v2/bench/m/blobs/sha256:{hashlib.sha256(content).hexdigest()}"
        with open(f"{self.folder}/www{path}", "wb") as file:
            file.write(content)
        return path

    def start_squid(self):
        squid = f"{self.folder}/squid"
        os.makedirs(squid)
        certificate(self.folder, "ca", "bench CA", "-addext", "keyUsage=critical,keyCertSign")
        with open(f"{self.folder}/ca.key") as key, open(f"{self.folder}/ca.crt") as crt:
            write(f"{self.folder}/ca.pem", crt.read() + key.read())
        config = self.configure("squid.conf", SQUID_CONF)
        if not shutil.which("squid"):
            print("bench: squid is not installed: skipped")
            return
        os.chmod(f"{self.folder}/ca.pem", 0o644)
        subprocess.run(["/usr/lib/squid/security_file_certgen", "-c", "-s", f"{self.folder}/certgen", "-M", "4MB"], check=True,
                       stdout=subprocess.DEVNULL)
        subprocess.run(["chown", "-R", "proxy:proxy", squid, f"{self.folder}/certgen"], check=True)
        subprocess.run(["squid", "-z", "-N", "-f", config], check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        self.start("squid", ["squid", "-N", "-f", config], SQUID)

    def start(self, name, command, port):
        if not shutil.which(command[0]):
            print(f"bench: {name} is not installed: skipped")
            return
        with open(f"{self.folder}/{name}.out", "w") as out:
            self.running[name] = subprocess.Popen(command, stdout=out, stderr=out)
        for _ in range(100):
            try:
                socket.create_connection(("127.0.0.1", port), timeout=1).close()
                return
            except OSError:
                time.sleep(0.1)
        raise RuntimeError(f"{name} does not listen on {port}; it said:\n" + open(f"{self.folder}/{name}.out").read())

    def pid(self, name):
        return self.running[name].pid

    def origin_requests(self, path):
        """How often the origin was asked for a path."""
        time.sleep(0.2)
        with open(f"{self.folder}/origin.log") as log:
            return sum(f" {path} " in line for line in log)

    def stop(self):
        for process in reversed(self.running.values()):
            process.terminate()
        for process in self.running.values():
            try:
                process.wait(10)
            except subprocess.TimeoutExpired:
                process.kill()
