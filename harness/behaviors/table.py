"""The table of verdicts. Rows are added, never changed."""

from __future__ import annotations

import sqlite_utils


def create_turn_verdicts(db: sqlite_utils.Database) -> None:
    """First version: one row for each grader's word on a turn; `source` is a run, or `recorded`."""
    db.table("turn_verdicts").create(
        {
            "source": str, "turn": str, "sample": int, "grader": str, "taxonomy": str, "status": str, "body": str,
            "made_at": float,
        },
        pk=("source", "turn", "sample", "grader", "taxonomy", "status"),
        not_null={"status", "body"},
    )  # fmt: skip
