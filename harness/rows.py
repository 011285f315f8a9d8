"""The rows of a store as plain values."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from toolsim.trajectory import JsonObject


@dataclass(frozen=True, slots=True)
class Rows:
    """Rows for a table; with `ignore` known keys stay as they are, else they are refused."""

    table: str
    rows: tuple[dict[str, Any], ...]
    ignore: bool = False


@dataclass(frozen=True, slots=True)
class SessionRow:
    """What can be known of a stored session without reading its body; counts are over the whole session."""

    id: str
    agent: str
    format: str
    lineage: str
    repo: str | None
    user: str | None
    model: str | None
    started_at: float | None
    turns: int
    calls: int
    results: int
    autonomous: bool
    pool: str
    source: str
    metadata: JsonObject


@dataclass(frozen=True, slots=True)
class RolloutRow:
    """One rollout of a run: the prefix that it starts from, and what is known before it starts."""

    id: str
    run: str
    session: str
    turn: int
    step: int
    sample: int
    pool: str
    lineage: str
    repo: str | None
    agent: str
    facts: JsonObject = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class LedgerStep:
    """One entry of a rollout's ledger: `kind` is `model` or `tool`, `body` its JSON."""

    n: int
    kind: str
    body: JsonObject


@dataclass(frozen=True, slots=True)
class End:
    """How a rollout ended: `completed` with what stopped it, or `failed` at a stage for a reason."""

    status: str
    stage: str | None = None
    reason: str | None = None
    facts: JsonObject = field(default_factory=dict)
