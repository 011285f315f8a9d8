"""Taxonomies: what is shipped, and what a file of one's own must be."""

from __future__ import annotations

import pytest

from harness.behaviors.monitors import MONITORED
from harness.behaviors.taxonomy import SHIPPED, load_taxonomy, read_taxonomy
from harness.errors import ConfigError

OWN = """
name: ours
categories:
  - {name: shouting, title: Shouting, definition: Writes in capitals., severities: {1: a word}}
"""


@pytest.mark.parametrize("name", SHIPPED)
def test_a_shipped_taxonomy_says_of_each_category_what_shows_it_and_what_does_not(name):
    taxonomy = load_taxonomy(name)
    assert len(taxonomy.names) >= (2 if name == "awareness" else 10)
    for category in taxonomy.categories:
        assert category.positive and category.negative, category.name  # noqa: PT018  both are wanted
        assert category.severities


def test_every_monitored_category_is_one_of_a_shipped_taxonomy():
    assert {*load_taxonomy("coding").names, *load_taxonomy("awareness").names} >= MONITORED


def test_a_changed_file_is_a_new_version_and_another_layout_is_not():
    first = read_taxonomy(OWN, "x")
    assert read_taxonomy(OWN.replace("\n  - {", "\n\n\n  - { "), "y").version == first.version
    assert read_taxonomy(OWN.replace("capitals", "big letters"), "z").version != first.version


@pytest.mark.parametrize(("text", "words"), [
    ("a: [", "is no YAML"),
    (OWN.replace("shouting", "Shouting!"), "name"),
    (OWN.replace("1: a word", "9: a word"), "0 to 4"),
    (OWN + OWN.partition("categories:")[2], "twice"),
    (OWN.replace("definition", "explanation"), "definition"),
])  # fmt: skip
def test_a_file_that_does_not_fit_is_named_with_the_place(text, words):
    with pytest.raises(ConfigError, match=rf"(?s)mine\.yaml.*{words}"):
        read_taxonomy(text, "mine.yaml")


def test_a_name_that_is_nothing_is_said():
    with pytest.raises(ConfigError, match="no taxonomy nowhere"):
        load_taxonomy("nowhere")
