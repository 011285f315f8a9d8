"""`rg` as a pipe sees it."""

from __future__ import annotations

import pytest

from toolsim import ripgrep
from toolsim.actions import Blur, Unknown
from toolsim.scaffolds.base import ScaffoldProfile
from toolsim.trajectory import Session
from toolsim.world import World

FILES = {"a.py": "Foo\nbar\nfoo\n", "src/b.ts": "foo bar\n", "src/c.md": "none\n", ".hid/x": "foo\n", "win.txt": "x\n"}


@pytest.fixture
def rg(snapshot_of):
    session = Session("s", "codex", "test", "l", cwd="/repo")
    world = World.start(session, ScaffoldProfile("codex"), snapshot_of(FILES))

    def run(*words, blur=None, stdin=None):
        if blur:
            world.apply(Blur(blur, "edited", "content"))
        return ripgrep.answer(("rg", *words), "/repo", world, stdin)

    return run


@pytest.mark.parametrize(
    ("words", "output"),
    [
        (("foo", "."), "./a.py:foo\n./src/b.ts:foo bar\n"),
        (("-n", "foo", "src", "a.py"), "src/b.ts:1:foo bar\na.py:3:foo\n"),
        (("foo", "a.py"), "foo\n"),
        (("-nH", "foo", "a.py"), "a.py:3:foo\n"),
        (("-S", "-n", "foo", "a.py"), "1:Foo\n3:foo\n"),
        (("-S", "Foo", "a.py"), "Foo\n"),
        (("-l", "foo", ".", "-g", "*.ts"), "./src/b.ts\n"),
        (("-c", "foo", "src"), "src/b.ts:1\n"),
        (("foo", ".", "-g", "!src/**", "--hidden"), "./.hid/x:foo\n./a.py:foo\n"),
        (("-n", "-C1", "bar", "a.py"), "1-Foo\n2:bar\n3-foo\n"),
        (("-F", "o b", "src", "--type", "ts"), "src/b.ts:foo bar\n"),
        (("-e", "bar", "src"), "src/b.ts:foo bar\n"),
    ],
)
def test_matches_are_printed_without_headings(rg, words, output):
    assert rg(*words) == ripgrep.Answered(output, 0)


@pytest.mark.parametrize(
    ("words", "output"),
    [
        (("-n", "foo"), "a.py:3:foo\nsrc/b.ts:1:foo bar\n"),
        (("--files",), "a.py\nsrc/b.ts\nsrc/c.md\nwin.txt\n"),
        (("--files", "src", "a.py"), "src/b.ts\nsrc/c.md\na.py\n"),
        (("--files", "-g", "*.ts", "."), "./src/b.ts\n"),
    ],
)
def test_without_a_place_the_directory_is_searched_and_files_can_be_listed(rg, words, output):
    found = rg(*words)
    assert (set(found.stdout.splitlines()), found.exit_code) == (set(output.splitlines()), 0)


def test_places_that_are_not_there_are_told_first_and_the_others_searched(rg):
    assert rg("foo", "absent.py", "a.py", "gone") == ripgrep.Answered(
        "a.py:foo\n", 2,
        "rg: absent.py: No such file or directory (os error 2)\nrg: gone: No such file or directory (os error 2)\n",
    )  # fmt: skip


def test_a_literal_newline_in_a_pattern_is_turned_down(rg):
    found = rg("-n", r"foo:\n|bar", ".")
    assert (found.exit_code, found.stdout) == (2, "")
    assert found.stderr.startswith('rg: the literal "\\n" is not allowed in a regex\n\nConsider')


@pytest.mark.parametrize(
    ("words", "output", "code"),
    [(("ba[rz]",), "bar\nbaz foo\n", 0), (("-n", "foo"), "1:foo\n3:baz foo\n", 0), (("nothing",), "", 1)],
)
def test_what_a_pipe_feeds_is_filtered(rg, words, output, code):
    assert rg(*words, stdin="foo\nbar\nbaz foo\n") == ripgrep.Answered(output, code)
    assert isinstance(rg("-c", *words, stdin="foo\n"), Unknown)


def test_no_match_is_exit_code_one(rg):
    assert rg("nowhere", "src") == ripgrep.Answered("", 1)


@pytest.mark.parametrize(
    "words", [("--json", "foo", "."), ("-w", "foo", "."), ("-e", "a", "-e", "b", "."), ("-z", "a"), ("foo", "absent")]
)
def test_what_is_not_held_is_not_answered(rg, words):
    assert isinstance(rg(*words), Unknown)


def test_an_uncertain_file_that_is_searched_leaves_the_answer_open(rg):
    assert isinstance(rg("foo", ".", blur="src/b.ts"), Unknown)
    assert rg("foo", "a.py") == ripgrep.Answered("foo\n", 0)
