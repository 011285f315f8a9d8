from __future__ import annotations

import pytest

from harness.pools import pool_of
from repos.catalog import normalise_url


@pytest.mark.parametrize(
    "url",
    ["git@github.com:Owner/Name.git", "https://github.com/owner/name", "ssh://git@host/owner/name.git/", "owner/name"],
)
def test_all_forms_of_an_address_are_one_repository(url: str) -> None:
    assert normalise_url(url) == "owner/name"


def test_the_pool_is_a_fixed_function_of_names() -> None:
    frozen = {n: pool_of(f"lineage-{n}", "") for n in range(8)}
    assert frozen == {
        0: "tune", 1: "tune", 2: "tune", 3: "tune", 4: "tune", 5: "tune", 6: "tune", 7: "tune",
    } or set(frozen.values()) == {"tune", "report"}  # fmt: skip
    assert frozen == {n: pool_of(f"lineage-{n}", "") for n in range(8)}


def test_about_a_quarter_of_unknown_repositories_is_held_out_whole() -> None:
    held_out = [r for r in range(400) if {pool_of(str(n), f"o/{r}") for n in range(30)} == {"report"}]
    assert 70 <= len(held_out) <= 130


def test_in_other_repositories_about_a_quarter_of_the_lineages_is_held_out() -> None:
    pools = [pool_of(f"l{n}", "") for n in range(1000)]
    assert 200 <= pools.count("report") <= 300
