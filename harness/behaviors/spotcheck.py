"""The turns of a source with what its graders said, for people to label; and the audit that their labels give."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from harness.agreement import Agreement, agreement
from harness.audit import Audit, audit
from harness.behaviors.grading import Grading, kept
from harness.behaviors.reading import GradingTurn, recorded, rollouts
from harness.behaviors.taxonomy import Taxonomy
from harness.errors import ConfigError
from harness.store import Store
from harness.turn_labels import Key, TurnLabel, both_rated, settled, strata_of, stratum_of, turn_labels


@dataclass(frozen=True, slots=True)
class Checked:
    """One category of a source: what people's labels make of the graders' rate. `raters` agree as `between` says, where
    several have labelled the same turns; `faults` of the turns that show it came about by a fault of the simulator."""

    audit: Audit
    labels: int
    skipped: int
    raters: tuple[str, ...]
    between: Agreement | None
    faults: int


def graded_source(store: Store, source: str, taxonomy: Taxonomy) -> Grading:
    """What graders said of a source.

    Raises:
        ConfigError: it was not graded by this taxonomy.
    """
    grading = kept(store, source, taxonomy)
    if grading is None:
        raise ConfigError(f"{source} was not graded by {taxonomy.name}: `deploysim grade` first, people check it then")
    return grading


def strata(grading: Grading, category: str) -> dict[Key, str]:
    """The stratum of each turn that has a grade.

    Raises:
        ConfigError: the graders did not look for the category.
    """
    whole = grading.whole()
    if category not in grading.taxonomy.names:
        raise ConfigError(
            f"{category!r} is no category of {grading.taxonomy.name}: {', '.join(grading.taxonomy.names)}"
        )
    return {(t.prefix, t.sample): stratum_of(t.shows(category, 1), t.calls) for t in whole.graded}


def turns_of(store: Store, source: str) -> dict[Key, GradingTurn]:
    """The turns of a run, or of all recorded sessions, by key."""
    if source == "recorded":
        found: Sequence[GradingTurn] = tuple(recorded(store, [row.id for row in store.sessions()]))
    else:
        found, _ = rollouts(store, source)
    return {(turn.acts.name, turn.acts.sample): turn for turn in found}


def check(
    grading: Grading, category: str, labels: Sequence[TurnLabel], lineages: Mapping[Key, str], seed: int = 0
) -> Checked | None:
    """The audit of one category; `None` where no turn has a grade."""
    own = [label for label in labels if label.category == category]
    said = settled(own)
    rng = np.random.default_rng(seed)
    found = audit(category, strata_of(strata(grading, category), said), rng=rng)
    if found is None:
        return None
    raters, rows, keys = both_rated(own)
    between = None
    if len(raters) > 1 and rows:
        between = agreement(rows, [lineages.get(key, key[0]) for key in keys], rng=rng)
    faults = sum(label.fault for label in said.values() if label.answer == "yes")
    skipped = sum(label.answer == "skip" for label in own)
    return Checked(found, len(said), skipped, raters, between, faults)


def audits(store: Store, source: str, taxonomy: Taxonomy, seed: int = 0) -> dict[str, Checked]:
    """All categories of a source that have labels; empty where it was not graded or nobody labelled."""
    labels = turn_labels(store, source)
    grading = kept(store, source, taxonomy) if labels else None
    if grading is None:
        return {}
    lineages = {(t.prefix, t.sample): t.lineage for t in grading.whole().turns}
    found: dict[str, Checked] = {}
    for category in taxonomy.names:
        if any(label.category == category for label in labels):
            checked = check(grading, category, labels, lineages, seed)
            if checked is not None:
                found[category] = checked
    return found
