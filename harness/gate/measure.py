"""What a run of a store scored, as a baseline: grades of all calls, and the trained discriminator's word on each."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence

from harness.callclass import call_class
from harness.discriminator.pairs import Origin, Pair, call_pairs_of
from harness.discriminator.serialise import Window, serialise_call
from harness.discriminator.trained import Trained, classify
from harness.errors import ConfigError
from harness.fidelity import grade_results
from harness.gate.baseline import Baseline, Call, Place
from harness.ledger import ModelStep, ToolStep, read_steps
from harness.rows import RolloutRow
from harness.store import Store
from toolsim.trajectory import JsonObject, content_hash

NOBODY = ("no rung answers", "no model")
"""How the reason begins where nobody was there to answer; any other is a failure of something that was: no score."""
PERMUTATIONS = 199
TIE = 1e-9
_MODELS = ("candidate", "simulator")
_NO_INFLUENCE = ("seed", "max_seconds", "keep_prompts", "reply_cache", *_MODELS)


def measure_run(store: Store, run: str) -> Baseline:
    """The scores of a run with recorded actions: grades of all calls, and which answers a classifier tells apart.

    Raises:
        ConfigError: the run has no recorded actions, or answers them from their own record.
        StoreError: there is no such run.
    """
    manifest = store.run(run)["manifest"]
    config: JsonObject = manifest["config"]
    if config["forcing"] == "none":
        raise ConfigError(f"run {run} took actions of its own: a gate needs `--candidate recorded`")
    if "recorded" in config["rungs"] or "rollout" in config["affordances"]:
        raise ConfigError(f"run {run} is an identity run: answers that come from the record measure nothing")
    rollouts = [(row, read_steps(store.steps(row.id))) for row, _ in store.rollouts(run)]
    pairs = {row.id: _pairs(row, steps) for row, steps in rollouts}
    trained = classify([p for made in pairs.values() for p in made], permutations=PERMUTATIONS)
    verdicts = {} if trained is None else {name: _verdict(score) for name, score in trained.scores}
    places: dict[str, dict[str, Call]] = {}
    lineages: dict[str, str] = {}
    for row, steps in rollouts:
        name = f"{row.session}/{row.turn}.{row.step}"
        lineages[name] = row.lineage
        calls = places.setdefault(name, {})
        words = [verdicts.get(p.id, "t" if p.identical else "") if trained else "" for p in pairs[row.id]]
        for call in calls_of(row, steps, words):
            before = calls.get(call.name)
            calls[call.name] = call if before is None else Call(call.kind, call.key, before.answers + call.answers)
    return Baseline(
        pool=manifest["criteria"].get("pool") or "all",
        settings={name: value for name, value in config.items() if name not in _NO_INFLUENCE and value is not None},
        models={name: str(config[name]) for name in _MODELS},
        prompts=dict(manifest["prompts"]),
        places={name: Place(lineages[name], tuple(calls.values())) for name, calls in places.items()},
        realism=None if trained is None else _figures(trained),
    )


def calls_of(row: RolloutRow, steps: Iterable[ModelStep | ToolStep], verdicts: Sequence[str] = ()) -> Sequence[Call]:
    """The calls of one rollout that have a recorded result, graded; `verdicts` are of the answered ones, in order."""
    seen: Counter[str] = Counter()
    calls: list[Call] = []
    words = iter(verdicts)
    for step in steps:
        if isinstance(step, ModelStep) or step.recorded is None:
            continue
        text = serialise_call(step.call)
        key = content_hash([text, step.recorded.content, seen[text]])[:6]
        seen[text] += 1
        kind = call_class(step.call, row.agent).replace(" ", "-")
        word = next(words, "") if step.answer is not None else ""
        calls.append(Call(kind, key, ((_grade(step, row.agent), word),)))
    return calls


def _pairs(row: RolloutRow, steps: Sequence[ModelStep | ToolStep]) -> Sequence[Pair]:
    """Recorded against simulated result of each answered call; a classifier needs no history."""
    origin = Origin(row.session, row.lineage, row.repo, row.agent, row.pool)
    return call_pairs_of(origin, (), steps, Window(history=0))


def _verdict(score: float) -> str:
    return "t" if abs(score) <= TIE else "l" if score > 0 else "w"


def _figures(trained: Trained) -> JsonObject:
    return {
        "pairs": trained.n,
        "groups": trained.groups,
        "paired_auc": round(trained.paired_auc, 4),
        "low": round(trained.low, 4),
        "high": round(trained.high, 4),
        "p_value": round(trained.p_value, 4),
        "features": [f"{f.name} ({f.side})" for f in trained.features[:5]],
    }


def _grade(step: ToolStep, agent: str) -> str:
    if step.answer is None or step.recorded is None:
        reason = step.failure[1] if step.failure is not None else ""
        return "U" if reason.startswith(NOBODY) else "F"
    found = grade_results(step.recorded, step.answer, step.call, agent)
    return "R" if found.right else "N" if found.name == "near" else "W"
