#!/usr/bin/env python3
"""Checks the text of the tree: what should be there, and what should not.

    tools/check_text.py [ROOT]

- No absolute path of somebody's machine, no left-over markers, no private keys.
- Relative links in Markdown lead to a file, and to a heading of it when they name one.
- Every TEST has an expectation; a skipped test says why; none is switched off.
- The licence is there; files end with one newline and have no blanks at line ends.

Exit code 0 when clean, 1 with one line per problem.
"""
import re
import subprocess
import sys
from pathlib import Path

# Split, so that this file does not find itself.
MARKERS = re.compile(r"\b(TO" r"DO|FIX" r"ME|XX" r"X)\b|#if [0]\b")
MACHINE = re.compile(r"(?<![\w.}/-])/(?:work|home/[a-z]\w*|root|tm" r"p)/[\w.]")
KEY = re.compile(r"-----BEGIN [A-Z ]*PRIVATE" r" KEY-----")
OFF = re.compile(r"\bDISABLED" r"_\w|GTEST_SKIP\(\);")
TEST = re.compile(r"^TEST(?:_F|_P)?\(([^)]*)\)", re.M)
EXPECTATION = re.compile(r"EXPECT_|ASSERT_|FAIL\(|SUCCEED\(|expect|verify|check")
LINK = re.compile(r"\[[^\]]*\]\(([^)\s]+)\)")
FENCE = re.compile(r"^```.*?^```", re.M | re.S)
CODE = {".cpp", ".hpp", ".h", ".py", ".sh", ".cmake"}
BINARY_FOLDERS = ("corpus",)


def tracked(root):
    """What git knows or would add; without git (a test's tree), every file."""
    listed = subprocess.run(["git", "-C", root, "ls-files", "-co", "--exclude-standard", "-z"], capture_output=True)
    top = subprocess.run(["git", "-C", root, "rev-parse", "--show-toplevel"], capture_output=True, text=True)
    if listed.returncode == 0 and top.stdout.strip() == str(root):
        paths = [root / name for name in listed.stdout.decode().split("\0") if name]
    else:
        paths = sorted(root.rglob("*"))
    return [path for path in paths if path.is_file() and not any(part in BINARY_FOLDERS for part in path.parts)]


def read(path):
    data = path.read_bytes()
    return None if b"\0" in data else data.decode(errors="replace")


def find(pattern, text):
    for match in pattern.finditer(text):
        yield text.count("\n", 0, match.start()) + 1, match.group(0)


def check_words(path, text):
    for line, found in find(MARKERS, text):
        yield f"{line}: left-over marker '{found}'"
    for line, found in find(MACHINE, text):
        yield f"{line}: a path of one machine ('{found}…')"
    for line, _ in find(KEY, text):
        yield f"{line}: a private key; tests make theirs when they run"
    if text and not text.endswith("\n"):
        yield "ends without a newline"
    if path.suffix in CODE | {".md", ".txt", ".yml"}:
        for line, row in enumerate(text.split("\n"), 1):
            if row != row.rstrip():
                yield f"{line}: blanks at the end"


def check_tests(path, text):
    if path.suffix != ".cpp":
        return
    for line, found in find(OFF, text):
        yield f"{line}: a test is switched off ('{found}')"
    starts = list(TEST.finditer(text))
    for start, following in zip(starts, starts[1:] + [None]):
        body = text[start.end():following.start() if following else len(text)]
        if not EXPECTATION.search(body):
            yield f"{text.count(chr(10), 0, start.start()) + 1}: test '{start.group(1)}' expects nothing"


def anchors(text):
    """GitHub's anchors of the headings."""
    found = set()
    for heading in re.findall(r"^#{1,6} +(.*?)\s*$", FENCE.sub("", text), re.M):
        plain = re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", heading).replace("`", "")
        found.add(re.sub(r"[^\w\- ]", "", plain.lower()).replace(" ", "-"))
    return found


def check_links(path, text):
    for target in LINK.findall(FENCE.sub("", text)):
        if re.match(r"[a-z]+:", target):
            continue
        name, _, anchor = target.partition("#")
        linked = path if not name else path.parent / name
        if not linked.exists():
            yield f"link to '{target}', which is not there"
        elif anchor and linked.suffix == ".md" and anchor not in anchors(linked.read_text()):
            yield f"link to '{target}': no such heading"


def main():
    root = Path(sys.argv[1] if len(sys.argv) > 1 else Path(__file__).parent.parent).resolve()
    problems = []
    licence = root / "LICENSE"
    if not licence.exists() or "Apache License" not in licence.read_text():
        problems.append("LICENSE: missing, or not the Apache License")
    for path in tracked(root):
        text = read(path)
        if text is None:
            continue
        found = [*check_words(path, text), *check_tests(path, text)]
        if path.suffix == ".md":
            found += check_links(path, text)
        problems += [f"{path.relative_to(root)}:{problem}" for problem in found]
    for problem in problems:
        print(f"error: {problem}")
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
