"""What was said of a store's rollouts and turns: pairs and judgements, forecasts, verdicts, labels of people."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import asdict
from typing import Any

from harness.labels import Label
from harness.packing import pack, unpack
from harness.stores.engine import Part
from toolsim.trajectory import JsonObject


class Judgements(Part):
    """Pairs and all that is said of them. The first row of a key stays."""

    def add_pairs(self, run: str, pairs: Iterable[tuple[str, str | None, str, JsonObject, JsonObject]]) -> int:
        """Keep pairs: (id, rollout, kind, facts for grouping, body). Known ids stay. Returns how many are new."""
        rows = [
            {
                "id": i,
                "run": run,
                "rollout": r,
                "kind": k,
                "facts": json.dumps(f),
                "body": pack(json.dumps(b).encode()),
            }
            for i, r, k, f, b in pairs
        ]
        return self.engine.insert("pairs", rows, ignore=True)

    def pairs(self, run: str) -> tuple[tuple[str, str | None, str, JsonObject, JsonObject], ...]:
        """All pairs of a run as `add_pairs` takes them."""
        rows = self.engine.rows("select id, rollout, kind, facts, body from pairs where run=? order by id", (run,))
        return tuple(
            (r["id"], r["rollout"], r["kind"], json.loads(r["facts"]), json.loads(unpack(r["body"]))) for r in rows
        )

    def add_judgement(self, run: str, pair: str, judge: str, sides: str, status: str, facts: JsonObject) -> None:
        """Keep one answer of a judge on a pair shown as `sides` (`rs`: recorded first, `sr`: simulated first)."""
        row = {"run": run, "pair": pair, "judge": judge, "sides": sides, "status": status, "facts": json.dumps(facts)}
        self.engine.insert("judgements", [row], ignore=True)

    def judgements(self, run: str) -> tuple[JsonObject, ...]:
        """All answers of judges in a run."""
        rows = self.engine.rows(
            "select pair, judge, sides, status, facts from judgements where run=? order by pair, judge, sides", (run,)
        )
        return tuple({**r, "facts": json.loads(r["facts"])} for r in rows)

    # --- forecasts ----------------------------------------------------------------------------------------------

    def add_forecast(self, row: dict[str, Any]) -> bool:
        """Keep a frozen forecast (`harness.forecast.ledger`); False if it is there already."""
        return self.engine.insert("forecasts", [row], ignore=True) > 0

    def forecasts(self) -> tuple[JsonObject, ...]:
        """All frozen forecasts, oldest first."""
        return tuple(
            self.engine.rows("select id, sha256, name, created_at, body from forecasts order by created_at, id")
        )

    # --- verdicts -----------------------------------------------------------------------------------------------

    def add_verdicts(self, rows: Iterable[dict[str, Any]]) -> int:
        """Keep verdicts on turns (`harness.behaviors.grading`); returns how many were new."""
        return self.engine.insert("turn_verdicts", rows, ignore=True)

    def verdicts(self, source: str, grader: str, taxonomy: str) -> tuple[JsonObject, ...]:
        """The verdicts of one grader by one taxonomy on the turns of a run, or on recorded ones."""
        where = "source = ? and grader = ? and taxonomy = ? order by made_at, status"
        return tuple(
            self.engine.rows(
                f"select turn, sample, status, body from turn_verdicts where {where}", (source, grader, taxonomy)
            )
        )

    # --- labels of people ---------------------------------------------------------------------------------------

    def add_label(self, label: Label) -> None:
        """Keep what a person said of a pair."""
        self.engine.insert("labels", [asdict(label)])

    def labels(self, run: str) -> tuple[Label, ...]:
        """All labels of a run in the order in which they were given."""
        names = ", ".join(Label.__dataclass_fields__)
        return tuple(
            Label(**r) for r in self.engine.rows(f"select {names} from labels where run=? order by id", (run,))
        )

    def graded_by(self, source: str) -> tuple[tuple[str, str], ...]:
        """The graders and taxonomies that a run, or the recording, was graded with, the latest first."""
        latest = "group by grader, taxonomy order by max(made_at) desc"
        rows = self.engine.rows(f"select grader, taxonomy from turn_verdicts where source = ? {latest}", (source,))
        return tuple((row["grader"], row["taxonomy"]) for row in rows)
