"""The cells of an ablation played: every case in every cell, case by case, from one scene; what has ended stays.

Every call is answered from the recorded state (teacher forcing), with the same seeds in every cell.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace

from harness import experiment
from harness.ablation.arms import Cell
from harness.ablation.cases import Case
from harness.ablation.planning import AblationPlan, cell_config, rows_of
from harness.batch import Notice, Outcome, Prepared, run_batch
from harness.candidate import RecordedCandidate
from harness.config import RunConfig
from harness.entries import Entries
from harness.recent import Recent
from harness.resample import Limits, Rollout
from harness.rows import RolloutRow
from harness.scene import Scene, set_scene
from harness.selection import Cut
from harness.store import Store
from toolsim.seeds import derive_seed
from toolsim.shell.choice import Choice
from toolsim.trajectory import Reference, Trajectory, split, turns

_SCENES = 16


@dataclass(slots=True)
class Stage:
    """What the rollouts of an ablation share, and the scenes that were set last."""

    made: AblationPlan
    config: RunConfig
    parts: experiment.Parts
    _cases: dict[str, Case] = field(init=False)
    _cells: dict[str, Cell] = field(init=False)
    _scenes: Recent[tuple[str, bool], Scene] = field(init=False, default_factory=lambda: Recent(_SCENES))

    def __post_init__(self) -> None:
        self._cases = {case.name: case for case in self.made.cases}
        self._cells = {cell.name: cell for cell in self.made.design.cells}

    def case(self, row: RolloutRow) -> Case:
        """The case of a rollout."""
        return self._cases[row.facts["case"]]

    def cell(self, row: RolloutRow) -> Cell:
        """The cell of a rollout."""
        return self._cells[row.facts["cell"]]

    def scene(self, case: Case, *, use_repository: bool) -> Scene:
        """The scene of a case, made once for all cells that follow each other. Blocking."""

        def made() -> Scene:
            trajectory = self.parts.store.trajectory(case.session)
            return set_scene(trajectory, cut_of(case, trajectory), self.parts.known, use_repository=use_repository)

        return self._scenes.get((case.name, use_repository), made)

    def _parts(self, cell: Cell) -> experiment.Parts:
        """What the cell's rollouts use: the shell of its own, if programs really run there."""
        image = cell.arm.executed
        return self.parts if image is None else replace(self.parts, shell=Choice("container", image=image))

    def prepare(self, row: RolloutRow) -> Prepared:
        """See `harness.batch.Prepare`."""
        return Prepared(self.scene(self.case(row), use_repository="repo" in self.cell(row).arm.affordances))

    async def build(self, row: RolloutRow, scene: Scene, entries: Entries) -> Rollout:
        """See `harness.batch.Build`."""
        case, cell = self.case(row), self.cell(row)
        config = cell_config(self.config, cell)
        seed = derive_seed(config.seed, self.made.id, case.name)
        reference = reference_of(self.parts.store, case) if "rollout" in cell.arm.affordances else None
        simulator = experiment.open_simulator(
            config, self._parts(cell), scene, seed, reference=reference, unseen=case.unseen
        )
        candidate = RecordedCandidate(scene.reference.items)
        limits = Limits(None, None, None, config.max_seconds)
        asked = self.made.asked[case.name]
        return Rollout(scene, candidate, simulator, entries.step, limits, "teacher", seed, asked=asked)


def cut_of(case: Case, trajectory: Trajectory) -> Cut:
    """Where the case's turn is cut."""
    return Cut(case.session, turns(trajectory)[case.turn], case.step)


def reference_of(store: Store, case: Case) -> Reference | None:
    """The turn that the affordance `rollout` shows."""
    if case.reference is None:
        return None
    trajectory = store.trajectory(case.reference)
    return split(trajectory, turns(trajectory)[case.turn], case.step)[1]


async def play(
    parts: experiment.Parts, made: AblationPlan, config: RunConfig, *, concurrency: int, notice: Notice
) -> Outcome:
    """Play what has not ended."""
    stage = Stage(made, config, parts)
    ended = {row.id for run in made.runs.values() for row, end in parts.store.rollouts(run) if end is not None}
    todo = [row for row in rows_of(made) if row.id not in ended]
    return await run_batch(
        parts.store, todo, prepare=stage.prepare, build=stage.build, concurrency=concurrency, notice=notice
    )
