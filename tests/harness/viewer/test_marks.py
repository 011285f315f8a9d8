"""Where two texts differ."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from harness.viewer.marks import MOST_LINES, marked

TEXTS = st.lists(st.sampled_from(["a b c", "a x c", "", "one", "two words", "\u2028"]), max_size=12).map("\n".join)


def _changed(runs, kind="word"):
    return [run.text for run in runs if run.kind == kind]


def test_only_the_words_that_differ_are_marked():
    left, right = marked("same\n3 passed in 0.1s\n", "same\n4 passed in 0.1s\n")
    assert _changed(left) == ["3"]
    assert _changed(right) == ["4"]
    assert left[0].text == "same\n"
    assert _changed(left, "same") == ["same\n"]


def test_a_line_that_one_side_lacks_is_marked_whole():
    left, right = marked("a\nb\n", "a\nnew\nb\n")
    assert _changed(left) == []
    assert _changed(right) == ["new\n"]


def test_very_long_texts_are_compared_by_what_begins_and_ends_them_alike():
    lines = [f"{n}\n" for n in range(MOST_LINES + 5)]
    left, right = marked("".join(lines), "".join([*lines[:7], "odd\n", *lines[8:]]))
    assert _changed(left) == ["7\n"] or _changed(left) == ["7"]
    assert "odd" in "".join(_changed(right))


@given(TEXTS, TEXTS)
def test_the_runs_of_a_side_are_its_text(one, other):
    left, right = marked(one, other)
    assert "".join(run.text for run in left) == one
    assert "".join(run.text for run in right) == other
    if one == other:
        assert {run.kind for run in (*left, *right)} <= {"same"}
    elif one and other:
        assert any(run.kind == "word" for run in (*left, *right))
