#!/usr/bin/env python3
"""Transfers for a long time while broker, registry and bridge break: what arrives must be right, and nothing may grow.

    tools/drill.py PROPELLER_PROXY [--seconds N] [--seed N]

Devices fetch images of every size, as broadcast, direct and raw. Meanwhile the broker is killed and comes back, the
registry stops answering or is killed, the bridge is told to end and starts again. It fails when
- a device ends with success and has the wrong bytes,
- a fetch that met no fault fails, or one outlives its deadline,
- the bridge dies, or does not end cleanly on SIGTERM,
- its memory or the number of its open files passes the limit below,
- after the last fault an image cannot be fetched.
"""
import argparse
import concurrent.futures
import os
import random
import signal
import subprocess
import sys
import threading
import time

import playground as pg

SIZES = {"tiny": 41, "small": 600, "medium": 1_500_000, "large": 12_000_000, "huge": 50_000_000}
WEIGHTS = {"tiny": 6, "small": 6, "medium": 4, "large": 2, "huge": 1}
HOW = [(), (), ("--direct",), ("--direct", "--raw")]
DEVICES = 6
FETCH_SECONDS_MAX = 120
MEMORY_MB_MAX = 96  # the product's bar is 64 MB for eight huge ones; the rest is for a long run's fragmentation
FILES_MAX = 200
CALM_SECONDS = 9  # between a fault's end and the next fault
AFTERMATH_SECONDS = 8  # a fetch that began this soon after a fault may fail, with a code


class Faults:
    """One at a time, in a thread of its own; remembers when."""

    def __init__(self, site, chance, count_max):
        self.site, self.chance, self.left = site, chance, count_max
        self.stopping = threading.Event()
        self.last_end = -1e9
        self.active = threading.Lock()
        self.counts = {}
        self.problem = None
        self.thread = threading.Thread(target=self.run)

    def run(self):
        kinds = [self.broker_killed, self.registry_stalls, self.registry_killed, self.bridge_restarted]
        try:
            while self.left > 0 and not self.stopping.wait(CALM_SECONDS * self.chance.uniform(0.5, 1.5)):
                kind = kinds.pop(0)  # every kind comes in its turn, so that a short drill has them all
                kinds.append(kind)
                with self.active:
                    kind()
                    self.last_end = time.monotonic()
                self.counts[kind.__name__] = self.counts.get(kind.__name__, 0) + 1
                self.left -= 1
        except pg.Problem as problem:
            self.problem = str(problem)

    def broker_killed(self):
        self.site.broker.stop(signal.SIGKILL)
        time.sleep(self.chance.uniform(0, 2))
        self.site.broker.start()

    def registry_stalls(self):
        self.site.registry.process.send_signal(signal.SIGSTOP)
        time.sleep(self.chance.uniform(0.5, 4))
        self.site.registry.process.send_signal(signal.SIGCONT)

    def registry_killed(self):
        self.site.registry.stop(signal.SIGKILL)
        time.sleep(self.chance.uniform(0, 2))
        self.site.registry.start()

    def bridge_restarted(self):
        code = self.site.bridge.stop()
        if code != 0:
            raise pg.Problem(f"the bridge ended with {code} after SIGTERM:\n" + "".join(self.site.bridge.log_tail()))
        self.site.bridge.start()

    def met(self, began):
        """Whether a fetch that began then, and ends now, may have met a fault."""
        return self.active.locked() or self.last_end > began - AFTERMATH_SECONDS


class Watch:
    """Peaks of the bridge's memory and open files."""

    def __init__(self, service):
        self.service = service
        self.memory_mb, self.files = 0.0, 0

    def look(self):
        pid = self.service.process.pid
        try:
            with open(f"/proc/{pid}/status") as status:
                for line in status:
                    if line.startswith("VmHWM:"):
                        self.memory_mb = max(self.memory_mb, int(line.split()[1]) / 1000)
            self.files = max(self.files, len(os.listdir(f"/proc/{pid}/fd")))
        except OSError:
            pass  # between two lives


class Drill:
    def __init__(self, site, chance):
        self.site, self.chance = site, chance
        self.digests = {}
        self.lock = threading.Lock()
        self.done, self.refused, self.bytes = 0, {}, 0
        self.problems = []

    def push_all(self):
        add = pg.module_from_text(os.path.join(os.path.dirname(__file__), "demo/add.wasm.txt"))
        for name, size in SIZES.items():
            for copy in range(3):
                module = add if size <= len(add) and copy == 0 else pg.grown(add, size, seed=f"{name}{copy}")
                push = self.site.images.push_image if copy == 2 else self.site.images.push_raw
                push(f"drill/{name}", f"v{copy}", module)
                self.digests[f"drill/{name}:v{copy}"] = pg.sha256(module)

    def fetch_one(self, device, reference, how, faults):
        output = self.site.folder / f"device-{device}.wasm"
        output.unlink(missing_ok=True)
        began = time.monotonic()
        try:
            code, printed = self.site.fetch(reference, output, *how, seconds_max=FETCH_SECONDS_MAX)
        except subprocess.TimeoutExpired:
            return self.fail(f"{reference} {' '.join(how)}: no end within {FETCH_SECONDS_MAX} s")
        if code == 0:
            content = output.read_bytes()
            if pg.sha256(content) != self.digests[reference]:
                return self.fail(f"{reference} {' '.join(how)}: wrong bytes, and the device was told success")
            with self.lock:
                self.done += 1
                self.bytes += len(content)
            return True
        said = [line for line in printed.splitlines() if line.startswith("propeller-proxy fetch: ")]
        last = said[-1].removeprefix("propeller-proxy fetch: ") if said else printed[-200:] or "said nothing"
        if faults is None or not faults.met(began):
            return self.fail(f"{reference} {' '.join(how)}: ended with {code} without a fault: {last}")
        with self.lock:
            self.refused[last[:80]] = self.refused.get(last[:80], 0) + 1
        return False

    def fail(self, problem):
        with self.lock:
            self.problems.append(problem)
        return False

    def device(self, number, until, faults, seed):
        chance = random.Random(seed)
        while time.monotonic() < until and not self.problems:
            name = chance.choices(list(WEIGHTS), list(WEIGHTS.values()))[0]
            self.fetch_one(number, f"drill/{name}:v{chance.randrange(3)}", chance.choice(HOW), faults)

    def run(self, seconds):
        watch = Watch(self.site.bridge)
        until = time.monotonic() + seconds
        faults = Faults(self.site, self.chance, count_max=10**6)
        with concurrent.futures.ThreadPoolExecutor(DEVICES) as pool:
            devices = [pool.submit(self.device, i, until, faults, self.chance.random()) for i in range(DEVICES)]
            faults.thread.start()
            while not all(device.done() for device in devices):
                watch.look()
                time.sleep(0.1)
                if time.monotonic() > until - CALM_SECONDS or self.problems:
                    faults.stopping.set()
            for device in devices:
                device.result()
        faults.stopping.set()
        faults.thread.join()
        if faults.problem:
            self.problems.append(faults.problem)
        if not self.problems:
            self.aftermath(watch)
        return faults, watch

    def aftermath(self, watch):
        """Every image once more, with nothing broken."""
        for reference in self.digests:
            self.fetch_one(0, reference, (), None)
            watch.look()
        code = self.site.bridge.stop()
        if code != 0:
            self.problems.append(f"the bridge ended with {code} after SIGTERM")
        if watch.memory_mb > MEMORY_MB_MAX:
            self.problems.append(f"the bridge's memory reached {watch.memory_mb:.0f} MB, the limit is {MEMORY_MB_MAX}")
        if watch.files > FILES_MAX:
            self.problems.append(f"the bridge had {watch.files} files open, the limit is {FILES_MAX}")


def main():
    flags = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    flags.add_argument("binary")
    flags.add_argument("--seconds", type=int, default=1800)
    flags.add_argument("--seed", type=int, default=random.randrange(10**6))
    options = flags.parse_args()
    print(f"drill: {options.seconds} s, seed {options.seed}", flush=True)
    try:
        with pg.Playground(options.binary, {"PROXY_SPOOL_SIZE": "200MiB"}) as site:
            site.broker.start()
            site.registry.start()
            drill = Drill(site, random.Random(options.seed))
            drill.push_all()
            site.bridge.start()
            faults, watch = drill.run(options.seconds)
            log = site.bridge.log_tail(40)
    except pg.Problem as problem:
        print(f"drill: {problem}", file=sys.stderr)
        return 1
    print(f"drill: {drill.done} images, {drill.bytes / 1e6:,.0f} MB delivered and right; {sum(drill.refused.values())} refused near a fault")
    for text, count in sorted(drill.refused.items(), key=lambda item: -item[1])[:5]:
        print(f"drill:   {count} x {text}")
    print("drill: faults: " + (", ".join(f"{name} {count}" for name, count in faults.counts.items()) or "none"))
    print(f"drill: the bridge used {watch.memory_mb:.0f} MB and {watch.files} files at most")
    for problem in drill.problems:
        print(f"drill: FAILED: {problem}", file=sys.stderr)
    if drill.problems:
        sys.stderr.writelines(log)
    else:
        print("drill: ok")
    return 1 if drill.problems else 0


if __name__ == "__main__":
    sys.exit(main())
