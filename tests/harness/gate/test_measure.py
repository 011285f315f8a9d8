"""What a call of a run scores: failures have no score, and what nobody was there to answer has the lowest."""

from __future__ import annotations

import pytest

from harness.gate.measure import calls_of
from harness.ledger import ToolStep
from harness.rows import RolloutRow
from toolsim.trajectory import ToolCall, ToolResult

ROW = RolloutRow("r", "run", "s", 0, 0, 0, "tune", "l", None, "claude-code")
TRUTH = ToolResult("c", "one\ntwo\n")


def step(answer: str | None = None, reason: str | None = None) -> ToolStep:
    made = None if answer is None else ToolResult("c", answer)
    failure = None if reason is None else ("simulated", reason)
    return ToolStep(ToolCall("c", "Bash", {"command": "pytest"}), TRUTH, made, None, failure=failure, recorded=TRUTH)


@pytest.mark.parametrize(
    ("made", "grade", "score"),
    [
        (step("one\ntwo\n"), "R", 1.0),
        (step("three\n"), "W", 0.0),
        (step(reason="no model; computed: no shell engine"), "U", 0.0),
        (step(reason="no rung answers a call of Bash"), "U", 0.0),
        (step(reason="EndpointError: cannot reach it"), "F", None),
        (step(reason="OutputInvalid: no program that fits its schema"), "F", None),
        (step(reason="Refused: I cannot"), "F", None),
        (step(reason="the sandbox could not be made or read"), "F", None),
    ],
)
def test_a_failure_is_never_a_score(made, grade, score):
    (call,) = calls_of(ROW, [made])
    assert call.answers == ((grade, ""),)
    assert call.score == score
