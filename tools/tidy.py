#!/usr/bin/env python3
"""clang-tidy over src/ and cmd/, on all cores; a file that was clean and has not changed since is not looked at again.

Most of the time goes into the headers, which are the same for a whole folder: so its files are looked at some at a time,
included into one. Where that does not compile (two files of a folder use one name) or finds something, they are taken
apart again: what is reported is always about one file alone.

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
import tempfile
from pathlib import Path

TIDY = "clang-tidy-19"
FILES_AT_ONCE = 8
# Of .clang-tidy, and the files that were included to be looked at.
HEADERS = r"--header-filter=/(src|cmd)/[a-z].*\.[ch]pp$"
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


def tidy(build, path):
    """Whether it is clean, and what there is to say."""
    done = subprocess.run([TIDY, "-p", build, "--quiet", HEADERS, path], capture_output=True, text=True,
                          stdin=subprocess.DEVNULL)
    return done.returncode == 0, done.stdout + ("" if done.stdout else done.stderr)


def check(folder, entries):
    """[(path, is clean, what there is to say)] of files with one command line."""
    if len(entries) > 1:
        first = entries[0]
        together = folder / f"{len(entries)}_from_{'_'.join(first['path'].parts[-2:])}"
        together.write_text("".join(f'#include "{entry["file"]}"  // NOLINT\n' for entry in entries))
        build = together.with_suffix("")
        build.mkdir(exist_ok=True)
        command = {"directory": first["directory"], "file": str(together),
                   "command": first["command"].replace(first["file"], str(together))}
        (build / "compile_commands.json").write_text(json.dumps([command]))
        if tidy(build, together)[0]:
            return [(entry["path"], True, "") for entry in entries]
        middle = len(entries) // 2
        return check(folder, entries[:middle]) + check(folder, entries[middle:])
    return [(entry["path"], *tidy(entry["build"], entry["path"])) for entry in entries]


def batches(entries):
    """Those of one folder and one command line, FILES_AT_ONCE at most."""
    groups = {}
    for entry in entries:
        groups.setdefault((entry["path"].parent, settings_of(entry)), []).append(entry)
    for group in groups.values():
        group.sort(key=lambda entry: entry["path"])
        yield from (group[i:i + FILES_AT_ONCE] for i in range(0, len(group), FILES_AT_ONCE))


def settings_of(entry):
    """The command line without the names of this file and its outputs."""
    stem = entry["path"].name
    return " ".join(word for word in entry["command"].split() if stem not in word)


def main():
    build = Path(sys.argv[1]).resolve()
    wanted = {Path(name).resolve() for name in sys.argv[2:]}
    version = subprocess.run([TIDY, "--version"], capture_output=True, check=True).stdout
    common = version + content(ROOT / ".clang-tidy")
    clean = build / "tidy-clean"
    clean.mkdir(exist_ok=True)

    stamps = {}
    entries = []
    for entry in json.loads((build / "compile_commands.json").read_text()):
        path = Path(entry["file"]).resolve()
        ours = path.is_relative_to(ROOT / "src") or path.is_relative_to(ROOT / "cmd")
        if path.name == "asio_impl.cpp":
            continue  # a library's code, long to look at
        if not ours or path.suffix != ".cpp" or (wanted and path not in wanted):
            continue
        stamp = clean / key(path, entry["command"], common)
        if not stamp.exists():
            stamps[path] = stamp
            entries.append({**entry, "path": path, "build": build})

    failed = 0
    with tempfile.TemporaryDirectory() as folder, concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
        runs = [pool.submit(check, Path(folder), batch) for batch in batches(entries)]
        for run in concurrent.futures.as_completed(runs):
            for path, is_clean, text in run.result():
                if is_clean:
                    stamps[path].touch()
                else:
                    failed += 1
                    print(text, flush=True)
    print(f"tidy: {len(entries)} files looked at, {failed} with findings")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
