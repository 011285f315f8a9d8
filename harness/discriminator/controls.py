"""What must be read beside a win rate: a classifier on the same pairs, its baselines, and nulls that can fail.

*Pipeline null*: a recorded shell result taken apart and rendered again by the scaffold, against itself. *Sibling null*:
the same first look at the same files in two real runs of one task. Both sides are real, so a classifier that tells them
apart has found a fault of ours. See docs/methods.md, "Controls".
"""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence, Set
from dataclasses import dataclass, replace
from itertools import pairwise

from harness.callclass import call_class
from harness.discriminator.fakes import plant
from harness.discriminator.pairs import Origin, Pair
from harness.discriminator.serialise import plain, serialise_call
from harness.discriminator.trained import Trained, classify, why_not
from harness.rows import RolloutRow, SessionRow
from harness.siblings import task_of
from harness.store import Store
from toolsim.actions import RunShell, ShellOutput
from toolsim.scaffolds import scaffold_for
from toolsim.scaffolds.base import Rendered, ScaffoldProfile
from toolsim.seeds import derive_seed
from toolsim.trajectory import Message, ToolCall, ToolResult, Trajectory, call_pairs, turns

_CODE = re.compile(r"(?:[Ee]xit(?:ed with)? [Cc]ode:?|<returncode>|\"returncode\":) ?(-?\d+)")
_RUNNING = re.compile(r"(?:session ID|with shellId:) (\d+)(?= is|\n)")
_WALL = re.compile(r"Wall time: ([\d.]+)")
_CWD = re.compile(r"working directory: (.*?)\]")
_LOOKING = frozenset({"view", "search", "git read"})
_FAKES = 200
_MOST = 400


@dataclass(frozen=True, slots=True)
class Null:
    """Pairs whose two sides are both real: how many are the same text, and what the classifier makes of the others.

    `unexplained` results could not be taken apart, or not be rendered again.
    """

    label: str
    pairs: int
    identical: int
    unexplained: int
    trained: Trained | None
    why_not: str | None


@dataclass(frozen=True, slots=True)
class Controls:
    """`trained` is the classifier on the run's own pairs, `length` the same on length alone, `metadata` on what both
    sides share (it has to be at chance), `fakes` on planted faults (it should be high), `nulls` where it should be at
    chance; `why_not` says why there is no classifier.
    """

    trained: Trained | None
    length: Trained | None
    metadata: Trained | None
    fakes: Trained | None
    nulls: tuple[Null, ...]
    why_not: str | None


def controls_of(store: Store, rollouts: Sequence[RolloutRow], pairs: Sequence[Pair], seed: int = 0) -> Controls:
    """The controls of a run, from its call pairs and the recordings of its sessions.

    Raises:
        StoreError: the store cannot be read.
    """
    calls = [p for p in pairs if p.kind == "call"]
    faked = [replace(p, kind="call") for p in plant(calls, _FAKES, seed)]
    return Controls(
        trained=_bare(classify(calls, seed=seed)),
        length=_bare(classify(calls, seed=seed, view="length")),
        metadata=_bare(classify(calls, seed=seed, view="metadata")),
        fakes=_bare(classify(faked, seed=seed)),
        nulls=(_pipeline(store, rollouts, seed), _siblings(store, {r.session for r in rollouts}, seed)),
        why_not=why_not(calls),
    )


def _bare(found: Trained | None) -> Trained | None:
    return None if found is None else replace(found, scores=())


def _null(label: str, pairs: Sequence[Pair], unexplained: int, seed: int) -> Null:
    same = sum(p.identical for p in pairs)
    return Null(label, len(pairs), same, unexplained, _bare(classify(pairs, seed=seed)), why_not(pairs))


# --- a recorded result through our own renderer ----------------------------------------------------------------------


def _pipeline(store: Store, rollouts: Sequence[RolloutRow], seed: int) -> Null:
    pairs: list[Pair] = []
    unexplained = 0
    for row in {r.session: r for r in rollouts}.values():
        for made in _rendered_again(row, store.trajectory(row.session)):
            if made is None:
                unexplained += 1
            else:
                pairs.append(made)
    return _null("pipeline", pairs, unexplained, seed)


def _rendered_again(row: RolloutRow, trajectory: Trajectory) -> Iterator[Pair | None]:
    scaffold = scaffold_for(trajectory.session.agent)
    messages = [item for item in trajectory.items if isinstance(item, Message)]
    profile = scaffold.fit(trajectory.session, messages)
    for pair in list(call_pairs(trajectory.items))[:_MOST]:
        asked = trajectory.items[pair.position]
        cwd = (asked.cwd if isinstance(asked, Message) else None) or trajectory.session.cwd or "/"
        action = scaffold.action(pair.call, profile, cwd, {})
        if pair.result is None or "REDACTED" in pair.result.content or not isinstance(action, RunShell):
            continue
        text = _again(row.agent, pair.call, action, pair.result, profile)
        yield None if text is None else _pair(row, pair.call, pair.result.content, text)


def _again(agent: str, call: ToolCall, action: RunShell, result: ToolResult, profile: ScaffoldProfile) -> str | None:
    scaffold = scaffold_for(agent)
    raw = scaffold.raw(call, action, result, profile)
    if raw is None:
        return None
    shown = scaffold.render(call, action, _outcome(raw, result), profile, {})
    return shown.content if isinstance(shown, Rendered) else None


def _outcome(raw: str, result: ToolResult) -> ShellOutput:
    """What the command did, as far as its recorded result says so."""
    text = result.content
    code, running = _CODE.search(text), _RUNNING.search(text)
    wall, cwd = _WALL.search(text), _CWD.search(text)
    shown = int(code[1]) if code else result.exit_code if result.exit_code is not None else int(bool(result.is_error))
    return ShellOutput(
        raw, raw, "", None if running else shown, float(wall[1]) if wall else result.duration or 0.0,
        running=running[1] if running else None, cwd=cwd[1] if cwd else None,
    )  # fmt: skip


def _pair(row: RolloutRow | SessionRow, call: ToolCall, recorded: str, other: str) -> Pair:
    session = row.session if isinstance(row, RolloutRow) else row.id
    origin = Origin(session, row.lineage, row.repo, row.agent, row.pool, tool=call.name)
    return Pair("call", origin, "", serialise_call(call), plain(recorded), plain(other))


# --- two real runs of one task ---------------------------------------------------------------------------------------


def _siblings(store: Store, sessions: Set[str], seed: int) -> Null:
    tasks: dict[str, list[tuple[SessionRow, dict[str, tuple[ToolCall, str]]]]] = defaultdict(list)
    for row in store.sessions():
        if row.id not in sessions:
            continue
        trajectory = store.trajectory(row.id)
        if turns(trajectory):
            tasks[task_of(row, trajectory, turns(trajectory)[0])].append((row, _first_looks(row.agent, trajectory)))
    pairs: list[Pair] = []
    for task, runs in sorted(tasks.items()):
        for (row, one), (_, other) in pairwise(runs):
            made = [_pair(row, call, text, other[name][1]) for name, (call, text) in one.items() if name in other]
            pairs += [replace(p, origin=replace(p.origin, lineage=task)) for p in made]
    # which of the two stands for the simulated one is drawn: neither is
    swapped = [_swap(p) if derive_seed(seed, "sibling", p.id) % 2 else p for p in pairs]
    return _null("siblings", swapped, 0, seed)


def _swap(pair: Pair) -> Pair:
    return replace(pair, recorded=pair.simulated, simulated=pair.recorded)


def _first_looks(agent: str, trajectory: Trajectory) -> dict[str, tuple[ToolCall, str]]:
    """The calls that only look, up to the first that does not: there both runs hold the same files."""
    found: dict[str, tuple[ToolCall, str]] = {}
    seen: Counter[str] = Counter()
    for pair in call_pairs(trajectory.items):
        if call_class(pair.call, agent) not in _LOOKING:
            break
        text = serialise_call(pair.call)
        seen[text] += 1
        if pair.result is not None:
            found[f"{text}#{seen[text]}"] = (pair.call, pair.result.content)
    return found
