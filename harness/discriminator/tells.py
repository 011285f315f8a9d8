"""The tells of a run, and what changed between two: named, counted, linked to tool, rung, prompt and examples.

Three sources: the catalogue's rules on every pair, the judge's rationales in heaps, the features of the trained
discriminator. What no rule names is counted as such.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from harness.discriminator.catalogue import Moment, first_difference, tells_of
from harness.discriminator.pairs import Origin, Pair, call_pairs_of
from harness.discriminator.rationales import heaps
from harness.discriminator.serialise import Window
from harness.discriminator.trained import Feature, classify
from harness.ledger import ToolStep, read_steps
from harness.rows import RolloutRow
from harness.store import Store
from toolsim.trajectory import JsonObject, model_view, split, turns

UNNAMED = "not named"
_UNNAMED_FIX = "look at the examples; a rule is missing"
_EXAMPLES = 3


@dataclass(frozen=True, slots=True)
class Example:
    """One place where a tell shows: `words` of the simulated text, and the first lines that differ."""

    pair: str
    session: str
    tool: str
    words: str
    recorded_line: str
    simulated_line: str


@dataclass(frozen=True, slots=True)
class Found:
    """One tell: in how many of the run's answers, by tool, rung and prompt. `judged` is how many of them a judge was
    asked about, `told_apart` how many it told apart in both orders.
    """

    name: str
    fix: str
    count: int
    share: float
    by_tool: dict[str, int]
    by_rung: dict[str, int]
    by_prompt: dict[str, int]
    judged: int
    told_apart: int
    examples: tuple[Example, ...]


@dataclass(frozen=True, slots=True)
class Said:
    """A heap of rationales of pairs that a judge told apart: the tell of the catalogue that most of its pairs have
    (`None`: none has), its words, and some of the sentences.
    """

    tell: str | None
    words: tuple[str, ...]
    count: int
    sentences: tuple[str, ...]
    pairs: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Tells:
    """All that gives a run's answers away; `features` are the trained discriminator's, if it has pairs enough."""

    run: str
    answered: int
    differing: int
    found: tuple[Found, ...]
    said: tuple[Said, ...]
    features: tuple[Feature, ...]


@dataclass(frozen=True, slots=True)
class Change:
    """One tell in two runs, as shares of the answered calls. `what` is `came`, `went`, `more`, `fewer` or `same`."""

    name: str
    what: str
    before: int
    after: int
    share_before: float
    share_after: float


@dataclass(frozen=True, slots=True)
class _Shown:
    """One answered call with its pair and its tells."""

    pair: Pair
    step: ToolStep
    tells: tuple[tuple[str, str, str], ...] = field(default=())


def find_tells(store: Store, run: str, window: Window | None = None, seed: int = 0) -> Tells:
    """The tells of a run with recorded actions.

    Raises:
        StoreError: the store cannot be read.
    """
    shown = [one for row, _ in store.rollouts(run) for one in _shown(store, row, window or Window())]
    votes = _votes(store, run)
    told = {pair for pair, said in votes.items() if len(said) > 1 and not any(taken for taken, _ in said)}
    groups: dict[str, list[tuple[_Shown, str, str]]] = defaultdict(list)
    for one in shown:
        for name, fix, words in one.tells:
            groups[name].append((one, fix, words))
    found = [_found(name, members, len(shown), votes, told) for name, members in groups.items()]
    made = classify([one.pair for one in shown], seed=seed)
    return Tells(
        run=run,
        answered=len(shown),
        differing=sum(not one.pair.identical for one in shown),
        found=tuple(sorted(found, key=lambda f: (-f.count, f.name))),
        said=_said(shown, votes, told),
        features=() if made is None else made.features,
    )


def compare(before: Tells, after: Tells) -> tuple[Change, ...]:
    """What became of each tell, those that changed most first."""
    one, other = ({found.name: found for found in tells.found} for tells in (before, after))
    changes = [_change(name, one.get(name), other.get(name)) for name in one.keys() | other.keys()]
    return tuple(sorted(changes, key=lambda c: (-abs(c.share_after - c.share_before), c.name)))


def _change(name: str, before: Found | None, after: Found | None) -> Change:
    shares = before.share if before else 0.0, after.share if after else 0.0
    if before is None or after is None:
        what = "came" if before is None else "went"
    else:
        what = "same" if shares[0] == shares[1] else "more" if shares[1] > shares[0] else "fewer"
    return Change(name, what, before.count if before else 0, after.count if after else 0, *shares)


def _shown(store: Store, row: RolloutRow, window: Window) -> Iterable[_Shown]:
    steps = read_steps(store.steps(row.id))
    answered = [s for s in steps if isinstance(s, ToolStep) and s.answer is not None and s.recorded is not None]
    if not answered:
        return
    trajectory = store.trajectory(row.session)
    prefix, _ = split(trajectory, turns(trajectory)[row.turn], row.step)
    origin = Origin(row.session, row.lineage, row.repo, row.agent, row.pool)
    pairs = call_pairs_of(origin, model_view(prefix.items), steps, window)
    for step, pair in zip(answered, pairs, strict=True):
        named = tuple((tell.name, tell.fix, words) for tell, words in tells_of(_moment(pair, step, prefix.as_of)))
        if not named and not pair.identical:
            named = ((UNNAMED, _UNNAMED_FIX, first_difference(pair.recorded, pair.simulated)[1]),)
        yield _Shown(pair, step, named)


def _moment(pair: Pair, step: ToolStep, now: float | None) -> Moment:
    assert step.answer is not None and step.recorded is not None  # noqa: PT018  both are there in a pair
    return Moment(
        action=pair.action,
        recorded=pair.recorded,
        simulated=pair.simulated,
        now=now,
        recorded_error=step.recorded.is_error,
        simulated_error=step.answer.is_error,
        recorded_code=step.recorded.exit_code,
        simulated_code=step.answer.exit_code,
    )


_Votes = Mapping[str, Sequence[tuple[bool, str]]]


def _votes(store: Store, run: str) -> _Votes:
    """By pair, of every valid answer: whether the simulated side was taken for real, and the reason."""
    votes: dict[str, list[tuple[bool, str]]] = defaultdict(list)
    for row in store.judgements(run):
        if row["status"] == "valid":
            votes[row["pair"]].append((bool(row["facts"]["simulated_taken"]), str(row["facts"].get("reason", ""))))
    return votes


def _found(
    name: str, members: Sequence[tuple[_Shown, str, str]], answered: int, votes: _Votes, told: set[str]
) -> Found:
    shown = [one for one, _, _ in members]
    return Found(
        name=name,
        fix=members[0][1],
        count=len(members),
        share=len(members) / answered,
        by_tool=_counted(one.step.call.name for one in shown),
        by_rung=_counted(one.step.rung or "-" for one in shown),
        by_prompt=_counted(prompt for one in shown for prompt in prompts_of(one.step.evidence)),
        judged=sum(one.pair.id in votes for one in shown),
        told_apart=sum(one.pair.id in told for one in shown),
        examples=tuple(_example(one, words) for one, _, words in members if one.pair.origin.pool == "tune")[:_EXAMPLES],
    )


def prompts_of(evidence: JsonObject) -> tuple[str, ...]:
    """The prompts (hashes) that an answer was written with; `-` where no model took part."""
    written = (*evidence.get("written", ()), *evidence.get("programs", ()))
    return tuple(dict.fromkeys(one["prompt"] for one in written if "prompt" in one)) or ("-",)


def _example(one: _Shown, words: str) -> Example:
    recorded, simulated = first_difference(one.pair.recorded, one.pair.simulated)
    return Example(one.pair.id, one.pair.origin.session, one.step.call.name, words, recorded, simulated)


def _said(shown: Sequence[_Shown], votes: _Votes, told: set[str]) -> tuple[Said, ...]:
    """Rationales in heaps; a heap is linked to the tell that at least half of its pairs have. Tune pool only: what a
    judge says of a pair describes it.
    """
    names = {one.pair.id: [name for name, _, _ in one.tells] for one in shown if one.pair.origin.pool == "tune"}
    reasons = [(pair, reason) for pair in sorted(told & names.keys()) for _, reason in votes[pair]]
    found: list[Said] = []
    for heap in heaps([reason for _, reason in reasons]):
        members = [reasons[at] for at in heap.members]
        pairs = tuple(dict.fromkeys(pair for pair, _ in members))
        counted = Counter(name for pair in pairs for name in names[pair] if name != UNNAMED)
        most = counted.most_common(1)
        tell = most[0][0] if most and most[0][1] * 2 >= len(pairs) else None
        sentences = tuple(dict.fromkeys(reason for _, reason in members))[:_EXAMPLES]
        found.append(Said(tell, heap.words, len(members), sentences, pairs[:_EXAMPLES]))
    return tuple(found)


def _counted(values: Iterable[str]) -> dict[str, int]:
    return dict(Counter(values).most_common())
