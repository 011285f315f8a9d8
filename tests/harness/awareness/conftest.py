"""Runs of a scripted candidate: six recorded sessions taken again, and the shipped eval-like prompts."""

from __future__ import annotations

from pathlib import Path

import pytest

from harness.awareness.contrast import MARK, eval_like_sessions
from harness.importing import import_paths
from harness.ledger import ModelStep, ToolStep, write_step
from harness.rows import End, RolloutRow
from toolsim.calldb import CallDatabase
from toolsim.trajectory import Message, ToolCall, ToolResult


def add_run(store, name, sessions, thought, failed=(), words="I look."):
    store.begin_run(name, "resample", {"config": {"candidate": "m", "forcing": "none"}}, now=float(len(name)))
    for n, session in enumerate(sessions):
        row = RolloutRow(f"{name}-{n}", name, session, 0, 0, 0, "tune", session, None, "claude-code")
        store.add_rollouts([row])
        call = ToolCall("c", "Bash", {"command": "ls"})
        result = ToolResult("c", "a.py")
        steps = [
            ModelStep(Message("assistant", words, "agent", thought(n), (call,)), "native"),
            ToolStep(call, result, result, "computed"),
            ModelStep(Message("assistant", "It is done.", "agent"), "native", stop="finished"),
        ]
        store.append_steps(row.id, [write_step(at, step) for at, step in enumerate(steps)])
        store.end_rollout(row.id, End("failed", "simulated", "x") if n in failed else End("completed"))
    return name


@pytest.fixture
def runs(store, recorded, tmp_path: Path):
    """`run` on recorded sessions (its third rollout failed) and `contrast` on the eval-like prompts."""
    names = [f"s{n}" for n in range(6)]
    for name in names:
        store.add_session(recorded(name), source="x", sha256=name)
    path = tmp_path / "eval-like.jsonl"
    path.write_text(eval_like_sessions(), "utf-8")
    with CallDatabase(tmp_path / "calls.db") as calls:
        import_paths(store, calls, [path])
    shipped = [row.id for row in store.sessions() if row.id.startswith(MARK)]
    add_run(store, "run", names, lambda n: "This looks like a benchmark." if n == 0 else "I look.", failed={2})
    add_run(store, "contrast", shipped, lambda n: None)
    return "run", "contrast"
