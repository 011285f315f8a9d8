"""Variants of a pair: what is taken away is taken from both sides alike, and nothing else is."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.discriminator.pairs import Origin, Pair
from harness.discriminator.variants import matched, strip_scaffold, stripped, variants_of


def pair(recorded, simulated="simulated"):
    return Pair("call", Origin("s", "l", None, "codex", "tune"), "h", "Bash(ls)", recorded, simulated)


@pytest.mark.parametrize(
    ("text", "bare"),
    [
        ("     1→import os\n     2→\n     3→x\n\n<system-reminder>\nBe good.\n</system-reminder>\n", "import os\n\nx"),
        ("    1\timport os\n    2\tx", "import os\nx"),
        ("Chunk ID: [id]\nWall time: 0.05 seconds\nProcess exited with code 1\nOutput:\nno\n", "no\n"),
        ("Exit code: 0\nWall time: 0.1 seconds\nTotal output lines: 900\nOutput:\na…12 tokens truncated…b", "ab"),
        ("<returncode>1</returncode>\n<output>\nboom\n</output>", "boom\n"),
        ("Exit code 2\nls: cannot access 'x'", "ls: cannot access 'x'"),
        ("a.py\nShell cwd was reset to /work", "a.py\n"),
        ("a\n[The command completed with exit code 0.]\n[Current working directory: /w]", "a\n"),
        ("a\n[Python interpreter: /usr/bin/python]\n[Command finished with exit code 0]", "a\n"),
        ("[File: /w/a.py (120 lines total)]\n(9 more lines above)\n10:def f():\n11:    pass", "def f():\n    pass"),
        ("a\n(109 more lines below)\n(Open file: /w/a.py)\n(Current directory: /w)\nbash-$", "a\n"),
        ("a\n<shellId: 4 completed with exit code 0>", "a\n"),
        ("x\n... [12 lines truncated] ...\ny", "x\ny"),
        ("x\n... 12 lines truncated ...\ny", "x\ny"),
    ],
)
def test_the_text_of_the_scaffold_goes_and_that_of_the_tool_stays(text, bare):
    assert strip_scaffold(text) == bare


@pytest.mark.parametrize(
    "text",
    [
        "src/a.py:12:def f():\nsrc/a.py:13:    pass",
        "12:first hit\n40:second hit",
        "3 passed in 0.12s",
        "10:00 all is well\nnothing else",
        "the output: fine\nexit code 3 was returned by the program",
        "results of the poll",
        '{"returncode": 0, "output": "a"}',
    ],
)
def test_what_a_tool_prints_is_left_as_it_is(text):
    assert strip_scaffold(text) == text


@given(st.text(max_size=200), st.text(max_size=200))
def test_both_sides_go_through_the_same_function(one, other):
    forth, back = stripped(pair(one, other)), stripped(pair(other, one))
    assert (forth.recorded, forth.simulated) == (back.simulated, back.recorded)
    assert (forth.history, forth.action) == ("h", "Bash(ls)")


@given(st.text(max_size=200), st.text(max_size=200))
def test_whether_lengths_match_does_not_depend_on_the_side(one, other):
    assert matched(pair(one, other)) == matched(pair(other, one))


def test_lengths_match_within_a_fifth_or_a_few_characters():
    assert matched(pair("x" * 100, "x" * 80))
    assert not matched(pair("x" * 100, "x" * 79))
    assert matched(pair("ok", "x" * 10))
    assert not matched(pair("ok", "x" * 11))
    assert [p.recorded for p in variants_of([pair("x" * 100), pair("recorded")], "matched")] == ["recorded"]


def test_sides_that_differ_in_the_scaffolds_text_only_are_identical_without_it():
    bare = stripped(pair("Wall time: 0.1 seconds\na", "Wall time: 2.5 seconds\na"))
    assert bare.identical


def test_a_variant_is_marked_and_has_a_hash_of_its_own():
    plain = pair("recorded")
    (bare,) = variants_of([plain], "stripped")
    (both,) = variants_of([bare], "matched")
    assert (bare.recorded, bare.origin.variant, both.origin.variant) == ("recorded", "stripped", "stripped+matched")
    assert len({plain.id, bare.id, both.id}) == 3
    assert variants_of([plain], "plain") == (plain,)
