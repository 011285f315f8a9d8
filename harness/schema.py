"""The tables of a store, as registered migrations. Rows are only added; what is final is never changed."""

from __future__ import annotations

import sqlite_utils

from harness import labels
from harness.behaviors.table import create_turn_verdicts
from harness.claims import create_claims
from harness.exchanges import create_exchanges
from harness.forecast.table import create_forecasts
from harness.turn_labels import create_turn_labels
from harness.verdicts import create_verdicts

migrations = sqlite_utils.Migrations("deploysim")


@migrations()
def create_tables(db: sqlite_utils.Database) -> None:
    """First version: sessions, repositories, pools, runs, rollouts with their step ledger, judgements."""
    db.table("sessions").create(
        {
            "id": str, "agent": str, "agent_version": str, "format": str, "lineage": str, "repo": str, "user": str,
            "model": str, "started_at": float, "turns": int, "calls": int, "results": int, "autonomous": int,
            "pool": str, "sha256": str, "source": str, "metadata": str, "body": bytes,
        },
        pk="id",
    )  # fmt: skip
    db.table("sessions").create_index(["sha256"], unique=True)
    db.table("sessions").create_index(["lineage"])
    db.table("skips").create(
        {"path": str, "place": str, "reason": str}, pk=("path", "place", "reason"), not_null={"reason"}
    )
    db.table("purged").create({"sha256": str, "session": str}, pk="sha256")
    db.table("pools").create({"lineage": str, "repo": str, "pool": str}, pk="lineage", not_null={"pool"})
    db.table("repositories").create({"name": str, "git_dir": str, "url": str, "directory": str}, pk="git_dir")
    db.table("runs").create(
        {"id": str, "kind": str, "created_at": float, "manifest": str, "version": int}, pk="id", not_null={"manifest"}
    )
    db.table("rollouts").create(
        {
            "id": str, "run": str, "session": str, "turn": int, "step": int, "sample": int, "pool": str,
            "lineage": str, "repo": str, "agent": str, "facts": str,
        },
        pk="id",
        not_null={"run", "session"},
    )  # fmt: skip
    db.table("rollouts").create_index(["run"])
    db.table("steps").create(
        {"rollout": str, "n": int, "kind": str, "body": bytes}, pk=("rollout", "n"), not_null={"kind", "body"}
    )
    db.table("ends").create(
        {"rollout": str, "status": str, "stage": str, "reason": str, "facts": str}, pk="rollout", not_null={"status"}
    )
    db.table("pairs").create(
        {"id": str, "run": str, "rollout": str, "kind": str, "facts": str, "body": bytes}, pk=("run", "id")
    )
    db.table("judgements").create(
        {"run": str, "pair": str, "judge": str, "sides": str, "status": str, "facts": str},
        pk=("run", "pair", "judge", "sides", "status"),
    )
    db.table("exclusions").create({"run": str, "session": str, "reason": str}, pk=("run", "session", "reason"))


for _migration in (create_verdicts, create_forecasts, create_turn_verdicts):
    migrations()(_migration)


@migrations()
def create_labels(db: sqlite_utils.Database) -> None:
    """Labels of people on pairs, and the indexes of the viewer's lists."""
    labels.create_labels(db)
    db.execute("create index sessions_listed on sessions (coalesce(started_at, 0), id)")
    db.table("rollouts").create_index(["run", "session", "turn", "step", "sample", "id"])
    db.table("rollouts").create_index(["run", "pool", "agent", "repo"])
    db.table("rollouts").create_index(["session", "run"])
    db.table("pairs").create_index(["run", "rollout"])


migrations()(create_turn_labels)
migrations()(create_exchanges)
migrations()(create_claims)

VERSIONS = frozenset({
    "create_tables", "create_verdicts", "create_forecasts", "create_turn_verdicts", "create_labels",
    "create_turn_labels", "create_exchanges", "create_claims",
})  # fmt: skip
"""The migrations that this version knows; a store with others is newer."""
