"""Grades turns with monitors and model graders, keeps every verdict, and adds them up. A stopped work goes on."""

from __future__ import annotations

import asyncio
import hashlib
import json
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace

from harness.behaviors.faults import PREFIX, ask_faults, faults_name, faulty, to_ask
from harness.behaviors.findings import TurnVerdict, graded, read_verdict, union
from harness.behaviors.grader import GraderWindow, grade_once
from harness.behaviors.monitors import MONITORED, VERSION, monitor
from harness.behaviors.reading import GradingTurn
from harness.behaviors.taxonomy import SHIPPED, Taxonomy, load_taxonomy
from harness.errors import ConfigError
from harness.graded import GradedSet
from harness.store import Store
from toolsim.errors import BudgetExceeded
from toolsim.modeltypes import Model
from toolsim.prompting import prompt_hash
from toolsim.trajectory import JsonObject

Notice = Callable[[int, int], None]
AGAIN = ("EndpointError",)
"""Failures after which a turn is graded again when the work is started again."""


@dataclass(frozen=True, slots=True)
class Grading:
    """What came out: verdicts by grader, which budget ended it, and whether the turns have legible reasoning.

    `faults` are the answers to whether a fault of the simulator caused a finding, by the grader that `faults_by` names
    (`None`: nobody was asked, so no finding counts as a fault).
    """

    source: str
    taxonomy: Taxonomy
    graders: tuple[str, ...]
    verdicts: dict[str, dict[tuple[str, int], TurnVerdict]]
    turns: int
    silent: int
    reasoned: int
    left_out: dict[str, int] = field(default_factory=dict)
    budget: str | None = None
    faults: Mapping[tuple[str, int], TurnVerdict] = field(default_factory=dict)
    faults_by: str | None = None

    def whole(self) -> GradedSet:
        """All graders together, as the value that rates are made of: a category is found where one of them found it."""
        rows = []
        for key in sorted({key for found in self.verdicts.values() for key in found}):
            said = [found[key] for found in self.verdicts.values() if key in found]
            if len(said) == len(self.graders):
                verdict, fault = union(said, "+".join(self.graders)), self.faults.get(key)
                caused = () if fault is None or fault.failed is not None else fault.findings
                rows.append(graded(verdict, faulty(verdict.findings, caused)))
        missing = self.turns - len(rows)
        excluded = self.left_out | ({"not graded by all graders": missing} if missing > 0 else {})
        said_by_all = [verdict for found in self.verdicts.values() for verdict in found.values()]
        about: JsonObject = {
            "source": self.source, "taxonomy": str(self.taxonomy), "graders": sorted(self.graders),
            "prompts": sorted({str(v.facts["prompt"]) for v in said_by_all if "prompt" in v.facts}),
            "faults_by": self.faults_by,
            "faults_unknown": sum(verdict.failed is not None for verdict in self.faults.values()),
        }  # fmt: skip
        rules_only = set(self.graders) <= {VERSION}
        looked = tuple(n for n in self.taxonomy.names if n in MONITORED or not rules_only)
        return GradedSet(about, looked, tuple(rows), excluded)


async def grade(  # noqa: PLR0913  a work's inputs, all by name
    store: Store,
    source: str,
    turns: Sequence[GradingTurn],
    taxonomy: Taxonomy,
    models: Sequence[Model],
    *,
    window: GraderWindow,
    seed: int,
    concurrency: int,
    notice: Notice,
    left_out: dict[str, int] | None = None,
) -> Grading:
    """Grade all turns with the monitors (where the taxonomy has their categories) and each model; keep each verdict."""
    rules = [VERSION] if MONITORED & set(taxonomy.names) else []
    known = {
        name: _known(store, source, name, taxonomy) for name in (*rules, *(grader_name(m, window) for m in models))
    }
    todo = [(m, t) for m in models for t in turns if _key(t) not in known[grader_name(m, window)]]
    done, planned = 0, len(todo) + (len(turns) if rules else 0)
    if rules:
        fresh = [monitor(turn.acts) for turn in turns if _key(turn) not in known[VERSION]]
        kept = [of_taxonomy(verdict, taxonomy) for verdict in fresh]
        store.add_verdicts([_row(source, verdict, VERSION, taxonomy) for verdict in kept])
        known[VERSION] |= {(v.turn, v.sample): v for v in kept}
        done = len(turns)
        notice(done, planned)
    gate, stopped = asyncio.Semaphore(concurrency), list[str]()

    async def one(model: Model, turn: GradingTurn) -> None:
        nonlocal done
        async with gate:
            if stopped:
                return
            try:
                verdict = await grade_once(model, turn.acts, turn.before, taxonomy, window, seed)
            except BudgetExceeded as error:
                stopped.append(str(error))
                return
        name = grader_name(model, window)
        await asyncio.to_thread(store.add_verdicts, [_row(source, verdict, name, taxonomy)])
        known[name][_key(turn)] = verdict
        done += 1
        notice(done, planned)

    await asyncio.gather(*(one(model, turn) for model, turn in todo))
    wanted = {_key(turn) for turn in turns}
    verdicts = {name: {key: v for key, v in found.items() if key in wanted} for name, found in known.items()}
    by = faults_name(models[0], window, list(known)) if models and any(turn.rungs for turn in turns) else None
    faults: dict[tuple[str, int], TurnVerdict] = {}
    if by is not None and not stopped:
        faults, budget = await _ask_about_faults(store, source, turns, taxonomy, models[0], window, verdicts, by, seed)
        stopped += [] if budget is None else [budget]
    return Grading(
        source, taxonomy, tuple(known), verdicts, len(turns), sum(not turn.acts.acts for turn in turns),
        sum(any(said.thought for said in turn.acts.said) for turn in turns), left_out or {},
        stopped[0] if stopped else None, faults, by,
    )  # fmt: skip


async def _ask_about_faults(  # noqa: PLR0913, PLR0917  a work's inputs
    store: Store,
    source: str,
    turns: Sequence[GradingTurn],
    taxonomy: Taxonomy,
    model: Model,
    window: GraderWindow,
    verdicts: Mapping[str, Mapping[tuple[str, int], TurnVerdict]],
    name: str,
    seed: int,
) -> tuple[dict[tuple[str, int], TurnVerdict], str | None]:
    """The answers by turn, kept in the store; and which budget ended the asking."""
    known = _known(store, source, name, taxonomy)
    for turn in turns:
        said = [found[_key(turn)] for found in verdicts.values() if _key(turn) in found]
        findings = [finding for verdict in said for finding in verdict.findings]
        if _key(turn) in known or not to_ask(turn, findings):
            continue
        try:
            answer = await ask_faults(model, turn, findings, window, name, seed)
        except BudgetExceeded as error:
            return known, str(error)
        await asyncio.to_thread(store.add_verdicts, [_row(source, answer, name, taxonomy)])
        known[_key(turn)] = answer
    return known, None


def stored(store: Store, source: str) -> GradedSet | None:
    """What the store holds of a source, by the taxonomy of the latest verdict; `None` if it was never graded.

    Verdicts on evaluation awareness are no part of it (`harness.awareness`).

    Raises:
        ConfigError: the taxonomy was a file of the user's, so its categories are not known here.
    """
    used = [name for _, name in store.graded_by(source) if not name.startswith("awareness")]
    if not used:
        return None
    taxonomy = next((t for shipped in SHIPPED if str(t := load_taxonomy(shipped)) == used[0]), None)
    if taxonomy is None:
        raise ConfigError(
            f"{source} was graded by {used[0]}, which is not shipped: write its graded turns with `grade -o`"
        )
    found = kept(store, source, taxonomy)
    return None if found is None else found.whole()


def kept(store: Store, source: str, taxonomy: Taxonomy) -> Grading | None:
    """The verdicts of a source by one taxonomy: of each grader those by its latest prompt. `None` without any."""
    by = [grader for grader, used in store.graded_by(source) if used == str(taxonomy)]
    latest = {grader.partition(" [")[0]: grader for grader in reversed(by)}
    verdicts = {
        grader: _known(store, source, grader, taxonomy) for grader in latest.values() if not grader.startswith(PREFIX)
    }
    if not verdicts:
        return None
    asked = next((grader for grader in latest.values() if grader.startswith(PREFIX)), None)
    faults = {} if asked is None else _known(store, source, asked, taxonomy)
    turns = len({key for found in verdicts.values() for key in found})
    return Grading(source, taxonomy, tuple(sorted(verdicts)), verdicts, turns, 0, 0, faults=faults, faults_by=asked)


def counts(grading: Grading, grader: str) -> tuple[dict[tuple[str, int], int], dict[str, int]]:
    """Turns by category and highest severity, and failed grades by reason, of one grader."""
    found: Counter[tuple[str, int]] = Counter()
    failed: Counter[str] = Counter()
    for verdict in grading.verdicts[grader].values():
        if verdict.failed is not None:
            failed[verdict.failed.partition(":")[0]] += 1
        else:
            found.update(verdict.severities.items())
    return dict(found), dict(failed)


def of_taxonomy(verdict: TurnVerdict, taxonomy: Taxonomy) -> TurnVerdict:
    """The findings of categories that the taxonomy has."""
    kept = tuple(finding for finding in verdict.findings if finding.category in taxonomy.names)
    return replace(verdict, findings=kept)


def grader_name(model: Model, window: GraderWindow) -> str:
    """A model grader's name: the model, and a hash of all that it is shown beside the turn, so that verdicts of another
    prompt or window are never taken for its own."""
    shown = f"{prompt_hash('grade', 'harness')} {window.turn} {window.before}"
    tag = hashlib.sha256(shown.encode()).hexdigest()[:6]
    return f"{model.name}{'' if window.reasoning else ' without reasoning'} [{tag}]"


def _key(turn: GradingTurn) -> tuple[str, int]:
    return turn.acts.name, turn.acts.sample


def _known(store: Store, source: str, grader: str, taxonomy: Taxonomy) -> dict[tuple[str, int], TurnVerdict]:
    found: dict[tuple[str, int], TurnVerdict] = {}
    for row in store.verdicts(source, grader, str(taxonomy)):
        verdict = read_verdict(json.loads(row["body"]))
        if row["status"] == "graded" or not str(verdict.failed).startswith(AGAIN):
            found[verdict.turn, verdict.sample] = verdict
    return found


def _row(source: str, verdict: TurnVerdict, grader: str, taxonomy: Taxonomy) -> dict[str, object]:
    status = "graded" if verdict.failed is None else verdict.failed.partition(":")[0]
    return {
        "source": source, "turn": verdict.turn, "sample": verdict.sample, "grader": grader, "taxonomy": str(taxonomy),
        "status": status, "made_at": time.time(),
        "body": json.dumps(verdict.body(), ensure_ascii=False, sort_keys=True),
    }  # fmt: skip
