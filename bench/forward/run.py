#!/usr/bin/env python3
"""The forward proxy's cache next to nginx, Varnish and Squid: CPU time per request, in turns, in one run.

    bench/forward/run.py PROGRAM [--quick] [--only hits,tls,miss,crowd,growth,idle]

Everybody has one thread for the work and fetches from the same origin on loopback. What is compared is the CPU time
that a proxy spends on a request, user and system, from /proc: it does not depend on how fast the client is. Median of
the rounds. Needs Debian's wrk, nginx-light, varnish and squid-openssl; what is missing is left out, with a line that
says so. Ends with 3 when a bar is missed, but not where CI is set.
"""
import argparse
import multiprocessing
import os
import re
import resource
import shutil
import statistics
import sys
import tempfile
import threading
import time
import urllib.request

import peers as sites
from machine import Client, cpu_seconds, memory_mib, wrk

missed = []


def bar(text, value, most):
    is_met = value <= most
    print(f"  bar: {text}: {value:.2f}, at most {most:g}: {'met' if is_met else 'MISSED'}", flush=True)
    if not is_met:
        missed.append(text)


def measure(rounds, runs):
    """{name: median CPU seconds per request} of {name: (pid, function that returns a number of requests)}."""
    seen = {}
    for _ in range(rounds):
        for name, (pid, run) in runs.items():
            before = cpu_seconds(pid)
            count = run()
            seen.setdefault(name, []).append((cpu_seconds(pid) - before) / max(count, 1))
    return {name: statistics.median(costs) for name, costs in seen.items()}


def table(title, costs):
    print(f"{title}, CPU per request")
    best = min((cost for name, cost in costs.items() if name != "ours"), default=None)
    for name, cost in costs.items():
        ratio = f"  {cost / best:.2f} x the best peer" if best else ""
        print(f"  {name:8} {cost * 1e6:9.1f} us{ratio}", flush=True)
    return costs["ours"] / best if best else None


def hits(site, rounds, seconds):
    ports = {"nginx": sites.NGINX, "varnish": sites.VARNISH, "squid": sites.SQUID, "ours": sites.OURS}
    for size, connections in (("2k", 64), ("1m", 16), ("64m", 8)):
        path = site.paths[size]
        absolute = sites.write(f"{site.folder}/absolute.lua", 'request = function() return wrk.format("GET", '
                               f'"http://127.0.0.1:{sites.ORIGIN}{path}") end\n')

        def load(name, for_seconds):
            is_forward = name in ("squid", "ours")
            count, trouble = wrk(f"http://127.0.0.1:{ports[name]}{'' if is_forward else path}", connections, for_seconds,
                                 absolute if is_forward else None)
            if trouble:
                print(f"  {name}: {trouble}")
            return count

        names = [name for name in ports if name in site.running]
        for name in names:
            load(name, 1)  # fills the caches
        asked = site.origin_requests(path)
        costs = measure(rounds, {name: (site.pid(name), lambda name=name: load(name, seconds)) for name in names})
        ratio = table(f"hit of {size}", costs)
        print(f"  the origin was asked {site.origin_requests(path) - asked} times meanwhile")
        if ratio:
            bar(f"hit of {size}, of the best peer's", ratio, 1.0)


def tls(site, rounds, count):
    ports = {"squid": sites.SQUID_BUMP, "ours": sites.OURS}
    names = [name for name in ports if name in site.running]
    host = f"localhost:{sites.ORIGIN_TLS}"
    path = site.paths["2k"]

    # Few at a time, and a part of what is measured is how long the machine takes to wake a process up.
    def one_after_the_other(port, times):
        for _ in range(times):
            client = Client(port, host)
            check(client.get(path, host)[0])
            client.close()

    def connections(port, at_once):
        clients = [multiprocessing.Process(target=one_after_the_other, args=(port, count // at_once)) for _ in range(at_once)]
        for client in clients:
            client.start()
        for client in clients:
            client.join()
            check(200 if client.exitcode == 0 else client.exitcode)
        return at_once * (count // at_once)

    def requests(port):
        clients = [Client(port, host) for _ in range(32)]
        for _ in range(count):
            for client in clients:
                client.ask(path, host)
            for client in clients:
                check(client.receive()[0])
        for client in clients:
            client.close()
        return len(clients) * count

    for title, run, most_us in (
            ("intercepted: a new connection and a hit of 2k, 4 clients", lambda port: connections(port, 4), 400),
            ("intercepted: a new connection and a hit of 2k, 16 clients", lambda port: connections(port, 16), 400),
            ("intercepted: a hit of 2k, 32 kept connections", requests, 40)):
        for name in names:
            run(ports[name])
        costs = measure(rounds, {name: (site.pid(name), lambda name=name: run(ports[name])) for name in names})
        table(title, costs)
        bar(f"{title}, in us", costs["ours"] * 1e6, most_us)


def check(status):
    if status != 200:
        raise RuntimeError(f"status {status}")


def miss(site, rounds):
    def first_byte(port, prefix):
        times = []
        for _ in range(40 * rounds):
            client = Client(port)
            path = site.add_blob(os.urandom(2048))
            status, first = client.get(prefix + path, f"127.0.0.1:{sites.ORIGIN}")
            check(status)
            times.append(first)
            client.close()
        return statistics.median(times)

    direct = first_byte(sites.ORIGIN, "")
    through = first_byte(sites.OURS, f"http://127.0.0.1:{sites.ORIGIN}")
    print(f"miss of 2k: first byte {direct * 1e3:.2f} ms straight, {through * 1e3:.2f} ms through the proxy")
    bar("a miss adds to the first byte, in ms", (through - direct) * 1e3, 1.0)
    path = site.add_blob(os.urandom(8 << 20))
    url = f"http://127.0.0.1:{sites.ORIGIN}{path}"
    clients = [threading.Thread(target=lambda: Client(sites.OURS).get(url, "x")) for _ in range(50)]
    for client in clients:
        client.start()
    for client in clients:
        client.join()
    bar("requests upstream for 50 clients of one missing blob", site.origin_requests(path), 1)


def connections_of(wanted):
    """Raises the limit of open files, and says how many connections fit."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    return min(wanted, most - 200)


def crowd(site, count):
    """A good client's hits while others, connected, have sent a part of something."""
    count = connections_of(count)
    beginnings = [b"", b"GET http://127.0.0.1/ HTT", b"\x05", b"\x05\x01\x00\x05\x01", b"\x16\x03\x01\x02\x00\x01"]
    slow = []
    for i in range(count):
        slow.append(Client(sites.OURS))
        slow[-1].socket.sendall(beginnings[i % len(beginnings)])
    times = []
    for _ in range(1000):
        client = Client(sites.OURS)
        status, first = client.get(f"http://127.0.0.1:{sites.ORIGIN}{site.paths['2k']}", "x")
        check(status)
        times.append(first * 1e3)
        client.close()
    for client in slow:
        client.close()
    times.sort()
    print(f"a hit of 2k among {count} slow clients: median {times[500]:.2f} ms, p99 {times[990]:.2f} ms")
    bar(f"p99 among {count} slow clients, in ms", times[990], 50)


def growth(site, count):
    """Memory before and after many hits."""
    url = f"http://127.0.0.1:{sites.ORIGIN}{site.paths['2k']}"
    script = sites.write(f"{site.folder}/growth.lua", f'request = function() return wrk.format("GET", "{url}") end\n')

    def load(seconds):
        done, trouble = wrk(f"http://127.0.0.1:{sites.OURS}", 64, seconds, script)
        if trouble:
            print(f"  {trouble}")
        return done

    done = load(1)
    before = memory_mib(site.pid("ours"))
    while done < count:
        done += load(5 if count > 100_000 else 1)
    after = memory_mib(site.pid("ours"))
    print(f"memory: {before:.1f} MiB, and {after:.1f} MiB after {done:,} hits of 2k")
    bar(f"growth over {done:,} requests, in MiB", after - before, 2)


def fill(site, count):
    """So many entries, each with a blob of its own."""
    path = f"http://127.0.0.1:{sites.ORIGIN}/v2/bench/many/blobs/"
    done = 0
    while done < count:
        script = sites.write(f"{site.folder}/fill.lua", f"local n = {done}\nrequest = function()\n  n = math.min(n + 1, {count})\n"
                             f'  return wrk.format("GET", "{path}" .. n)\nend\n')
        some, trouble = wrk(f"http://127.0.0.1:{sites.OURS}", 32, 10 if count > 10_000 else 1, script)
        if trouble or some == 0:
            raise RuntimeError(f"the cache is not filled: {trouble}")
        done += some
    text = urllib.request.urlopen(f"http://127.0.0.1:{sites.OURS_API}/metrics").read().decode()
    print("in the cache: " + ", ".join(re.findall(r"^propeller_store_blobs \d+", text, re.MULTILINE)))


def idle(site, count):
    count = connections_of(count)
    fill(site, 10 * count)
    if count > 1000:
        time.sleep(35)  # what is free goes back to the kernel every thirty seconds
    url = f"http://127.0.0.1:{sites.ORIGIN}{site.paths['2k']}"
    before = memory_mib(site.pid("ours"))
    for title, authority, target, most in (("plain", None, url, 64),
                                           ("TLS", f"localhost:{sites.ORIGIN_TLS}", site.paths["2k"], 250)):
        clients = []
        for _ in range(count):
            client = Client(sites.OURS, authority)
            check(client.get(target, authority or "x")[0])
            clients.append(client)
        print(f"{count} idle connections, {title}: {memory_mib(site.pid('ours')):.1f} MiB, {before:.1f} MiB before")
        bar(f"{title}: memory with {count} idle connections, in MiB", memory_mib(site.pid("ours")), most)
        for client in clients:
            client.close()


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("program")
    parser.add_argument("--quick", action="store_true", help="one short round of everything")
    parser.add_argument("--only", default="hits,tls,miss,crowd,growth,idle")
    asked = parser.parse_args()
    if not shutil.which("nginx") or not shutil.which("wrk"):
        sys.exit("bench: the forward proxy is not measured: it takes Debian's wrk and nginx-light")
    rounds, seconds = (1, 1) if asked.quick else (3, 4)
    with tempfile.TemporaryDirectory(prefix="forward-bench-") as folder:
        site = sites.Peers(folder, os.path.abspath(asked.program))
        try:
            site.start_all()
            run = {"hits": lambda: hits(site, rounds, seconds), "tls": lambda: tls(site, rounds, 64 if asked.quick else 800),
                   "miss": lambda: miss(site, rounds), "crowd": lambda: crowd(site, 500 if asked.quick else 4000),
                   "growth": lambda: growth(site, 100_000 if asked.quick else 1_000_000),
                   "idle": lambda: idle(site, 500 if asked.quick else 10_000)}
            for name in asked.only.split(","):
                run[name]()
        finally:
            site.stop()
    sys.exit(3 if missed and "CI" not in os.environ else 0)


if __name__ == "__main__":
    main()
