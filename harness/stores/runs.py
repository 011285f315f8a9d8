"""The runs of a store: their rollouts, the append-only step ledger of each, and how each ended."""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any

from harness.errors import StoreError
from harness.packing import pack, unpack
from harness.rows import End, LedgerStep, RolloutRow
from harness.stores.engine import Part
from toolsim.trajectory import JsonObject

_OF_ABLATIONS = ("ablation", "leakage")


class Runs(Part):
    """Runs, rollouts, ledgers, ends and exclusions. The first row of a key stays."""

    def begin_run(self, run: str, kind: str, manifest: JsonObject, *, now: float) -> bool:
        """Register a run; False if it is there already (then it is being resumed)."""
        text = json.dumps(manifest, sort_keys=True)
        row = {"id": run, "kind": kind, "created_at": now, "manifest": text, "version": 1}
        return self.engine.insert("runs", [row], ignore=True) > 0

    def runs(self) -> tuple[JsonObject, ...]:
        """All runs, oldest first: id, kind, created_at, manifest (parsed)."""
        rows = self.engine.rows("select id, kind, created_at, manifest from runs order by created_at, id")
        return tuple({**row, "manifest": json.loads(row["manifest"])} for row in rows)

    def run(self, run: str | None = None) -> JsonObject:
        """A run by (abbreviated) id, or the newest that is no part of an ablation.

        Raises:
            StoreError: there is none.
        """
        found = [
            r for r in self.runs() if (r["id"].startswith(run) if run else not r["kind"].startswith(_OF_ABLATIONS))
        ]
        if not found:
            what = "no run" if run is None else f"no run that begins with {run!r}"
            raise StoreError(f"there is {what} in {self.path}; `deploysim resample` makes one")
        if run is not None and len(found) > 1:
            names = ", ".join(r["id"] for r in found)
            raise StoreError(f"{len(found)} runs in {self.path} begin with {run!r}: {names}")
        return found[-1]

    def add_rollouts(self, rollouts: Iterable[RolloutRow]) -> int:
        """Register rollouts; those known already stay as they are. Returns how many are new."""
        names = RolloutRow.__dataclass_fields__
        rows = [{n: getattr(r, n) for n in names} | {"facts": json.dumps(r.facts)} for r in rollouts]
        return self.engine.insert("rollouts", rows, ignore=True)

    def rollouts(self, run: str) -> tuple[tuple[RolloutRow, End | None], ...]:
        """The rollouts of a run with their ends (`None`: not ended)."""
        rows = self.engine.rows(
            "select r.*, e.status, e.stage, e.reason, e.facts as end_facts from rollouts r"
            " left join ends e on e.rollout=r.id where r.run=? order by r.session, r.turn, r.step, r.sample",
            (run,),
        )
        return tuple(_rollout(row) for row in rows)

    def append_steps(self, rollout: str, steps: Iterable[LedgerStep]) -> None:
        """Add to a rollout's ledger.

        Raises:
            StoreError: a step of this number is there already: two writers.
        """
        self.engine.insert("steps", step_rows(rollout, steps))

    def steps(self, rollout: str) -> tuple[LedgerStep, ...]:
        """A rollout's ledger in order."""
        rows = self.engine.rows("select n, kind, body from steps where rollout=? order by n", (rollout,))
        return tuple(LedgerStep(r["n"], r["kind"], json.loads(unpack(r["body"]))) for r in rows)

    def end_rollout(self, rollout: str, end: End) -> None:
        """Close a rollout; the first end stays."""
        row = {"rollout": rollout, "status": end.status, "stage": end.stage, "reason": end.reason}
        self.engine.insert("ends", [row | {"facts": json.dumps(end.facts)}], ignore=True)

    def end(self, rollout: str) -> End | None:
        """How a rollout ended; `None`: it has not."""
        found = self.engine.rows("select status, stage, reason, facts from ends where rollout=?", (rollout,))
        return End(**{**found[0], "facts": json.loads(found[0]["facts"])}) if found else None

    def add_exclusions(self, run: str, exclusions: Iterable[tuple[str, str]]) -> None:
        """Keep why sessions were left out of a run: (session, reason)."""
        self.engine.insert("exclusions", [{"run": run, "session": s, "reason": r} for s, r in exclusions], ignore=True)

    def exclusions(self, run: str) -> tuple[tuple[str, str], ...]:
        """(session, reason) of all that was left out of a run."""
        rows = self.engine.rows("select session, reason from exclusions where run=? order by session", (run,))
        return tuple((r["session"], r["reason"]) for r in rows)


def step_rows(rollout: str, steps: Iterable[LedgerStep]) -> list[dict[str, Any]]:
    """Steps as rows of the table `steps`."""
    return [{"rollout": rollout, "n": s.n, "kind": s.kind, "body": pack(json.dumps(s.body).encode())} for s in steps]


def _rollout(row: dict[str, Any]) -> tuple[RolloutRow, End | None]:
    status, stage, reason, end_facts = (row.pop(k) for k in ("status", "stage", "reason", "end_facts"))
    row["facts"] = json.loads(row["facts"])
    end = None if status is None else End(status, stage, reason, json.loads(end_facts))
    return RolloutRow(**row), end
