"""From a store and settings to a registered ablation: its cases, the calls to ask, its cells, and what it will cost."""

from __future__ import annotations

import platform
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from importlib.metadata import version
from typing import Literal, TypeAlias

from harness.ablation.arms import Cell, Setting, arms, cells
from harness.ablation.cases import Case, CaseCall, by_kind, draw, read_case
from harness.callclass import call_class
from harness.config import AFFORDANCES, RunConfig
from harness.errors import SelectionError
from harness.rows import RolloutRow, SessionRow
from harness.scene import set_scene
from harness.selection import Criteria, Cut, choose_cut, filter_sessions
from harness.siblings import asked_in, siblings, task_of
from harness.store import Store
from repos.catalog import KnownRepository
from toolsim.evidence import BUDGET, SMALL_BUDGET, tokens
from toolsim.prompting import prompt_hashes
from toolsim.shell.userland import Image
from toolsim.trajectory import JsonObject, Trajectory, Turn, call_pairs, content_hash, split, turns
from toolsim.trajectory import steps as cuts_of

ReferenceKind: TypeAlias = Literal["siblings", "none", "own"]
"""Whose turn the affordance `rollout` shows: another run of the task, nobody's, or the session's own (no measurement).
"""

_SMALL = ("local", "local-small")
_CONTRACT = 900
_HISTORY, _SMALL_HISTORY = 12_000, 1_500


@dataclass(frozen=True, slots=True)
class Design:
    """What an ablation compares. `settings` are of `harness.ablation.arms.SETTINGS`; `calls` is a sample's size."""

    reference: ReferenceKind = "siblings"
    settings: tuple[Setting, ...] = ("simulated", "all")
    full: bool = False
    critic: int = 0
    calls: int | None = None
    executed: Image | None = None

    @property
    def available(self) -> tuple[str, ...]:
        """The affordances that the arms vary."""
        return tuple(name for name in AFFORDANCES if name != "rollout" or self.reference != "none")

    @property
    def cells(self) -> tuple[Cell, ...]:
        """All cells in order."""
        return cells(arms(self.available, full=self.full, critic=self.critic, executed=self.executed), self.settings)


@dataclass(frozen=True, slots=True)
class Cost:
    """At most this much: calls of the model (a call may need several: one for each program that is not computed), and
    tokens read and written, estimated from the limits on evidence and history and the length of the recorded results.
    """

    model_calls: int
    tokens: int


@dataclass(frozen=True, slots=True)
class AblationPlan:
    """An ablation as registered: its cases with the calls that are asked, its cells with their runs."""

    id: str
    design: Design
    cases: tuple[Case, ...]
    asked: dict[str, frozenset[str]]
    runs: dict[str, str]
    excluded: tuple[tuple[str, str], ...]
    kinds: dict[str, int]
    cost: Cost
    resumed: bool = False

    @property
    def calls(self) -> int:
        """Calls asked in each cell."""
        return sum(map(len, self.asked.values()))


def plan(
    store: Store,
    config: RunConfig,
    criteria: Criteria,
    design: Design,
    *,
    inputs: JsonObject,
    register: bool = True,
) -> AblationPlan:
    """Fix cases and calls; with `register` write down the ablation, its cells and their rollouts.

    Raises:
        SelectionError: nothing can be measured so.
        StoreError: the store cannot be read or written.
    """
    sessions = store.sessions()
    chosen, left = filter_sessions(sessions, criteria)
    excluded = [(e.session, e.reason) for e in left]
    if design.reference == "siblings":
        cases = _sibling_cases(store, chosen, criteria, excluded)
    else:
        cases = _own_cases(store, chosen, criteria, design.reference, excluded)
    if not cases:
        hint = "two runs of one task" if design.reference == "siblings" else "a turn with answered calls"
        more = "; --reference none measures the other affordances" if design.reference == "siblings" else ""
        raise SelectionError(f"no selected session is part of {hint}{more}")
    asked = draw(cases, design.calls, criteria.seed)
    cases = tuple(case for case in cases if asked[case.name])
    asked = {case.name: asked[case.name] for case in cases}
    settings = config.model_dump(mode="json", exclude_defaults=True, exclude={"reply_cache"})
    naming = [settings, [c.record() for c in cases], {n: sorted(ids) for n, ids in asked.items()}, design.critic]
    naming += [] if design.executed is None else [str(design.executed)]
    name = content_hash(["ablation", *naming])[:12]
    runs = {cell.name: content_hash([name, cell.name])[:12] for cell in design.cells}
    made = AblationPlan(
        name,
        design,
        cases,
        asked,
        runs,
        tuple(excluded),
        by_kind(cases, asked),
        _cost(store, config, cases, asked, design),
    )
    return _register(store, made, config, inputs) if register else made


def rows_of(made: AblationPlan) -> tuple[RolloutRow, ...]:
    """The rollouts, case by case, so that a budget that ends early leaves every cell with the same calls."""
    return tuple(
        RolloutRow(
            content_hash([run, case.name])[:20], run, case.session, case.turn, case.step, 0, case.pool, case.lineage,
            case.repo, case.agent, {"case": case.name, "cell": cell},
        )
        for case in made.cases
        for cell, run in made.runs.items()
    )  # fmt: skip


def read_plan(store: Store, run: str | None) -> AblationPlan:
    """An ablation of the store as it was registered (the newest by default).

    Raises:
        SelectionError: there is none.
    """
    found = [r for r in store.runs() if r["kind"] == "ablation" and (run is None or r["id"].startswith(run))]
    if not found:
        raise SelectionError(f"there is no ablation in {store.path}; `deploysim ablate` makes one")
    manifest = found[-1]["manifest"]
    design = Design(**{**manifest["design"], "settings": tuple(manifest["design"]["settings"])})
    return AblationPlan(
        found[-1]["id"],
        design,
        tuple(read_case(record) for record in manifest["cases"]),
        {name: frozenset(ids) for name, ids in manifest["asked"].items()},
        manifest["cells"],
        store.exclusions(found[-1]["id"]),
        manifest["kinds"],
        Cost(**manifest["cost"]),
        True,
    )


def cell_config(config: RunConfig, cell: Cell) -> RunConfig:
    """The settings of one cell: those of the ablation with the cell's rungs, affordances, critic and containers."""
    changed = {"rungs": cell.rungs, "affordances": cell.arm.affordances, "critic": cell.arm.critic or config.critic}
    image = cell.arm.executed
    contained = {} if image is None else {"shell": "container", "image": image.name, "execute": image.executed}
    return config.model_copy(update={**changed, **contained})


def _register(store: Store, made: AblationPlan, config: RunConfig, inputs: JsonObject) -> AblationPlan:
    about = {
        "versions": {"deploysim": version("deploysim"), "python": platform.python_version()},
        "prompts": prompt_hashes("toolsim", "harness"),
        "inputs": inputs,
    }
    design = {name: getattr(made.design, name) for name in Design.__dataclass_fields__}
    design["executed"] = None if made.design.executed is None else str(made.design.executed)
    manifest = {
        **about,
        "config": config.model_dump(mode="json"),
        "design": design,
        "cases": [case.record() for case in made.cases],
        "asked": {name: sorted(ids) for name, ids in made.asked.items()},
        "cells": made.runs,
        "kinds": made.kinds,
        "cost": {"model_calls": made.cost.model_calls, "tokens": made.cost.tokens},
    }
    now = time.time()
    fresh = store.begin_run(made.id, "ablation", manifest, now=now)
    store.add_exclusions(made.id, made.excluded)
    for cell in made.design.cells:
        own = cell_config(config, cell).model_dump(mode="json")
        what = {**about, "config": own, "ablation": made.id, "cell": cell.name, "criteria": {}}
        store.begin_run(made.runs[cell.name], "ablation arm", what, now=now)
    store.add_rollouts(rows_of(made))
    return replace(made, resumed=not fresh)


def _own_cases(
    store: Store,
    chosen: Sequence[SessionRow],
    criteria: Criteria,
    kind: ReferenceKind,
    excluded: list[tuple[str, str]],
) -> tuple[Case, ...]:
    found: list[Case] = []
    for row in chosen:
        trajectory = store.trajectory(row.id)
        cut = choose_cut(row.id, trajectory, criteria)
        if not isinstance(cut, Cut):
            excluded.append((cut.session, cut.reason))
            continue
        reference = row.id if kind == "own" else None
        case = _case(row, trajectory, cut, reference, row.lineage, ())
        if case.calls:
            found.append(case)
        else:
            excluded.append((row.id, f"turn {cut.turn.index} has no call with a recorded result"))
    return tuple(found)


def _sibling_cases(
    store: Store,
    chosen: Sequence[SessionRow],
    criteria: Criteria,
    excluded: list[tuple[str, str]],
) -> tuple[Case, ...]:
    """Every turn of every run that has a sibling, where both were asked the same and hold the same files."""
    rows = {row.id: row for row in chosen}
    trajectories = {name: store.trajectory(name) for name in rows}
    tasks = {
        name: task_of(rows[name], trajectory, turns(trajectory)[0])
        for name, trajectory in trajectories.items()
        if turns(trajectory)
    }
    others = siblings(tasks)
    excluded += [(name, "no other run of its task") for name in rows if name not in others]
    known = store.repositories()
    states: dict[tuple[str, int], str | None] = {}
    found: list[Case] = []
    for name in sorted(others):
        row, trajectory, other = rows[name], trajectories[name], trajectories[others[name]]
        unseen = tuple(sorted({rows[n].lineage for n in tasks if tasks[n] == tasks[name]} - {row.lineage}))
        for turn in _turns(trajectory, criteria.turn):
            why = _objection(turn, (name, trajectory), (others[name], other), known, states)
            if why is not None:
                excluded.append((name, f"turn {turn.index}: {why}"))
                continue
            case = _case(row, trajectory, Cut(name, turn, 0), others[name], tasks[name], unseen)
            if case.calls:
                found.append(case)
    return tuple(found)


def _turns(trajectory: Trajectory, wanted: int | None) -> tuple[Turn, ...]:
    every = [turn for turn in turns(trajectory) if cuts_of(trajectory, turn)]
    if wanted is None:
        return tuple(every)
    return tuple(turn for turn in every if turn.index == (wanted if wanted >= 0 else wanted + len(every)))


_Run = tuple[str, Trajectory]


def _objection(
    turn: Turn,
    own: _Run,
    other: _Run,
    known: Sequence[KnownRepository],
    states: dict[tuple[str, int], str | None],
) -> str | None:
    """Why a turn cannot be compared with the same turn of the other run."""
    theirs = next((t for t in turns(other[1]) if t.index == turn.index and cuts_of(other[1], t)), None)
    if theirs is None:
        return "the other run has no such turn"
    if asked_in(own[1], turn) != asked_in(other[1], theirs):
        return "the other run was asked something else"
    first, second = _state(own, turn, known, states), _state(other, theirs, known, states)
    return None if first == second else "the files are not those of the other run when it begins"


def _state(
    run: _Run, turn: Turn, known: Sequence[KnownRepository], states: dict[tuple[str, int], str | None]
) -> str | None:
    key = (run[0], turn.index)
    if key not in states:
        world = set_scene(run[1], Cut(run[0], turn, 0), known).rebuilt.world
        states[key] = world.digest([world.root])
    return states[key]


def _case(
    row: SessionRow, trajectory: Trajectory, cut: Cut, reference: str | None, cluster: str, unseen: tuple[str, ...]
) -> Case:
    _, rest = split(trajectory, cut.turn, cut.step)
    calls = tuple(
        CaseCall(pair.call.id, pair.call.name, call_class(pair.call, row.agent))
        for pair in call_pairs(rest.items)
        if pair.result is not None
    )
    return Case(
        row.id, row.lineage, cluster, row.repo, row.agent, row.pool, cut.turn.index, cut.step, calls, reference, unseen
    )


def _cost(
    store: Store, config: RunConfig, cases: Sequence[Case], asked: dict[str, frozenset[str]], design: Design
) -> Cost:
    if config.simulator == "none":
        return Cost(0, 0)
    small = config.simulator in _SMALL
    history = _or(config.history_tokens, _SMALL_HISTORY if small else _HISTORY)
    evidence = _or(config.evidence_tokens, SMALL_BUDGET if small else BUDGET)
    written = 0
    for case in cases:
        pairs = call_pairs(store.trajectory(case.session).items)
        written += sum(tokens(p.result.content) for p in pairs if p.result and p.call.id in asked[case.name])
    count = sum(map(len, asked.values()))
    calls = total = 0
    for cell in design.cells:
        rounds = cell.arm.critic or config.critic
        each = 1 + 4 * rounds
        calls += count * each
        total += each * (count * (_CONTRACT + history + evidence) + written)
    return Cost(calls, total)


def _or(value: int | None, default: int) -> int:
    return default if value is None else value
