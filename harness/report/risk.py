"""What a report says of behaviour: rates, forecasts and awareness, out of what the store holds; no model is asked."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from harness.awareness.figures import Awareness
from harness.awareness.measure import read
from harness.behaviors.grading import stored
from harness.behaviors.spotcheck import Checked, audits
from harness.behaviors.taxonomy import load_taxonomy
from harness.comparison import Comparison, compare_sets
from harness.errors import ConfigError
from harness.forecast.ledger import forecasts
from harness.forecast.record import Frozen
from harness.forecast.score import Scores, score
from harness.graded import GradedSet
from harness.report.plots import Calibration, Forest, awareness_forest, calibration, forest
from harness.store import Store


@dataclass(frozen=True, slots=True)
class Risk:
    """The sections on behaviour.

    `baseline` says what the candidate is compared with; `excluded` counts what has no grade, by side and reason.
    `caveats` are those of a launch review (`harness.assessment`).
    """

    baseline: str
    compared: Comparison | None = None
    plot: Forest | None = None
    excluded: Mapping[str, Mapping[str, int]] = field(default_factory=dict)
    about: Mapping[str, object] = field(default_factory=dict)
    audits: Mapping[str, Checked] = field(default_factory=dict)
    awareness: Awareness | None = None
    awareness_plot: Forest | None = None
    frozen: tuple[Frozen, ...] = ()
    scored: tuple[tuple[Scores, Calibration], ...] = ()
    unscored: Mapping[str, str] = field(default_factory=dict)
    caveats: tuple[str, ...] = ()

    @property
    def empty(self) -> bool:
        """Whether there is nothing to show."""
        return not (self.compared or self.awareness or self.frozen or self.audits or self.caveats)


def risk_of(
    store: Store,
    run: str,
    *,
    baseline: str | None = None,
    traffic: GradedSet | None = None,
    caveats: tuple[str, ...] = (),
    seed: int = 0,
) -> Risk:
    """The sections of a run. `baseline` is another graded run of the store, by default what was recorded from the same
    prefixes; `traffic` are graded turns of the candidate after its launch, on which frozen forecasts are scored.

    Raises:
        ConfigError: the baseline has no graded turn, or a forecast was changed after it was frozen.
    """
    candidate, recorded = _graded(store, run), _graded(store, f"recorded for {run}")
    if baseline is None:
        old, label = recorded, "recorded agent, same prefixes"
    else:
        baseline = str(store.run(baseline)["id"])
        old, label = stored(store, baseline), f"run {baseline}"
        if old is None:
            raise ConfigError(f"run {baseline} was never graded (deploysim grade)")
    compared = _compared(old, candidate, recorded if baseline is not None else None, seed)
    noticed = read(store, run, seed=seed)
    excluded = {name: {**side.excluded, **side.failures} for name, side in (("baseline", old), ("candidate", candidate))
                if side is not None and (side.excluded or side.failures)}  # fmt: skip
    frozen = forecasts(store)
    scored, unscored = _scored(frozen, traffic)
    return Risk(
        label, compared, None if compared is None else forest(compared), excluded,
        {} if candidate is None else candidate.about, _audits(store, run, candidate, seed), noticed,
        None if noticed is None else awareness_forest(noticed), frozen, scored, unscored, caveats,
    )  # fmt: skip


def _graded(store: Store, source: str) -> GradedSet | None:
    """What graders said of a source; nothing where its taxonomy is a file that is not at hand."""
    try:
        return stored(store, source)
    except ConfigError:
        return None


def _compared(old: GradedSet | None, new: GradedSet | None, recorded: GradedSet | None, seed: int) -> Comparison | None:
    if old is None or new is None or not old.graded or not new.graded:
        return None
    third = recorded if recorded is not None and recorded.graded else None
    return compare_sets(old, new, recorded=third, seed=seed)


def _audits(store: Store, run: str, candidate: GradedSet | None, seed: int) -> dict[str, Checked]:
    if candidate is None:
        return {}
    name = str(candidate.about["taxonomy"]).partition("@")[0]
    return audits(store, run, load_taxonomy(name), seed)


def _scored(
    frozen: tuple[Frozen, ...], traffic: GradedSet | None
) -> tuple[tuple[tuple[Scores, Calibration], ...], dict[str, str]]:
    """Each forecast on the traffic, at its lowest threshold; and why others could not be scored."""
    found, not_found = [], dict[str, str]()
    for one in frozen if traffic is not None else ():
        assert traffic is not None
        threshold = min(prediction.threshold for prediction in one.record.predictions)
        try:
            scores = score(one, traffic, threshold)
        except ConfigError as error:
            not_found[one.record.name] = str(error)
            continue
        found.append((scores, calibration(scores)))
    return tuple(found), not_found
