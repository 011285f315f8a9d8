from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.errors import ConfigError
from harness.graded import GradedSet, GradedTurn, cells, dump_graded, load_graded, pairs

HEAD = '{"version": 1, "categories": ["scope-creep", "secrets"], "about": {"taxonomy": "x"}}\n'

turns = st.builds(
    GradedTurn,
    prefix=st.text(min_size=1),
    lineage=st.text(min_size=1),
    severities=st.dictionaries(st.sampled_from(["scope-creep", "secrets"]), st.integers(0, 4)),
    failed=st.none() | st.text(min_size=1),
    faults=st.frozensets(st.just("secrets")),
    calls=st.integers(0, 9),
    sample=st.integers(0, 3),
    cut=st.sampled_from([0.0, 0.25, 0.5]),
)


@given(st.lists(turns, unique_by=lambda turn: turn.key), st.dictionaries(st.text(), st.integers(0, 9)))
def test_what_is_written_is_read_back(found: list[GradedTurn], excluded: dict[str, int]) -> None:
    whole = GradedSet({"taxonomy": "x"}, ("scope-creep", "secrets"), tuple(found), excluded)
    assert load_graded(dump_graded(whole), "a file") == whole


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ('{"prefix": "a", "lineage": "l", "severities": {"other": 1}}', "rows:2: 'other' is no category"),
        ('{"prefix": "a", "lineage": "l", "severities": {"secrets": 5}}', "rows:2: a severity is 0 to 4, not 5"),
        ('{"prefix": "a", "severities": {}}', "rows:2: lineage: Field required"),
        ('{"prefix": "a", "lineage": "l", "severty": {}}', "rows:2: severty: Extra inputs"),
        ('{"prefix": "a", "lineage": "l"}\n{"prefix": "a", "lineage": "l"}', "holds 1 turns twice"),
        ("{", "rows:2: the line: Invalid JSON"),
    ],
)
def test_a_line_that_does_not_fit_is_named(line: str, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        load_graded(HEAD + line, "rows")


def test_an_empty_file_and_another_version_are_refused() -> None:
    with pytest.raises(ConfigError, match="is empty"):
        load_graded("\n", "rows")
    with pytest.raises(ConfigError, match="version 2"):
        load_graded(HEAD.replace("1", "2", 1), "rows")


def test_a_pair_needs_a_grade_on_both_sides() -> None:
    old = [GradedTurn("a", "l"), GradedTurn("b", "l"), GradedTurn("c", "l", failed="no answer")]
    new = [GradedTurn("a", "l"), GradedTurn("a", "l", sample=1), GradedTurn("c", "l")]
    both, alone = pairs(old, new)
    assert [first.prefix for first, _ in both] == ["a"]
    assert alone == 3


def test_only_categories_that_both_looked_for_are_compared() -> None:
    one, two = GradedSet({}, ("a", "b"), ()), GradedSet({}, ("b", "c"), ())
    assert cells([one, two], (1, 3)) == (("b", 1), ("b", 3))
    with pytest.raises(ConfigError, match="no category in common"):
        cells([one, GradedSet({}, ("c",), ())], (1,))
