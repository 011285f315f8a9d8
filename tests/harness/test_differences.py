"""Classes of differences, and the line that shows one."""

from __future__ import annotations

import pytest

from harness.differences import WIDTH, difference
from toolsim.trajectory import ToolResult

LONG = "".join(f"line {n} of the output\n" for n in range(30))


def found(one, other, command="", **flags):
    return difference(ToolResult("1", one, **flags), ToolResult("1", other), command)


@pytest.mark.parametrize(
    ("one", "other", "kind"),
    [
        ("a\n", "a", "end of text"),
        ("a  b", "a b", "blanks"),
        ("a\n\n<system-reminder>x</system-reminder>", "a", "reminder"),
        ("a\nb", "b\na", "order"),
        (LONG, LONG[:300], "cut-off"),
        ("     1→a\n     2→b", "     2→a\n     3→b", "line numbers"),
        ("at 1a2b3c4d", "at 9f8e7d6c", "ids"),
        ("Mar  3 10:02 x", "Nov 12 2025 x", "times"),
        ("in /a/b/c.py", "in /d/c.py", "paths"),
        ("3 passed", "4 passed", "numbers"),
        ("a", "", "answered empty"),
        ("", "a", "recorded empty"),
        ("a\nb\nc", "a\nc", "lines missing"),
        ("a\nc", "a\nb\nc", "lines extra"),
        ("a\nb\nc\nd", "a\nx\nc\nd", "stale content"),
        ("File written", "Created the file", "form"),
        ("a\nb\nc\nd", "w\nx\ny\nz", "content"),
    ],
)
def test_a_difference_has_the_first_class_that_explains_all_of_it(one, other, kind):
    assert found(one, other).kind == kind


def test_what_a_mask_explains_is_said():
    assert found(f"{LONG}3 passed in 0.12s", f"{LONG}3 passed in 2s", "pytest").kind == "masked"


def test_the_same_result_has_no_difference_and_a_flag_is_one():
    assert found("a\r\n", "a\n") is None
    assert found("a", "a", is_error=True).kind == "error flag or exit code"
    assert found("a", "a", is_error=True).recorded == "is_error=True exit_code=None"


def test_the_first_differing_line_of_both_sides_is_shown_cut():
    shown = found("same\nold\n", "same\nnew\n")
    assert (shown.recorded, shown.answered) == ("old", "new")
    assert found("same", "same\nmore").recorded is None
    long = found("x" * 500 + "a", "x" * 500 + "b")
    assert long.recorded.endswith("a")
    assert len(long.recorded) <= WIDTH + 1
