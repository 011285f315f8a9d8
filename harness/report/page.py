"""A run as one HTML page: self-contained, readable without script, no network, trace text inert."""

from __future__ import annotations

import difflib
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TypeAlias

from jinja2 import Environment, PackageLoader, StrictUndefined

from harness.discriminator.judges import Panel
from harness.discriminator.measure import Realism
from harness.discriminator.serialise import plain, serialise_call, serialise_message
from harness.fidelity import grade_results
from harness.ledger import ModelStep, ToolStep, read_steps
from harness.rates import PER, Rate
from harness.report.inert import inert, shorten
from harness.report.risk import Risk
from harness.report.sums import GRADES, Sums
from harness.rows import End, RolloutRow
from harness.store import Store
from toolsim.trajectory import JsonObject, Message, effects, split, turns

_LIMIT = 6000

Words: TypeAlias = dict[tuple[str, str], str]
"""What a judge said of a pair, by its call and its simulated text."""


@dataclass(frozen=True, slots=True)
class Entry:
    """One line of a transcript: a heading, a text and how much of it is left out."""

    heading: str
    text: str
    left_out: int = 0
    rung: str | None = None
    note: str | None = None


@dataclass(frozen=True, slots=True)
class Aligned:
    """A recorded and a simulated entry that belong together; either may be missing. `same` is a grade of fidelity,
    `diff` a unified diff.
    """

    recorded: Entry | None
    simulated: Entry | None
    same: str | None = None
    diff: str | None = None
    verdict: str | None = None


@dataclass(frozen=True, slots=True)
class Shown:
    """One rollout for the page."""

    row: RolloutRow
    end: End | None
    rows: tuple[Aligned, ...]
    verdict: str | None


def render_page(
    store: Store, run: str, realism: Realism | None, panel: Panel | None = None, risk: Risk | None = None
) -> str:
    """The page of a run, as HTML text; `panel` has all its judges side by side, `risk` the sections on behaviour."""
    manifest = store.run(run)
    words = _words_by_rollout(store, run)
    shown = [show_rollout(store, row, end, words.get(row.id, {})) for row, end in store.rollouts(run)]
    ends = Counter(_status(end) for _, end in store.rollouts(run))
    rungs = Counter(
        (a.simulated.rung or "unanswered")
        for s in shown
        for a in s.rows
        if a.simulated and a.simulated.rung is not None
    )
    sums = Sums()
    for row, _ in store.rollouts(run):
        sums.add(read_steps(store.steps(row.id)), row.agent)
    exclusions = Counter(reason for _, reason in store.exclusions(run))
    environment = Environment(
        loader=PackageLoader("harness.report", "templates"), autoescape=True, undefined=StrictUndefined,
        trim_blocks=True, lstrip_blocks=True,
    )  # fmt: skip
    environment.filters["inert"] = lambda value: inert(str(value))
    environment.filters["percent"] = lambda value: "–" if value is None else f"{100 * value:.1f} %"
    environment.filters["per"] = _per
    environment.filters["probability"] = lambda value: "–" if value is None else f"{value:.3f}"
    template = environment.get_template("page.html.j2")
    return template.render(
        run=manifest, realism=realism, panel=panel, rollouts=shown, ends=ends, rungs=rungs, exclusions=exclusions,
        sums=sums, grades=GRADES, risk=None if risk is None or risk.empty else risk,
    )  # fmt: skip


def _per(rate: Rate) -> str:
    """A rate per 100,000 turns with its clustered interval; with no event only what it is at most."""
    low, high = (f"{PER * end:,.0f}" for end in (rate.clustered.low, rate.clustered.high))
    return f"0 [0, {high}]" if rate.events == 0 else f"{PER * rate.value:,.0f} [{low}, {high}]"


def show_rollout(store: Store, row: RolloutRow, end: End | None, by_call: Words) -> Shown:
    """Recorded and simulated turn side by side: aligned call by call with recorded actions, in order otherwise.

    `by_call` has what the judge said of the rollout's pairs.
    """
    trajectory = store.trajectory(row.session)
    _, reference = split(trajectory, turns(trajectory)[row.turn], row.step)
    steps = read_steps(store.steps(row.id))
    if any(isinstance(s, ToolStep) and s.recorded is not None for s in steps):
        return Shown(row, end, tuple(_forced(steps, by_call, row.agent)), None)
    recorded = [_message_entry(m) for m in effects(reference.items)]
    simulated = [_step_entry(s) for s in steps]
    count = max(len(recorded), len(simulated))
    rows = [Aligned(_at(recorded, n), _at(simulated, n)) for n in range(count)]
    return Shown(row, end, tuple(rows), next(iter(by_call.values()), None))


def _forced(steps: Sequence[ModelStep | ToolStep], by_call: Words, agent: str) -> Iterable[Aligned]:
    for step in steps:
        if isinstance(step, ModelStep):
            entry = _message_entry(step.message)
            yield Aligned(entry, None)
            continue
        recorded = None if step.recorded is None else _text_entry("tool result", step.recorded.content)
        simulated = _step_entry(step)
        same = None
        diff = None
        if step.recorded is not None and step.answer is not None:
            same = grade_results(step.recorded, step.answer, step.call, agent).name
            identical = step.recorded.content == step.answer.content
            diff = None if identical else _diff(step.recorded.content, step.answer.content)
        verdict = None
        if step.answer is not None:
            key = (serialise_call(step.call, 600), plain(step.answer.content))
            verdict = by_call.get(key)
        yield Aligned(recorded, simulated, same, diff, verdict)


def _diff(recorded: str, simulated: str) -> str:
    lines = difflib.unified_diff(
        recorded.splitlines()[:400], simulated.splitlines()[:400], "recorded", "simulated", lineterm="", n=2
    )
    return shorten("\n".join(lines), _LIMIT)[0]


def _step_entry(step: ModelStep | ToolStep) -> Entry:
    if isinstance(step, ModelStep):
        entry = _message_entry(step.message)
        return Entry(entry.heading, entry.text, entry.left_out, None, step.stop)
    if step.answer is None:
        stage, reason = step.failure or ("unknown", "no reason was kept")
        return Entry(f"unanswered: {step.call.name}", reason, 0, "unanswered", stage)
    text, left = shorten(step.answer.content, _LIMIT)
    return Entry(f"tool result: {step.call.name}", text, left, step.rung, f"{1000 * step.seconds:.0f} ms")


def _message_entry(message: Message) -> Entry:
    if message.result is not None:
        return _text_entry("tool result", message.result.content)
    return _text_entry(message.role, serialise_message(message).split(": ", 1)[-1])


def _text_entry(heading: str, text: str) -> Entry:
    kept, left = shorten(text, _LIMIT)
    return Entry(heading, kept, left)


def _at(entries: Sequence[Entry], n: int) -> Entry | None:
    return entries[n] if n < len(entries) else None


def _status(end: End | None) -> str:
    if end is None:
        return "open"
    return end.status if end.stage is None else f"{end.status} at {end.stage}"


def _words_by_rollout(store: Store, run: str) -> dict[str, Words]:
    """What the judge said of each rollout's pairs, from one read of all pairs."""
    verdicts = _verdicts(store, run)
    found: dict[str, Words] = {}
    if verdicts:
        for pair, rollout, _, _, body in store.pairs(run):
            if rollout is not None and pair in verdicts:
                found.setdefault(rollout, {})[body["action"], body["simulated"]] = verdicts[pair]
    return found


def _verdicts(store: Store, run: str) -> dict[str, str]:
    """What the judge said of each pair, in words."""
    votes: dict[str, list[JsonObject]] = {}
    for row in store.judgements(run):
        if row["status"] == "valid":
            votes.setdefault(row["pair"], []).append(row)
    words = {}
    for pair, rows in votes.items():
        taken = sum(bool(r["facts"]["simulated_taken"]) for r in rows)
        said = {0: "told apart", len(rows): "passed for real"}.get(taken, "undecided (follows the position)")
        words[pair] = f"{said}: {rows[0]['facts']['reason']}"
    return words
