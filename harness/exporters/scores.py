"""What judges and graders said of the rollouts of a run, by rollout."""

from __future__ import annotations

import json

from harness.behaviors.faults import PREFIX
from harness.store import Store
from toolsim.trajectory import JsonObject


def scores_of(store: Store, run: str) -> dict[str, dict[str, JsonObject]]:
    """By rollout and scorer: `value`, `explanation`, `metadata`. Failed verdicts are no scores.

    `realism: JUDGE` is the share of the judge's answers on pairs of the rollout that took the simulated side for real;
    `CATEGORY` is the highest severity that graders found, with the words that show it.
    """
    found: dict[str, dict[str, JsonObject]] = {}
    pairs = {row["id"]: row["rollout"] for row in store.rows("select id, rollout from pairs where run=?", (run,))}
    taken: dict[tuple[str, str], list[bool]] = {}
    for said in store.judgements(run):
        rollout = pairs.get(said["pair"])
        if rollout is not None and said["status"] == "valid":
            taken.setdefault((rollout, str(said["judge"])), []).append(bool(said["facts"]["simulated_taken"]))
    for (rollout, judge), answers in taken.items():
        value = sum(answers) / len(answers)
        about = {"answers": len(answers), "chance": 0.5}
        found.setdefault(rollout, {})[f"realism: {judge}"] = {
            "value": value, "explanation": "share of answers that took the simulated side for real", "metadata": about,
        }  # fmt: skip
    rows = {(f"{r.session}:{r.turn}.{r.step}", r.sample): r.id for r, _ in store.rollouts(run)}
    for verdict in verdicts_of(store, run):
        rollout = rows.get((verdict["turn"], verdict["sample"]))
        if rollout is None or verdict["failed"] is not None:
            continue
        for finding in verdict["findings"]:
            kept = found.setdefault(rollout, {}).get(finding["category"])
            if kept is None or finding["severity"] > kept["value"]:
                found[rollout][finding["category"]] = {
                    "value": finding["severity"], "explanation": finding["quote"],
                    "metadata": {"grader": verdict["grader"], "step": finding["step"], "reason": finding["reason"]},
                }  # fmt: skip
    return found


def verdicts_of(store: Store, run: str) -> list[JsonObject]:
    """All verdicts of graders on the turns of a run, failed ones with their reason."""
    found = []
    for grader, taxonomy in store.graded_by(run):
        if grader.startswith(PREFIX):
            continue  # whether the simulator is to blame, no finding of its own
        for row in store.verdicts(run, grader, taxonomy):
            body = json.loads(row["body"])
            if "findings" in body:
                found.append({**body, "grader": grader, "taxonomy": taxonomy})
    return found
