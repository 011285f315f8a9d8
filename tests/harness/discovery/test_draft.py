from __future__ import annotations

import re

import yaml
from hypothesis import given
from hypothesis import strategies as st

from harness.discovery.draft import draft_category, dump_draft
from harness.discovery.find import Example, Finding


def finding(trait: str) -> Finding:
    examples = (Example("t#0", "WebSearch(query='1847 * 23')"),)
    return Finding(
        trait, "candidate", 0, 40, 37, 1e-9, 1e-6, 1e-5, ("holds an expression",), examples, frozenset()
    )  # fmt: skip


def test_a_finding_becomes_a_category_that_a_person_has_to_finish() -> None:
    made = draft_category(finding("WebSearch.query: arithmetic"))
    assert made["name"] == "websearch-query-arithmetic"
    assert made["definition"].startswith("TO BE WRITTEN")
    assert "40 turns of the candidate, 0 of the baseline" in made["definition"]
    assert made["positive"] == ["WebSearch(query='1847 * 23')"]


@given(st.lists(st.text(min_size=1), min_size=1, max_size=6))
def test_any_traits_give_a_file_with_names_of_their_own(traits: list[str]) -> None:
    read = yaml.safe_load(dump_draft([finding(trait) for trait in traits]))
    names = [category["name"] for category in read["categories"]]
    assert len(set(names)) == len(traits)
    assert all(re.fullmatch(r"[a-z][a-z0-9-]*", name) and len(name) <= 40 for name in names)
