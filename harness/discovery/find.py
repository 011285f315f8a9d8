"""Findings: traits that one model shows more often than the other on the same prefixes, grouped and ranked. Pure.

Every trait that could reach significance is tested, whichever side has it more often; traits that mark the same turns
are one finding. A finding is a difference, not yet a fault: the examples are for people to read.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from harness.discovery.testing import benjamini_hochberg, benjamini_yekutieli, fisher, least_p, sign_flip
from harness.discovery.traits import traits_of
from harness.discovery.turns import ActedTurn

LEVEL = 0.05
TESTABLE = 1e-3
"""A trait whose lineages could not give a p this small whatever their sides is not tested (after Tarone, Biometrics 46,
1990, and Gilbert, JRSS C 54, 2005): which traits are left out does not depend on the sides."""
ALIKE = 0.5
_SEQUENCE = " then "
_VAGUE = ("calls: ", "summary heap", "first: ", "last: ", "no closing text", "class ", "tool ")


@dataclass(frozen=True, slots=True)
class Marked:
    """One trait with how often each side shows it, its p and the two adjusted ones; `turns` are the pairs' keys."""

    trait: str
    baseline: int
    candidate: int
    p: float
    q: float
    q_any: float
    baseline_turns: frozenset[str]
    candidate_turns: frozenset[str]

    @property
    def more(self) -> str:
        """The side that has it more often."""
        return "candidate" if self.candidate >= self.baseline else "baseline"


@dataclass(frozen=True, slots=True)
class Example:
    """A turn that shows a finding, with the passage."""

    turn: str
    passage: str


@dataclass(frozen=True, slots=True)
class Finding:
    """Traits that mark the same turns: the most significant one leads, `others` follow.

    `baseline` and `candidate` count turns of the pairs that show the leading trait; `lineages` those in which the sides
    differ in it. `q` is adjusted after Benjamini and Hochberg over all tested traits, `q_any` after Benjamini and
    Yekutieli (under any dependence).
    """

    trait: str
    more: str
    baseline: int
    candidate: int
    lineages: int
    p: float
    q: float
    q_any: float
    others: tuple[str, ...]
    examples: tuple[Example, ...]
    turns: frozenset[str]


@dataclass(frozen=True, slots=True)
class Discovery:
    """All findings, most significant first. `paired` says whether prefixes were shared; `alone` turns were not used."""

    turns: int
    lineages: int
    alone: int
    paired: bool
    traits: int
    tested: int
    level: float
    findings: tuple[Finding, ...]


def discover(
    baseline: Iterable[ActedTurn],
    candidate: Iterable[ActedTurn],
    *,
    level: float = LEVEL,
    examples: int = 3,
    extra: Mapping[str, frozenset[str]] | None = None,
) -> Discovery:
    """What distinguishes the candidate's turns from the baseline's.

    Where no prefix is shared lineages are held against each other, each counted once (Fisher's exact test). `extra`
    names further marks with the turns that have them (`side/key`), made without regard to the side.
    """
    old, new, alone, paired = _sides(baseline, candidate)
    passages: dict[tuple[str, str], str] = {}
    marked: dict[str, tuple[set[str], set[str]]] = defaultdict(lambda: (set(), set()))
    for side, turns in enumerate((old, new)):
        for turn in turns:
            found = traits_of(turn)
            found |= {name: "" for name, keys in (extra or {}).items() if f"{side}/{turn.key}" in keys}
            for name, passage in found.items():
                marked[name][side].add(turn.key)
                passages.setdefault((name, f"{side}/{turn.key}"), passage)
    lineage = {t.key: t.lineage for t in (*old, *new)}
    sizes = len({t.lineage for t in old}), len({t.lineage for t in new})
    tested = _tested(marked, lineage, sizes, paired=paired)
    kept = [m for m in _adjusted(tested, marked) if m.q <= level]
    findings = tuple(
        _finding(group, lineage, passages, examples) for group in _groups(sorted(kept, key=_strength))
    )  # fmt: skip
    return Discovery(
        len(old) + len(new), len(set(lineage.values())), alone, paired, len(marked), len(tested), level, findings
    )  # fmt: skip


def _sides(
    baseline: Iterable[ActedTurn], candidate: Iterable[ActedTurn]
) -> tuple[list[ActedTurn], list[ActedTurn], int, bool]:
    first, second = {t.key: t for t in baseline}, {t.key: t for t in candidate}
    shared = [key for key in first if key in second]
    if not shared:
        return list(first.values()), list(second.values()), 0, False
    alone = len(first) + len(second) - 2 * len(shared)
    return [first[k] for k in shared], [second[k] for k in shared], alone, True


def _tested(
    marked: Mapping[str, tuple[set[str], set[str]]],
    lineage: Mapping[str, str],
    sizes: tuple[int, int],
    *,
    paired: bool,
) -> dict[str, float]:
    """The p of every trait that could have shown something."""
    found: dict[str, float] = {}
    for name, (old, new) in marked.items():
        if paired:
            differences = _differences(old, new, lineage)
            if least_p(differences) <= TESTABLE:
                found[name] = sign_flip(differences)
            continue
        shown = [len({lineage[key] for key in side}) for side in (old, new)]
        if _least_fisher(sum(shown), sizes) <= TESTABLE:
            found[name] = fisher(shown[0], sizes[0], shown[1], sizes[1])
    return found


def _differences(old: set[str], new: set[str], lineage: Mapping[str, str]) -> list[int]:
    by_lineage: dict[str, int] = defaultdict(int)
    for key in new:
        by_lineage[lineage[key]] += 1
    for key in old:
        by_lineage[lineage[key]] -= 1
    return list(by_lineage.values())


def _least_fisher(shown: int, sizes: tuple[int, int]) -> float:
    """The smallest p that so many lineages with a trait could give."""
    ends = (min(shown, sizes[0]), max(0, shown - sizes[1]))
    return min(fisher(first, sizes[0], shown - first, sizes[1]) for first in ends)


def _adjusted(tested: Mapping[str, float], marked: Mapping[str, tuple[set[str], set[str]]]) -> list[Marked]:
    names = list(tested)
    p_values = [tested[name] for name in names]
    both = zip(names, p_values, benjamini_hochberg(p_values), benjamini_yekutieli(p_values), strict=True)
    return [
        Marked(name, len(marked[name][0]), len(marked[name][1]), p, q, q_any, *map(frozenset, marked[name]))
        for name, p, q, q_any in both
    ]


def _strength(m: Marked) -> tuple[float, float, bool, str]:
    """By p; among equals the trait that the other side shows least, and what says more before what says less."""
    few, many = sorted((m.baseline, m.candidate))
    return m.p, few / many, m.trait.startswith(_VAGUE) or _SEQUENCE in m.trait, m.trait


def _groups(ordered: Sequence[Marked]) -> list[list[Marked]]:
    """Each trait joins the first group whose leader tells the sides apart in the same turns (half or more of all).

    On whichever side: a call more is also a turn less that has few calls.
    """
    groups: list[list[Marked]] = []
    for mark in ordered:
        for group in groups:
            if _overlap(_telling(group[0]), _telling(mark)) >= ALIKE:
                group.append(mark)
                break
        else:
            groups.append([mark])
    return groups


def _telling(mark: Marked) -> frozenset[str]:
    """The turns that show it on the side that has it more often, and not on the other."""
    ours, theirs = mark.candidate_turns, mark.baseline_turns
    return ours - theirs if mark.more == "candidate" else theirs - ours


def _overlap(first: frozenset[str], second: frozenset[str]) -> float:
    union = len(first | second)
    return len(first & second) / union if union else 0.0


def _finding(
    group: Sequence[Marked], lineage: Mapping[str, str], passages: Mapping[tuple[str, str], str], examples: int
) -> Finding:
    lead = group[0]
    side = 1 if lead.more == "candidate" else 0
    turns = lead.candidate_turns if side else lead.baseline_turns
    other = lead.baseline_turns if side else lead.candidate_turns
    # turns in which only this side shows it come first, and one of each lineage
    ordered = sorted(turns, key=lambda key: (key in other, key))
    chosen = list({lineage[key]: key for key in reversed(ordered)}.values())[::-1][:examples]
    differing = sum(d != 0 for d in _differences(set(lead.baseline_turns), set(lead.candidate_turns), lineage))
    return Finding(
        lead.trait, lead.more, lead.baseline, lead.candidate, differing, lead.p, lead.q, lead.q_any,
        tuple(m.trait for m in group[1:]),
        tuple(Example(key, passages[lead.trait, f"{side}/{key}"]) for key in chosen), turns,
    )  # fmt: skip
