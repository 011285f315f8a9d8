"""Hypothesis strategies of trajectories as importers make them: unique call ids, results in any later place."""

from __future__ import annotations

from typing import Any

from hypothesis import strategies as st

from toolsim.trajectory import (
    Compaction,
    Item,
    Message,
    Repository,
    Rewind,
    Session,
    ToolCall,
    ToolDefinition,
    ToolResult,
    Trajectory,
)

TEXTS = st.text(st.characters(codec=None), max_size=12) | st.sampled_from(
    ["", "\ud800 lone", "é\n\r\x00", "😀", "$utf16"]
)
TIMES = st.none() | st.floats(0, 4e9) | st.sampled_from([1e15, -1.5, 1763939581.123])
JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**60), 2**60) | st.floats(allow_nan=False, allow_infinity=False) | TEXTS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXTS, inner, max_size=3),
    max_leaves=6,
)
OBJECTS = st.dictionaries(TEXTS, JSON, max_size=3)
MAYBE = st.none() | TEXTS


@st.composite
def messages(draw: st.DrawFn, role: str, origin: str, **more: Any) -> Message:
    """A message with any circumstances."""
    return Message(
        role=role, text=draw(TEXTS), origin=origin, reasoning=draw(MAYBE), at=draw(TIMES), cwd=draw(MAYBE),  # type: ignore[arg-type]
        branch=draw(MAYBE), model=draw(MAYBE), source=draw(MAYBE), extra=draw(OBJECTS), **more,
    )  # fmt: skip


@st.composite
def results(draw: st.DrawFn, call_id: str) -> ToolResult:
    """A result of a call."""
    return ToolResult(
        call_id, draw(TEXTS), draw(st.none() | st.booleans()), draw(st.none() | st.integers(-1, 255)),
        draw(st.none() | st.floats(0, 1e6)), draw(st.integers(0, 3)), draw(JSON),
    )  # fmt: skip


@st.composite
def items(draw: st.DrawFn) -> tuple[Item, ...]:
    """Prompts, responses with parallel calls, results (late, missing, of no call), rewinds and compactions."""
    made: list[Item] = []
    waiting: list[str] = []
    for number in range(draw(st.integers(0, 7))):
        kind = draw(
            st.sampled_from(["prompt", "respond", "respond", "answer", "answer", "rewind", "compact", "system"])
        )
        if kind == "prompt":
            made.append(draw(messages("user", draw(st.sampled_from(["user", "harness"])))))
        elif kind == "system":
            made.append(draw(messages("system", "harness")))
        elif kind == "respond":
            ids = [f"{draw(TEXTS)}-{number}-{n}" for n in range(draw(st.integers(0, 3)))]
            calls = tuple(ToolCall(i, draw(TEXTS), draw(OBJECTS), draw(MAYBE), draw(MAYBE)) for i in ids)
            waiting += ids
            made.append(draw(messages("assistant", "agent", calls=calls)))
        elif kind == "answer":
            call_id = waiting.pop(draw(st.integers(0, len(waiting) - 1))) if waiting else draw(TEXTS)
            made.append(draw(messages("tool", "tool", result=draw(results(call_id)))))
        elif kind == "rewind":
            made.append(Rewind(draw(st.integers(0, number)), draw(TIMES), draw(MAYBE)))
        else:
            kept = draw(st.lists(messages("user", "harness"), max_size=2))
            made.append(Compaction(tuple(kept), draw(TIMES), draw(MAYBE)))
    return tuple(made)


@st.composite
def sessions(draw: st.DrawFn) -> Session:
    """What is known of a session."""
    tools = draw(st.lists(st.builds(ToolDefinition, TEXTS, TEXTS, OBJECTS), max_size=2))
    return Session(
        id=draw(TEXTS), agent=draw(TEXTS | st.sampled_from(["gemini", "copilot", "codex"])), format=draw(TEXTS),
        lineage=draw(TEXTS), agent_version=draw(MAYBE | st.just("unknown")), model=draw(MAYBE), cwd=draw(MAYBE),
        repository=draw(st.builds(Repository, MAYBE, MAYBE, MAYBE)), platform=draw(MAYBE), system_prompt=draw(MAYBE),
        tools=tuple(tools), user=draw(MAYBE), started_at=draw(TIMES), parent=draw(MAYBE), parent_call=draw(MAYBE),
        autonomous=draw(st.booleans()), metadata=draw(OBJECTS),
    )  # fmt: skip


TRAJECTORIES = st.builds(Trajectory, sessions(), items(), OBJECTS, st.integers(1, 3))
