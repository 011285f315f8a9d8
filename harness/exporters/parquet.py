"""A run as Parquet tables for notebooks: rollouts, calls, judgements, verdicts. Needs the extra `parquet`.

Columns and their units stand in `TABLES`; all texts are UTF-8, lists and objects JSON texts. Rows are written in
batches, so that memory stays flat.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, Literal

from harness.errors import HarnessError
from harness.exporters.files import new_file
from harness.exporters.rollouts import Exported
from harness.exporters.scores import verdicts_of
from harness.store import Store
from toolsim.trajectory import JsonObject, canonical_json

Kind = Literal["string", "int64", "float64", "bool_"]
TABLES: Mapping[str, Mapping[str, tuple[Kind, str]]] = {
    "rollouts": {
        "rollout": ("string", "id"), "run": ("string", "id of the run"), "session": ("string", "recorded session"),
        "turn": ("int64", "turn of the session, from 0"), "step": ("int64", "agent messages that the prefix keeps"),
        "sample": ("int64", "number of the rollout on this prefix"), "pool": ("string", "tune or report"),
        "lineage": ("string", "the independent unit"), "repository": ("string", "address"),
        "agent": ("string", "scaffold"), "candidate": ("string", "model"), "simulator": ("string", "model"),
        "status": ("string", "completed, failed, excluded or open"), "stage": ("string", "where it failed"),
        "reason": ("string", "why it ended"), "agent_messages": ("int64", "of the turn"),
        "calls": ("int64", "tool calls of the turn"), "model_calls": ("int64", "candidate and simulator"),
        "prompt_tokens": ("int64", ""), "cached_tokens": ("int64", "part of the prompt tokens"),
        "completion_tokens": ("int64", ""), "cost": ("float64", "USD, null without a price"),
        "seconds": ("float64", "of model calls"), "final_text": ("string", "the agent's last words"),
    },
    "calls": {
        "rollout": ("string", "id"), "position": ("int64", "in the turn, from 0"), "call": ("string", "id"),
        "tool": ("string", ""), "arguments": ("string", "JSON"), "shown": ("string", "what the candidate saw"),
        "is_error": ("bool_", ""), "exit_code": ("int64", "null where there is none"),
        "rung": ("string", "recorded, computed, connector, simulated; null: unanswered"),
        "seconds": ("float64", "wall time of the answer"), "failure": ("string", "stage: reason"),
        "recorded": ("string", "the reference's result, with recorded actions"), "evidence": ("string", "JSON"),
        "mutations": ("string", "JSON"),
    },
    "judgements": {
        "pair": ("string", "id"), "rollout": ("string", "id"), "kind": ("string", "call, turn, fake, null"),
        "judge": ("string", ""), "sides": ("string", "rs: recorded first, sr: simulated first"),
        "status": ("string", "valid, or the kind of failure"),
        "simulated_taken": ("bool_", "the simulated side was taken for real; null without an answer"),
        "probability": ("float64", "how sure, 0.5 to 1"), "reason": ("string", ""),
    },
    "verdicts": {
        "turn": ("string", "session:turn.step"), "sample": ("int64", ""), "grader": ("string", ""),
        "taxonomy": ("string", "name@version"), "failed": ("string", "why there is no grade"),
        "category": ("string", "null: nothing found"), "severity": ("int64", "0 to 4"),
        "step": ("int64", "agent message of the turn, from 0"), "quote": ("string", ""), "reason": ("string", ""),
    },
}  # fmt: skip
_BATCH = 2_000


def write_parquet(store: Store, run: str, rollouts: Iterator[Exported], folder: Path) -> list[Path]:
    """The tables that were written.

    Raises:
        HarnessError: the extra is missing, or a file is there already.
    """
    paths = {name: new_file(folder, f"{name}.parquet") for name in TABLES}
    with _Table("rollouts", paths["rollouts"]) as ends, _Table("calls", paths["calls"]) as calls:
        for one in rollouts:
            ends.add(_rollout(one))
            for position, row in enumerate(_calls(one)):
                calls.add(row | {"position": position})
    with _Table("judgements", paths["judgements"]) as table:
        table.extend(_judgements(store, run))
    with _Table("verdicts", paths["verdicts"]) as table:
        table.extend(_verdicts(store, run))
    return list(paths.values())


class _Table:
    """A file that takes rows a batch at a time."""

    def __init__(self, name: str, path: Path) -> None:
        try:
            import pyarrow as pa
            from pyarrow import parquet
        except ImportError as error:
            raise HarnessError("Parquet needs an extra: pip install 'deploysim[parquet]'") from error
        fields = [
            pa.field(column, getattr(pa, kind)(), metadata={"about": about} if about else None)
            for column, (kind, about) in TABLES[name].items()
        ]
        self._columns = tuple(TABLES[name])
        self._schema = pa.schema(fields)
        self._batch = pa.RecordBatch
        self._writer = parquet.ParquetWriter(path, self._schema, compression="zstd")
        self._rows: list[JsonObject] = []

    def __enter__(self) -> _Table:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if error is None:
            self._flush()
        self._writer.close()

    def extend(self, rows: Iterable[JsonObject]) -> None:
        """Add rows."""
        for row in rows:
            self.add(row)

    def add(self, row: JsonObject) -> None:
        """Add a row; columns that it lacks are null."""
        self._rows.append({column: _utf8(row.get(column)) for column in self._columns})
        if len(self._rows) >= _BATCH:
            self._flush()

    def _flush(self) -> None:
        if self._rows:
            self._writer.write_batch(self._batch.from_pylist(self._rows, schema=self._schema))
            self._rows = []


def _rollout(one: Exported) -> JsonObject:
    config, spent, end = one.manifest.get("config", {}), one.spent, one.end
    return {
        "rollout": one.row.id, "run": one.row.run, "session": one.row.session, "turn": one.row.turn,
        "step": one.row.step, "sample": one.row.sample, "pool": one.row.pool, "lineage": one.row.lineage,
        "repository": one.row.repo, "agent": one.row.agent, "candidate": config.get("candidate"),
        "simulator": config.get("simulator"), "status": "open" if end is None else end.status,
        "stage": None if end is None else end.stage, "reason": None if end is None else end.reason,
        "agent_messages": sum(m.role == "assistant" for m in one.turn), "calls": len(one.calls),
        "model_calls": spent.model_calls, "prompt_tokens": spent.prompt_tokens,
        "cached_tokens": spent.cached_tokens, "completion_tokens": spent.completion_tokens, "cost": spent.cost,
        "seconds": spent.seconds,
        "final_text": next((m.text for m in reversed(one.turn) if m.role == "assistant"), None),
    }  # fmt: skip


def _calls(one: Exported) -> Iterator[JsonObject]:
    for step, fact in zip(one.calls, one.provenance()["calls"], strict=True):
        failure = fact["failure"]
        yield {
            "rollout": one.row.id, "call": step.call.id, "tool": step.call.name,
            "arguments": canonical_json(step.call.arguments), "shown": step.shown.content,
            "is_error": step.shown.is_error, "exit_code": step.shown.exit_code, "rung": step.rung,
            "seconds": step.seconds, "failure": None if failure is None else f"{failure['stage']}: {failure['reason']}",
            "recorded": None if step.recorded is None else step.recorded.content,
            "evidence": canonical_json(step.evidence), "mutations": canonical_json(fact["mutations"]),
        }  # fmt: skip


def _judgements(store: Store, run: str) -> Iterator[JsonObject]:
    pairs = {r["id"]: r for r in store.rows("select id, rollout, kind from pairs where run=?", (run,))}
    for said in store.judgements(run):
        pair, facts = pairs.get(said["pair"], {}), said["facts"]
        yield {
            "pair": said["pair"], "rollout": pair.get("rollout"), "kind": pair.get("kind"), "judge": said["judge"],
            "sides": said["sides"], "status": said["status"], "simulated_taken": facts.get("simulated_taken"),
            "probability": facts.get("probability"), "reason": facts.get("reason"),
        }  # fmt: skip


def _verdicts(store: Store, run: str) -> Iterator[JsonObject]:
    for verdict in verdicts_of(store, run):
        about = {name: verdict[name] for name in ("turn", "sample", "grader", "taxonomy", "failed")}
        for finding in verdict["findings"] or [{}]:
            yield about | {name: finding.get(name) for name in ("category", "severity", "step", "quote", "reason")}


def _utf8(value: Any) -> Any:
    """Text that UTF-8 can hold: halves of surrogate pairs stand escaped."""
    return value.encode("utf-8", "backslashreplace").decode() if isinstance(value, str) else value


def describe() -> str:
    """The columns of all tables with their units, for the documentation."""
    lines = []
    for table, columns in TABLES.items():
        lines.append(f"### {table}")
        lines += [f"- `{column}` ({kind.rstrip('_')}){': ' + about if about else ''}" for column, (kind, about) in
                  columns.items()]  # fmt: skip
    return "\n".join(lines)
