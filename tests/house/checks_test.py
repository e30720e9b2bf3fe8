#!/usr/bin/env python3
"""The checks of tools/ can fail: each rule is broken once in a tree of its own."""
import subprocess
import sys
import tempfile
import unittest
from pathlib import Path

TOOLS = Path(__file__).resolve().parents[2] / "tools"
CLEAN = {
    "LICENSE": "Apache License\n",
    "src/base/error.hpp": "#pragma once\n",
    "src/base/CMakeLists.txt": "propeller_library(base SRCS error.cpp)\n",
    "src/store/spool.hpp": '#pragma once\n#include "base/error.hpp"\n',
    "src/store/CMakeLists.txt": "propeller_library(store SRCS spool.cpp DEPS base)\n",
    "src/mqtt/session.hpp": "#pragma once\n",
    "src/stream/lane.hpp": '#pragma once\n#include "store/spool.hpp"\n',
    "src/stream/CMakeLists.txt": "propeller_library(stream SRCS lane.cpp DEPS store LIBS fmt::fmt)\n",
    "tests/store/spool_test.cpp": '#include "store/spool.hpp"\nTEST(Spool, Holds) { EXPECT_TRUE(true); }\n',
    "README.md": "# Title\n\n[the docs](docs/a.md#a-heading)\n",
    "docs/a.md": "# A `heading`\n",
}


def run(tool, changes):
    """(exit code, output) of a check over the clean tree with some files changed."""
    with tempfile.TemporaryDirectory() as folder:
        for name, text in {**CLEAN, **changes}.items():
            path = Path(folder, name)
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)
        done = subprocess.run([sys.executable, TOOLS / tool, folder], capture_output=True, text=True)
    return done.returncode, done.stdout + done.stderr


class Layers(unittest.TestCase):
    def fails(self, word, changes):
        code, output = run("check_layers.py", changes)
        self.assertEqual(code, 1, output)
        self.assertIn(word, output)

    def test_clean_tree_passes(self):
        self.assertEqual(run("check_layers.py", {}), (0, ""))

    def test_include_upwards_fails(self):
        self.fails("goes up", {"src/base/error.hpp": '#include "store/spool.hpp"\n'})

    def test_include_sideways_fails(self):
        self.fails("goes sideways", {"src/mqtt/session.hpp": '#include "store/spool.hpp"\n'})

    def test_include_that_is_not_in_deps_fails(self):
        self.fails("not in the DEPS", {"src/stream/lane.hpp": '#include "mqtt/session.hpp"\n'})

    def test_include_without_folder_fails(self):
        self.fails("without its folder", {"src/store/spool.hpp": '#include "error.hpp"\n'})

    def test_deps_upwards_fail(self):
        self.fails("DEPS names stream", {"src/store/CMakeLists.txt": "propeller_library(store SRCS a.cpp DEPS stream)\n"})

    def test_folder_without_a_level_fails(self):
        self.fails("has no level", {"src/utils/strings.hpp": "#pragma once\n"})

    def test_unit_test_that_reaches_up_fails(self):
        self.fails("in a unit test", {"tests/store/spool_test.cpp": '#include "stream/lane.hpp"\n'})

    def test_file_over_the_hard_limit_fails(self):
        self.fails("801 lines", {"src/base/error.hpp": "\n" * 801})

    def test_file_over_the_soft_limit_warns(self):
        code, output = run("check_layers.py", {"src/base/error.hpp": "\n" * 401})
        self.assertEqual(code, 0)
        self.assertIn("warning", output)


class Text(unittest.TestCase):
    def fails(self, word, changes):
        code, output = run("check_text.py", changes)
        self.assertEqual(code, 1, output)
        self.assertIn(word, output)

    def test_clean_tree_passes(self):
        self.assertEqual(run("check_text.py", {}), (0, ""))

    def test_missing_licence_fails(self):
        self.fails("LICENSE", {"LICENSE": "mine\n"})

    def test_left_over_marker_fails(self):
        self.fails("left-over marker", {"src/base/a.cpp": "// TO" "DO later\n"})

    def test_path_of_a_machine_fails(self):
        self.fails("a path of one machine", {"docs/a.md": "# A heading\nlook at /home" "/kim/notes\n"})

    def test_private_key_fails(self):
        self.fails("private key", {"tests/store/key.pem": "-----BEGIN PRIVATE" " KEY-----\n"})

    def test_link_to_nowhere_fails(self):
        self.fails("not there", {"README.md": "# Title\n[gone](docs/b.md)\n"})

    def test_link_to_a_missing_heading_fails(self):
        self.fails("no such heading", {"README.md": "# Title\n[gone](docs/a.md#b)\n"})

    def test_test_that_expects_nothing_fails(self):
        self.fails("expects nothing", {"tests/store/spool_test.cpp": "TEST(Spool, Holds) { run(); }\n"})

    def test_test_that_is_switched_off_fails(self):
        self.fails("switched off", {"tests/store/a_test.cpp": "TEST(Spool, DISABLED" "_Holds) { EXPECT_TRUE(1); }\n"})

    def test_missing_last_newline_fails(self):
        self.fails("without a newline", {"docs/a.md": "# A heading"})

    def test_blanks_at_the_end_of_a_line_fail(self):
        self.fails("blanks", {"docs/a.md": "# A heading \n"})


if __name__ == "__main__":
    unittest.main()
