"""What plain commands print of files."""

from __future__ import annotations

import pytest

from harness.printed import printed_lines, printed_names
from toolsim.actions import Seen

HITS = "a.py:3:x = 1\nsrc/b.py:10:  y\n"


@pytest.mark.parametrize(
    ("command", "output", "lines"),
    [
        ("grep -rn x .", HITS, (Seen("a.py", "x = 1", 3), Seen("src/b.py", "  y", 10))),
        ("grep -rn x src | head -5", HITS, (Seen("a.py", "x = 1", 3), Seen("src/b.py", "  y", 10))),
        ("grep -n x a.py", "3:x = 1\n7:x\n", (Seen("a.py", "x = 1", 3), Seen("a.py", "x", 7))),
        ("grep -r x .", HITS, ()),
        ("grep -rno x .", HITS, ()),
        ("grep -rn -A1 x .", HITS, ()),
        ("grep -rn x . | sed s/x/y/", HITS, ()),
        ("for f in *; do grep -n x $f; done", HITS, ()),
        ("cat log", HITS, ()),
    ],
)
def test_only_a_search_with_line_numbers_shows_lines(command, output, lines):
    assert printed_lines(command, output) == lines


@pytest.mark.parametrize(
    ("command", "output", "names"),
    [
        ("ls", "a.py\nsrc\n", ["a.py", "src"]),
        ("ls -F src", "b.py\nsub/\nrun.sh*\n", ["src/b.py", "src/sub", "src/run.sh"]),
        ("ls -1 tests/ | grep py", "t.py\n", ["tests/t.py"]),
        ("find . -name '*.py'", "./a.py\n./src/b.py\n", ["./a.py", "./src/b.py"]),
        ("ls -l", "total 8\n-rw-r--r-- 1 root root 3 Jan  1 00:00 a.py\n", []),
        ("ls a b", "a:\nx\n\nb:\ny\n", []),
        ("ls | wc -l", "3\n", []),
        ("ls none", "ls: cannot access 'none': No such file or directory\n", []),
    ],
)
def test_listings_show_names(command, output, names):
    assert list(printed_names(command, output)) == names
