"""The lexical index by itself: what is looked through, and that it changes no rank."""

from __future__ import annotations

import hashlib
import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from toolsim.callschema import State
from toolsim.lexical import Document, Filters, LexicalIndex
from toolsim.words import spelled, terms

NO_BOUND = (float("inf"),)
STORE = "id", 0


def documents(count=600):
    rng = random.Random(3)
    common = ["git", "show", "src", "test", "main", "run"]
    for seq in range(1, count + 1):
        words = rng.choices(common, k=3) + [f"name{rng.randrange(60)}"] + [f"id{seq}"] * (seq % 7 == 0)
        key = hashlib.sha256(str(seq).encode()).digest()
        yield Document(seq, key, rng.choice("ab"), "r", f"l{seq % 5}", float(seq), " ".join(words), "done")


def index(directory, budgets):
    made = LexicalIndex(directory, budgets)
    made.update(State(*STORE, 600, 600), lambda after: (d for d in documents() if d.seq > after))
    return made


@pytest.fixture(scope="module")
def bounded(tmp_path_factory):
    return index(tmp_path_factory.mktemp("bounded") / "i", (25, 100, float("inf")))


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    return index(tmp_path_factory.mktemp("whole") / "i", NO_BOUND)


@pytest.mark.parametrize("filters", [Filters(), Filters(before=300.0, not_lineages=("l1",)), Filters(tool="a")])
@pytest.mark.parametrize("query", ["git show name7", "run main src name3 id21", "test name1 name2", "git status"])
def test_looking_first_through_pairs_with_rare_words_finds_the_same_best(bounded, whole, query, filters):
    found = bounded.search(query, filters, 3, responses=False)
    best = whole.search(query, filters, 3, responses=False)
    assert [seq for seq, _ in found] == [seq for seq, _ in best]
    assert [score for _, score in found] == pytest.approx([score for _, score in best])
    assert len(found) == 3


def test_where_rare_words_give_too_little_common_ones_are_looked_through(bounded):
    found = bounded.search("git show id7", Filters(), 8, responses=False)
    assert found[0][0] == 7
    assert len(found) == 8
    assert len(bounded.search("git show id7", Filters(before=5.0), 8, responses=False)) > 0


def test_words_that_no_pair_has_do_not_count(bounded):
    assert bounded.search("zzz yyy", Filters(), 8, responses=False) == []
    alone = bounded.search("git", Filters(), 8, responses=False)
    assert bounded.search("zzz git", Filters(), 8, responses=False) == alone


@given(st.text(st.sampled_from("aZ9_.:/@+=%~- \n'\"|$(")), st.sampled_from(["\u00e9", " \u2026", "\u0416"]))
def test_words_of_ascii_are_those_that_the_same_text_has_beside_others(text, other):
    assert terms(f"{text} {other}")[: len(terms(text))] == terms(text)


@given(st.text())
def test_a_text_is_spelled_by_its_words(text):
    assert spelled(text) == " ".join(terms(text))
