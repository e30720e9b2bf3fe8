#!/usr/bin/env python3
"""clang-tidy over src/ and cmd/, on all cores; a file that was clean and has not changed since is not looked at again.

    tools/tidy.py BUILD_DIR [FILE …]

BUILD_DIR holds compile_commands.json of a build that is done (precompiled headers are read). What "changed" means: the
file, a header of the project that it reaches, its command line, .clang-tidy, or clang-tidy itself.
"""
import concurrent.futures
import hashlib
import json
import os
import re
import subprocess
import sys
from pathlib import Path

TIDY = "clang-tidy-19"
ROOT = Path(__file__).resolve().parent.parent
INCLUDE = re.compile(rb'^\s*#\s*include\s+"([^"]+)"', re.M)
contents = {}


def content(path):
    if path not in contents:
        contents[path] = path.read_bytes() if path.is_file() else b""
    return contents[path]


def closure(path):
    """The file and every header of the project that it reaches."""
    seen, todo = set(), [path]
    while todo:
        current = todo.pop()
        if current in seen:
            continue
        seen.add(current)
        for name in INCLUDE.findall(content(current)):
            for folder in (ROOT / "src", current.parent):
                header = (folder / name.decode()).resolve()
                if header.is_file():
                    todo.append(header)
                    break
    return sorted(seen)


def key(path, command, common):
    digest = hashlib.sha256(common)
    digest.update(command.encode())
    for part in closure(path):
        digest.update(str(part.relative_to(ROOT)).encode() + b"\0" + content(part))
    return digest.hexdigest()


def check(build, path):
    done = subprocess.run([TIDY, "-p", build, "--quiet", path], capture_output=True, text=True, stdin=subprocess.DEVNULL)
    return done.returncode, done.stdout + ("" if done.stdout else done.stderr)


def main():
    build = Path(sys.argv[1]).resolve()
    wanted = {Path(name).resolve() for name in sys.argv[2:]}
    version = subprocess.run([TIDY, "--version"], capture_output=True, check=True).stdout
    common = version + content(ROOT / ".clang-tidy")
    clean = build / "tidy-clean"
    clean.mkdir(exist_ok=True)

    todo = {}
    for entry in json.loads((build / "compile_commands.json").read_text()):
        path = Path(entry["file"]).resolve()
        ours = path.is_relative_to(ROOT / "src") or path.is_relative_to(ROOT / "cmd")
        if path.name == "asio_impl.cpp":
            continue  # a library's code, long to look at
        if not ours or path.suffix != ".cpp" or (wanted and path not in wanted):
            continue
        stamp = clean / key(path, entry["command"], common)
        if not stamp.exists():
            todo[path] = stamp

    failed = 0
    with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
        runs = {pool.submit(check, build, path): path for path in todo}
        for run in concurrent.futures.as_completed(runs):
            code, output = run.result()
            if code == 0:
                todo[runs[run]].touch()
            else:
                failed += 1
                print(output, flush=True)
    print(f"tidy: {len(todo)} files looked at, {failed} with findings")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
