from __future__ import annotations

import difflib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from toolsim.actions import Problem
from toolsim.patching import apply_change, find_lines, parse


def envelope(*body):
    return "\n".join(("*** Begin Patch", *body, "*** End Patch"))


def apply_one(text, before, form="apply_patch"):
    (change,) = parse(text, form)
    return apply_change(change, before)


@pytest.mark.parametrize(
    ("body", "before", "after"),
    [
        (("@@", "-b", "+B"), "a\nb\nc\n", "a\nB\nc\n"),
        (("@@ def g():", "-  x", "+  y"), "def f():\n  x\ndef g():\n  x\n", "def f():\n  x\ndef g():\n  y\n"),
        (("@@", " a", "+new", " b"), "a\nb\n", "a\nnew\nb\n"),
        (("@@", "+end"), "a\n", "a\nend\n"),
        (("@@", "-a", "+A", "@@", "-c", "+C"), "a\nb\nc\n", "A\nb\nC\n"),
        (("-b  ", "+B"), "a\nb\n", "a\nB\n"),
        (("@@", "-say “hi” – now", "+said"), 'say "hi" - now\n', "said\n"),
        (("@@", "-x", "+last", "*** End of File"), "x\ny\nx\n", "x\ny\nlast\n"),
        (("@@", "-a", "+A"), "a", "A\n"),
        (("@@", " a", "", "-b", "+B"), "a\n\nb\n", "a\n\nB\n"),
    ],
)
def test_updates_of_the_envelope_find_their_lines(body, before, after):
    assert apply_one(envelope("*** Update File: f", *body), before) == after


def test_an_envelope_may_add_delete_and_move():
    changes = parse(envelope(
        "*** Add File: new.txt", "+one", "+", "*** Delete File: old.txt",
        "*** Update File: a.py", "*** Move to: b.py", "@@", "-x", "+y",
    ))  # fmt: skip
    assert [(c.kind, c.path, c.moved_to) for c in changes] == [
        ("add", "new.txt", None), ("delete", "old.txt", None), ("update", "a.py", "b.py"),
    ]  # fmt: skip
    assert changes[0].content == "one\n\n"
    assert apply_change(changes[1], "x") is None


def test_a_here_document_around_the_envelope_is_taken_off():
    text = "<<'EOF'\n" + envelope("*** Update File: f", "@@", "-a", "+b") + "\nEOF"
    assert apply_one(text, "a\n") == "b\n"


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("*** Update File: f", "first_line"),
        ("*** Begin Patch\n*** Update File: f", "last_line"),
        (envelope("*** Rename File: f"), "header"),
        (envelope("*** Update File: f"), "empty_update"),
        (envelope("*** Update File: f", "@@", "-a", "+b", "?junk"), "chunk_header"),
    ],
)
def test_a_patch_that_cannot_be_read_is_a_problem_with_its_reason(text, reason):
    found = parse(text)
    assert isinstance(found, Problem)
    assert (found.kind, found.detail["reason"]) == ("bad_patch", reason)


def test_lines_that_are_not_there_are_a_problem():
    (change,) = parse(envelope("*** Update File: f", "@@", "-z", "+b"))
    found = apply_change(change, "a\n")
    assert isinstance(found, Problem)
    assert found.detail == {"reason": "lines", "missing": "z"}
    (change,) = parse(envelope("*** Update File: f", "@@ class X", "-a", "+b"))
    assert apply_change(change, "a\n").detail["reason"] == "context"


@pytest.mark.parametrize(
    ("diff", "before", "after"),
    [
        ("--- a/f\n+++ b/f\n@@ -1,2 +1,2 @@\n a\n-b\n+B\n", "a\nb\n", "a\nB\n"),
        ("--- a/f\n+++ b/f\n@@ -1 +1 @@\n-a\n+b\n\\ No newline at end of file\n", "a\n", "b"),
        ("--- a/f\n+++ b/f\n@@ -3 +3 @@\n-b\n+B\n", "b\n", "B\n"),
        ("--- /dev/null\n+++ b/f\n@@ -0,0 +1,2 @@\n+x\n+y\n", None, "x\ny\n"),
        ("--- a/f\n+++ /dev/null\n@@ -1 +0,0 @@\n-x\n", "x\n", None),
    ],
)
def test_unified_diffs_apply_at_their_place_or_the_nearest(diff, before, after):
    assert apply_one(diff, before, "unified") == after


LINES = st.lists(st.sampled_from(["a", "b", "", "  c", "d\t"]), max_size=12)


@given(LINES, LINES)
def test_a_unified_diff_of_two_texts_turns_one_into_the_other(left, right):
    before, after = ("".join(line + "\n" for line in lines) for lines in (left, right))
    diff = "".join(difflib.unified_diff(before.splitlines(True), after.splitlines(True), "a/f", "b/f"))
    if diff and before:
        assert apply_one(diff, before, "unified") == after


@given(LINES, st.integers(0, 5))
def test_found_lines_stand_where_they_are_found(lines, start):
    pattern = tuple(lines[start : start + 2])
    at = find_lines(pattern, lines, 0)
    assert at is not None
    assert [line.strip() for line in lines[at : at + len(pattern)]] == [line.strip() for line in pattern]
