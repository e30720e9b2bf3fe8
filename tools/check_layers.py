#!/usr/bin/env python3
"""Checks that the code keeps its levels and its sizes.

    tools/check_layers.py [ROOT]

- An include goes down only, never up or sideways (LEVELS below, docs/architecture.md).
- DEPS in CMake names lower folders only, and every folder that is included is reachable through DEPS.
- A unit test includes its own folder, lower ones and tests/support.
- A file over 400 lines gets a warning, one over 800 is an error.

Exit code 0 when clean, 1 with one line per problem.
"""
import re
import sys
from pathlib import Path

LEVELS = {
    "app": 8,
    "admin": 7,
    "stream": 6, "device": 6, "forward": 6, "gateway": 6, "artifact": 6,
    "acme": 5, "discovery": 5, "tier": 5,
    "registry": 4, "cache": 4, "upstream": 4, "guard": 4,
    "store": 3, "http": 3, "mqtt": 3, "socks": 3,
    "net": 2, "db": 2,
    "config": 1, "observe": 1, "async": 1, "launch": 1,
    "model": 0, "base": 0,
}
LINES_WARN = 400
LINES_MAX = 800
CODE = {".cpp", ".hpp", ".h", ".py", ".sh"}
INCLUDE = re.compile(r'^\s*#\s*include\s+"([^"]+)"', re.M)
LIBRARY = re.compile(r"propeller_library\(\s*(\w+)(.*?)\)", re.S)
KEYWORDS = {"SRCS", "DEPS", "LIBS", "PCH", "LABELS"}


def cmake_deps(text):
    """{library: [DEPS]} of the propeller_library calls in a CMakeLists.txt."""
    found = {}
    text = re.sub(r"#.*", "", text)
    for name, body in LIBRARY.findall(text):
        deps, keyword = [], None
        for word in body.split():
            if word in KEYWORDS:
                keyword = word
            elif keyword == "DEPS":
                deps.append(word)
        found[name] = deps
    return found


def reachable(folder, deps):
    """Every folder below `folder` in the graph of DEPS."""
    seen, todo = set(), list(deps.get(folder, []))
    while todo:
        name = todo.pop()
        if name not in seen:
            seen.add(name)
            todo += deps.get(name, [])
    return seen


def includes(path):
    """(line number, folder, path as written) of each quoted include."""
    text = path.read_text(errors="replace")
    for match in INCLUDE.finditer(text):
        yield text.count("\n", 0, match.start(1)) + 1, match.group(1).split("/")[0], match.group(1)


def check_sources(root, deps):
    for path in sorted((root / "src").rglob("*.[ch]pp")):
        folder = path.relative_to(root / "src").parts[0]
        where = path.relative_to(root)
        if folder not in LEVELS:
            yield f"{where}: folder '{folder}' has no level in tools/check_layers.py"
            continue
        for line, target, written in includes(path):
            if "/" not in written:
                yield f'{where}:{line}: "{written}" is written without its folder'
            elif target == folder:
                continue
            elif target not in LEVELS:
                yield f'{where}:{line}: "{written}" is in no folder of src/'
            elif LEVELS[target] >= LEVELS[folder]:
                way = "up" if LEVELS[target] > LEVELS[folder] else "sideways"
                yield f'{where}:{line}: "{written}" goes {way}: {folder} is level {LEVELS[folder]}, {target} {LEVELS[target]}'
            elif folder in deps and target not in reachable(folder, deps):
                yield f'{where}:{line}: "{written}": {target} is not in the DEPS of {folder}'


def check_cmake(deps):
    for folder, names in sorted(deps.items()):
        for name in names:
            if folder in LEVELS and name in LEVELS and LEVELS[name] >= LEVELS[folder]:
                yield f"src/{folder}/CMakeLists.txt: DEPS names {name} (level {LEVELS[name]}), {folder} is level {LEVELS[folder]}"


def check_unit_tests(root):
    for path in sorted((root / "tests").rglob("*.[ch]pp")):
        folder = path.relative_to(root / "tests").parts[0]
        if folder not in LEVELS:
            continue  # integration, e2e, support: they may see everything
        for line, target, written in includes(path):
            if target in LEVELS and target != folder and LEVELS[target] >= LEVELS[folder]:
                yield f'{path.relative_to(root)}:{line}: "{written}" goes up or sideways in a unit test of {folder}'


def check_lengths(root):
    """(warnings, errors)"""
    warnings, errors = [], []
    for top in ("src", "cmd", "tests", "bench", "fuzz", "tools"):
        for path in sorted((root / top).rglob("*")):
            if path.suffix not in CODE or not path.is_file():
                continue
            lines = path.read_bytes().count(b"\n")
            if lines > LINES_MAX:
                errors.append(f"{path.relative_to(root)}: {lines} lines, the limit is {LINES_MAX}")
            elif lines > LINES_WARN:
                warnings.append(f"{path.relative_to(root)}: {lines} lines, better under {LINES_WARN}")
    return warnings, errors


def main():
    root = Path(sys.argv[1] if len(sys.argv) > 1 else Path(__file__).parent.parent).resolve()
    deps = {}
    for lists in sorted((root / "src").glob("*/CMakeLists.txt")):
        deps.update(cmake_deps(lists.read_text()))
    warnings, errors = check_lengths(root)
    errors += [*check_sources(root, deps), *check_cmake(deps), *check_unit_tests(root)]
    for line in warnings:
        print(f"warning: {line}")
    for line in errors:
        print(f"error: {line}")
    return 1 if errors else 0


if __name__ == "__main__":
    sys.exit(main())
