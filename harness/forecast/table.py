"""The table of frozen forecasts. Rows are added and never changed or removed: the file itself refuses it."""

from __future__ import annotations

import sqlite_utils

_REFUSED = "a frozen forecast is never changed or removed"


def create_forecasts(db: sqlite_utils.Database) -> None:
    """First version: one row a record, and triggers that refuse every update and delete."""
    db.table("forecasts").create(
        {"id": str, "sha256": str, "name": str, "created_at": float, "body": str, "version": int},
        pk="id",
        not_null={"sha256", "body"},
    )
    for what in ("update", "delete"):
        refusal = f"begin select raise(abort, '{_REFUSED}'); end"
        db.execute(f"create trigger forecasts_no_{what} before {what} on forecasts {refusal}")
