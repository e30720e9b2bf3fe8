"""What the figures come from: CPU time and memory of processes, wrk, and a client of proxies that wrk is not."""
import os
import re
import socket
import ssl
import subprocess
import time

TICK = os.sysconf("SC_CLK_TCK")


def stat(pid):
    with open(f"/proc/{pid}/stat") as file:
        return file.read().rsplit(")", 1)[1].split()


def family(root):
    """A process and all its descendants."""
    parents = {}
    for name in filter(str.isdigit, os.listdir("/proc")):
        try:
            parents[int(name)] = int(stat(name)[1])
        except OSError:
            pass  # it has ended meanwhile
    found, before = {root}, 0
    while len(found) != before:
        before = len(found)
        found |= {pid for pid, parent in parents.items() if parent in found}
    return found


def cpu_seconds(root):
    """User and system time of a process and its descendants, in seconds."""
    total = 0
    for pid in family(root):
        try:
            total += sum(map(int, stat(pid)[11:13]))
        except OSError:
            pass
    return total / TICK


def memory_mib(root):
    total = 0
    for pid in family(root):
        try:
            with open(f"/proc/{pid}/status") as file:
                total += int(re.search(r"VmRSS:\s+(\d+)", file.read()).group(1))
        except (OSError, AttributeError):
            pass
    return total / 1024


def wrk(url, connections, seconds, script=None):
    """(requests, what went wrong) of `seconds` of load."""
    command = ["wrk", "-t1", f"-c{connections}", f"-d{seconds}s", *(["-s", script] if script else []), url]
    said = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    trouble = re.search(r"Non-2xx.*|Socket errors.*", said)
    return int(re.search(r"(\d+) requests in", said).group(1)), trouble.group(0) if trouble else ""


class Client:
    """One connection to a proxy; behind CONNECT and TLS when `authority` is given."""

    def __init__(self, port, authority=None):
        self.socket = socket.create_connection(("127.0.0.1", port), timeout=30)
        self.buffer = b""
        if authority is None:
            return
        self.socket.sendall(f"CONNECT {authority} HTTP/1.1\r\nHost: {authority}\r\n\r\n".encode())
        head = self.head()
        if not re.match(rb"HTTP/1\.[01] 200", head):
            raise RuntimeError(f"CONNECT: {head[:200]!r}")
        # Whose certificate it is makes no difference to the time that is measured.
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
        self.socket = context.wrap_socket(self.socket, server_hostname=authority.split(":")[0])

    def head(self):
        while b"\r\n\r\n" not in self.buffer:
            got = self.socket.recv(65536)
            if not got:
                raise RuntimeError("the connection ended")
            self.buffer += got
        head, self.buffer = self.buffer.split(b"\r\n\r\n", 1)
        return head

    def ask(self, url, host):
        self.socket.sendall(f"GET {url} HTTP/1.1\r\nHost: {host}\r\n\r\n".encode())

    def get(self, url, host):
        """The status, and the seconds until the head was there. The whole body has been read afterwards."""
        began = time.perf_counter()
        self.ask(url, host)
        status, head_at = self.receive()
        return status, head_at - began

    def receive(self):
        """The status, and when the head was there. The whole body has been read afterwards."""
        head = self.head()
        head_at = time.perf_counter()
        left = int(re.search(rb"(?i)content-length: *(\d+)", head).group(1)) - len(self.buffer)
        while left > 0:
            left -= len(self.socket.recv(min(left, 1 << 20)))
        self.buffer = b""
        return int(head.split()[1]), head_at

    def close(self):
        self.socket.close()
