"""From the ledgers of an ablation to its figures: every asked call in every cell, graded, and its pair for a judge."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from harness.ablation.arms import Cell
from harness.ablation.cases import Case
from harness.ablation.figures import Answered, CellFigures, Gain, cell_figures, common, gains
from harness.ablation.planning import AblationPlan
from harness.ablation.playing import cut_of, reference_of
from harness.ablation.steering import result_lines, shows, telling_lines
from harness.discriminator.pairs import Origin, Pair, call_pairs_of
from harness.discriminator.serialise import Window
from harness.fidelity import grade_results
from harness.ledger import ModelStep, ToolStep, read_steps
from harness.store import Store
from toolsim.seeds import derive_seed
from toolsim.trajectory import model_view, split


@dataclass(frozen=True, slots=True)
class Measured:
    """What the ledgers hold: `table` by cell and call, `pairs` by cell and call for the answered ones, and how many
    asked calls no cell or only some have behind them (`open`).
    """

    table: dict[Cell, dict[str, Answered]]
    pairs: dict[Cell, dict[str, Pair]]
    open: int

    @property
    def keys(self) -> frozenset[str]:
        """The calls that every cell has behind it."""
        return common(self.table)


@dataclass(frozen=True, slots=True)
class Figures:
    """The primary outcome by cell, and the gains."""

    cells: tuple[CellFigures, ...]
    gains: tuple[Gain, ...]


def measure(store: Store, made: AblationPlan, window: Window | None = None) -> Measured:
    """Read every cell's ledgers."""
    lines = {case.name: _only_theirs(store, case) for case in made.cases}
    cases = {case.name: case for case in made.cases}
    table: dict[Cell, dict[str, Answered]] = {}
    pairs: dict[Cell, dict[str, Pair]] = {}
    for cell in made.design.cells:
        table[cell], pairs[cell] = {}, {}
        for row, _ in store.rollouts(made.runs[cell.name]):
            case = cases[row.facts["case"]]
            steps = read_steps(store.steps(row.id))
            table[cell].update(_answered(case, steps, lines[case.name]))
            pairs[cell].update(_pairs(store, case, steps, window or Window()))
    return Measured(table, pairs, made.calls - len(common(table)))


def figures(measured: Measured, seed: int) -> Figures:
    """Scores and gains over the calls that every cell has."""
    boot = derive_seed(seed, "bootstrap")
    return Figures(cell_figures(measured.table, boot), gains(measured.table, boot))


def _only_theirs(store: Store, case: Case) -> frozenset[str]:
    reference = reference_of(store, case)
    if reference is None or case.reference == case.session:
        return frozenset()
    own = store.trajectory(case.session).items
    return result_lines(reference.items, case.agent) - telling_lines(own) - result_lines(own, case.agent)


def _answered(
    case: Case, steps: tuple[ModelStep | ToolStep, ...], only_theirs: frozenset[str]
) -> Mapping[str, Answered]:
    kinds = {call.id: call.kind for call in case.calls}
    found: dict[str, Answered] = {}
    for step in steps:
        if not isinstance(step, ToolStep) or not step.asked or step.recorded is None:
            continue
        key = f"{case.name}/{step.call.id}"
        grade = None
        if step.answer is not None:
            grade = grade_results(step.recorded, step.answer, step.call, case.agent).name
        found[key] = Answered(
            key=key,
            cluster=case.cluster,
            kind=kinds[step.call.id],
            grade=grade,
            rung=step.rung,
            failure=None if step.failure is None else step.failure[0],
            steered=step.answer is not None and shows(step.answer, step.call, case.agent, only_theirs),
            model_calls=step.spent.model_calls,
            tokens=step.spent.prompt_tokens + step.spent.completion_tokens,
        )
    return found


def _pairs(store: Store, case: Case, steps: tuple[ModelStep | ToolStep, ...], window: Window) -> Mapping[str, Pair]:
    answered = [s for s in steps if isinstance(s, ToolStep) and s.answer is not None and s.recorded is not None]
    if not answered:
        return {}
    trajectory = store.trajectory(case.session)
    cut = cut_of(case, trajectory)
    prefix, _ = split(trajectory, cut.turn, cut.step)
    origin = Origin(case.session, case.cluster, case.repo, case.agent, case.pool)
    made = call_pairs_of(origin, model_view(prefix.items), steps, window)
    return {f"{case.name}/{step.call.id}": pair for step, pair in zip(answered, made, strict=True)}
