"""Which turns are taken again: filters, the cut, sampling, and a reason for everything left out.

Pure: takes rows and trajectories, returns values. Sampling is seeded and independent of the order of the input.
"""

from __future__ import annotations

import fnmatch
from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from harness.rows import SessionRow
from repos.catalog import normalise_url
from toolsim.seeds import derive_seed
from toolsim.trajectory import Message, Trajectory, Turn, call_pairs, steps, turns

STRATA = ("repo", "user", "agent", "model", "pool")
"""What a sample may be spread over."""


@dataclass(frozen=True, slots=True)
class Criteria:
    """What to take. Times are Unix seconds; `turn` counts from 0, negative from the end; `None` is the default.

    With `every_turn` each turn of a session is cut (with `with_calls` each that has calls), not one. `cuts` are shares
    of the turn in [0, 1) that stay in the prefix, each a prefix of its own.
    `consent` maps metadata keys to patterns (shell style) that a session's metadata must match; `sample` is the
    number of sessions, spread over the strata named by `stratify` (of `STRATA`).
    """

    ids: tuple[str, ...] = ()
    agents: tuple[str, ...] = ()
    repos: tuple[str, ...] = ()
    pool: str | None = None
    since: float | None = None
    until: float | None = None
    consent: tuple[tuple[str, str], ...] = ()
    turn: int | None = None
    step: int | None = None
    sample: int | None = None
    stratify: tuple[str, ...] = ()
    samples: int = 1
    seed: int = 0
    with_calls: bool = False
    every_turn: bool = False
    cuts: tuple[float, ...] = ()


@dataclass(frozen=True, slots=True)
class Cut:
    """One prefix to take again: the turn and the number of its agent messages that stay in the prefix.

    `share` is the share of the turn that was asked to stay, where shares were asked for.
    """

    session: str
    turn: Turn
    step: int
    share: float = 0.0


@dataclass(frozen=True, slots=True)
class Exclusion:
    """A session left out, and why (one clause)."""

    session: str
    reason: str


def filter_sessions(
    rows: Iterable[SessionRow], criteria: Criteria
) -> tuple[tuple[SessionRow, ...], tuple[Exclusion, ...]]:
    """The sessions that the criteria allow, and why each other is left out."""
    kept: list[SessionRow] = []
    excluded: list[Exclusion] = []
    for row in rows:
        reason = _objection(row, criteria)
        if reason is None:
            kept.append(row)
        else:
            excluded.append(Exclusion(row.id, reason))
    chosen = sample_sessions(kept, criteria)
    names = {row.id for row in chosen}
    excluded += [Exclusion(row.id, "not drawn into the sample") for row in kept if row.id not in names]
    return chosen, tuple(excluded)


def sample_sessions(rows: Sequence[SessionRow], criteria: Criteria) -> tuple[SessionRow, ...]:
    """A seeded sample of sessions, drawn in rounds over the strata so that each gets its equal share first."""
    if criteria.sample is None:
        return tuple(rows)
    strata: dict[tuple[str, ...], list[SessionRow]] = defaultdict(list)
    for row in rows:
        strata[tuple(_stratum(row, name) for name in criteria.stratify)].append(row)
    for members in strata.values():
        members.sort(key=lambda row: derive_seed(criteria.seed, "sample", row.id))
    order = sorted(strata, key=lambda name: derive_seed(criteria.seed, "stratum", *name))
    drawn: list[SessionRow] = []
    for place in range(max((len(m) for m in strata.values()), default=0)):
        drawn += [strata[name][place] for name in order if place < len(strata[name])]
    names = {row.id for row in drawn[: criteria.sample]}
    return tuple(row for row in rows if row.id in names)


def choose_cut(session: str, trajectory: Trajectory, criteria: Criteria) -> Cut | Exclusion:
    """Where to cut one session: the final turn, or a seeded random step where the session is one turn."""
    usable = _usable(trajectory, criteria)
    if isinstance(usable, str):
        return Exclusion(session, usable)
    turn = usable[-1] if criteria.turn is None else _numbered(turns(trajectory), criteria.turn)
    if turn is None or not steps(trajectory, turn):
        return Exclusion(session, f"there is no turn {criteria.turn} with an agent message")
    count = len(steps(trajectory, turn))
    if criteria.step is not None:
        if not 0 <= criteria.step < count:
            return Exclusion(session, f"turn {turn.index} has {count} agent messages, there is no step {criteria.step}")
        return Cut(session, turn, criteria.step)
    if trajectory.session.autonomous and criteria.turn is None:
        return Cut(session, turn, _random_step(session, trajectory, turn, criteria.seed))
    return Cut(session, turn, 0)


def choose_cuts(session: str, trajectory: Trajectory, criteria: Criteria) -> tuple[Cut, ...] | Exclusion:
    """Where to cut one session: as `choose_cut`, or with `every_turn` each turn at its start: no call is left out.

    Of an autonomous session that is the start of all: `harness.recut` then answers each message as after its own cut.
    """
    if not criteria.every_turn:
        cut = choose_cut(session, trajectory, criteria)
        if isinstance(cut, Exclusion):
            return cut
        return _by_share(trajectory, cut, criteria.cuts) if criteria.cuts else (cut,)
    usable = _usable(trajectory, criteria)
    if isinstance(usable, str):
        return Exclusion(session, usable)
    starts = [Cut(session, turn, 0) for turn in usable]
    return tuple(cut for start in starts for cut in _by_share(trajectory, start, criteria.cuts or (0.0,)))


def _by_share(trajectory: Trajectory, start: Cut, shares: Sequence[float]) -> tuple[Cut, ...]:
    """The turn cut at each share of its agent messages; of shares that a short turn cannot tell apart the smallest."""
    count = len(steps(trajectory, start.turn))
    found: dict[int, float] = {}
    for share in sorted(shares):
        found.setdefault(int(share * count), share)
    return tuple(Cut(start.session, start.turn, step, share) for step, share in found.items())


def _usable(trajectory: Trajectory, criteria: Criteria) -> list[Turn] | str:
    """The turns that may be taken again, or why there is none."""
    found = [t for t in turns(trajectory) if steps(trajectory, t)]
    if criteria.with_calls:
        found = [t for t in found if _has_calls(trajectory, t)]
    return found or "no turn with an agent message" + (" and calls" if criteria.with_calls else "")


def _random_step(session: str, trajectory: Trajectory, turn: Turn, seed: int) -> int:
    """A seeded step of the turn; one that has a call if there is one."""
    cuts = steps(trajectory, turn)
    acting = [n for n, at in enumerate(cuts) if isinstance(m := trajectory.items[at], Message) and m.calls]
    choices = acting or list(range(len(cuts)))
    return choices[derive_seed(seed, "step", session) % len(choices)]


def _has_calls(trajectory: Trajectory, turn: Turn) -> bool:
    return any(True for _ in call_pairs(trajectory.items[turn.start : turn.end]))


def _numbered(all_turns: Sequence[Turn], number: int) -> Turn | None:
    try:
        return all_turns[number]
    except IndexError:
        return None


def _stratum(row: SessionRow, name: str) -> str:
    value = normalise_url(row.repo or "") if name == "repo" else getattr(row, name)
    return str(value or "")


def _objection(row: SessionRow, criteria: Criteria) -> str | None:
    checks: tuple[Callable[[], str | None], ...] = (
        lambda: _unless(not criteria.ids or row.id.startswith(criteria.ids), "not named"),
        lambda: _unless(not criteria.agents or row.agent in criteria.agents, f"agent is {row.agent}"),
        lambda: _unless(not criteria.repos or _repo_matches(row, criteria.repos), f"repository is {row.repo}"),
        lambda: _unless(criteria.pool in (None, row.pool), f"pool is {row.pool}"),
        lambda: _time_objection(row, criteria),
        lambda: _consent_objection(row, criteria),
        lambda: _unless(row.turns > 0, "no agent message"),
    )
    return next((reason for check in checks if (reason := check()) is not None), None)


def _unless(fine: bool, reason: str) -> str | None:
    return None if fine else reason


def _repo_matches(row: SessionRow, repos: Sequence[str]) -> bool:
    return normalise_url(row.repo or "") in {normalise_url(name) for name in repos}


def _time_objection(row: SessionRow, criteria: Criteria) -> str | None:
    if criteria.since is None and criteria.until is None:
        return None
    if row.started_at is None:
        return "no time recorded"
    if criteria.since is not None and row.started_at < criteria.since:
        return "started before --since"
    return _unless(criteria.until is None or row.started_at < criteria.until, "started after --until")


def _consent_objection(row: SessionRow, criteria: Criteria) -> str | None:
    for key, pattern in criteria.consent:
        value = row.metadata.get(key)
        if value is None:
            return f"no consent: metadata has no {key}"
        if not fnmatch.fnmatchcase(str(value), pattern):
            return f"no consent: {key} is {value}"
    return None
