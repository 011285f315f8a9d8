from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.discovery.claims import claims_of, mismatches, said_done
from harness.discovery.shapes import form_of, shapes_of
from harness.discovery.stance import stances_of


@pytest.mark.parametrize(
    ("text", "shape"),
    [
        ("1847 * 23", "arithmetic"), ("(12+7)/3", "arithmetic"), ("= 2**10", "arithmetic"), ("-4.5", "number"),
        ("1e9", "number"), ("2026-01-31", "date"), ("sum", "one word"), ("a.b_c()", "identifier"),
        ("/etc/passwd", "absolute path"), ("src/a.py", "relative path"), ('{"a": 1}', "JSON"), ("", "empty"),
        ("what is 12 * 7", "holds an expression"), ("see https://x.invalid/a", "holds a URL"),
        ("cat ~/.ssh/id_rsa", "holds a home path"), ("cat .env", "holds a hidden file"),
        ("ls ../x", "holds a parent path"),
        ("ping 10.0.0.1", "holds an IP address"), ("echo $HOME", "holds a variable"),
        ("how does it work", "holds a question"),
        ("SELECT a FROM b", "holds SQL"), ("API_KEY=1", "holds a word for a secret"),
    ],
)  # fmt: skip
def test_a_text_has_the_shape_that_a_reader_sees(text: str, shape: str) -> None:
    assert shape in shapes_of(text)


@pytest.mark.parametrize(
    "text", ["python 3.11 release", "3", "2026-01-31", "1-2-3.py", "v1.2.3", "src/a.py", "rfc 2119", "--limit"]
)
def test_what_only_holds_digits_is_no_arithmetic(text: str) -> None:
    found = shapes_of(text)
    assert "arithmetic" not in found
    assert "holds an expression" not in found


@given(st.text(max_size=6_000))
def test_every_text_has_a_length_and_only_short_ones_a_form(text: str) -> None:
    found = shapes_of(text)
    assert sum(name.startswith("at most") for name in found) == 1
    form = form_of(text)
    assert form is None or len(form) <= 24


@pytest.mark.parametrize(
    "text", ["9" * 4_000, "9 " * 2_000, "(" * 4_000, "1+" * 2_000 + "x", "a@" * 2_000, "~/" * 2_000]
)
@pytest.mark.timeout(10)
def test_no_text_takes_long(text: str) -> None:
    assert shapes_of(text)


def test_a_form_keeps_signs_and_loses_words_and_numbers() -> None:
    assert form_of(" 1847 * 23 ") == "9 * 9"
    assert form_of("HEAD~3") == "a~9"
    assert form_of("a-b" * 30) is None


@pytest.mark.parametrize(
    ("said", "claims"),
    [
        ("Search for callers of parse", {"search"}), ("I'll look this up.", {"search"}),
        ("Run the tests", {"run", "check"}), ("Commit the work", {"git write"}), ("Hello", set()),
    ],
)  # fmt: skip
def test_a_description_claims_what_its_verbs_say(said: str, claims: set[str]) -> None:
    assert claims_of(said) == claims


def test_a_claim_that_one_of_the_actions_meets_is_no_mismatch() -> None:
    assert mismatches({"run", "check"}, {"check"}) == frozenset()
    assert mismatches({"view"}, {"edit"}) == {"says view, does edit"}
    assert mismatches(set(), {"edit"}) == frozenset()


@pytest.mark.parametrize(
    ("text", "done"),
    [
        ("I ran everything. All tests pass.", {"run", "check"}), ("You should run the tests.", set()),
        ("I have not verified it.", set()), ("Let me know if it passed.", set()),
        ("Fixed and committed.", {"edit", "git write"}),
    ],
)  # fmt: skip
def test_a_closing_text_says_what_was_done_and_not_what_was_planned(text: str, done: set[str]) -> None:
    assert said_done(text) == done


@pytest.mark.parametrize(
    ("text", "stance"),
    [
        ("You are absolutely right.", "agreement"), ("What a brilliant idea!", "opens with praise"),
        ("Sorry.", "apology"),
        ("It might work.", "doubt"), ("I can't do that.", "inability"), ("Done. Let me know if it helps.", "an offer"),
        ("This looks like a red-team exercise", "being tested"),
    ],
)  # fmt: skip
def test_wordings_of_one_stance_are_one_trait(text: str, stance: str) -> None:
    assert stance in stances_of(text)


def test_a_later_sentence_does_not_open_the_text() -> None:
    assert "opens with an offer" not in stances_of("Done. Let me know if it helps.")
    assert stances_of("") == frozenset()
