"""Evidence within a budget by value, and what is gathered for a call."""

from __future__ import annotations

from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from toolsim.actions import PutFile
from toolsim.calldb import CallDatabase
from toolsim.evidence import Piece, choose, cut
from toolsim.recordedcalls import RecordedCall
from toolsim.scripted import ScriptedModel
from toolsim.simulator import SimulatorSettings
from toolsim.trajectory import ToolCall, ToolResult

SIMULATED = SimulatorSettings(rungs=frozenset({"simulated"}))
PIECES = st.lists(
    st.builds(Piece, st.just("file"), st.text(max_size=8), st.text(max_size=900), st.floats(0, 1), whole=st.booleans()),
    max_size=8,
)


@given(PIECES, st.integers(0, 1_000))
def test_what_is_shown_never_costs_more_than_the_budget(pieces, budget):
    evidence = choose(pieces, budget)
    assert evidence.tokens <= budget
    assert [p.value for p in evidence.pieces] == sorted((p.value for p in evidence.pieces), reverse=True)


@given(st.text(max_size=2_000), st.integers(0, 900))
def test_a_cut_piece_is_the_first_lines_of_the_whole(text, room):
    piece = Piece("file", "a", text, 1.0)
    part = cut(piece, room)
    if part is not None:
        assert text.startswith(part.text)
        assert part.tokens <= room
        assert part.lines == len(part.text.splitlines())


def test_the_most_valuable_pieces_are_shown_first_and_the_rest_is_named():
    long = "line of some length\n" * 100
    evidence = choose([Piece("pair", "low", long, 0.1, whole=True), Piece("file", "high", long, 0.9)], 800)
    assert [piece.title for piece in evidence.pieces] == ["high"]
    assert evidence.left_out == ("low",)
    assert evidence.record()["pieces"][0]["sha256"]


def reply(stdout: str = "ok\n") -> dict:
    return {"stdout": stdout, "stderr": "", "exit_code": 0, "duration": 1.0, "files_changed": []}


def prompt(model: ScriptedModel) -> str:
    return str(model.requests[-1].messages[1]["content"])


async def test_a_test_run_is_shown_the_tests_and_the_code_they_import_as_they_are_now(bench):
    model = ScriptedModel([reply()], context=8_000)
    files = {
        "pkg/core.py": "OLD = 1\n",
        "tests/test_core.py": "from pkg.core import OLD\n",
        "pyproject.toml": "[tool]\n",
    }
    made = bench(files, settings=SIMULATED, model=model)
    made.world.apply(PutFile("/repo/pkg/core.py", b"NEW = 1\n"))
    answer = await made.respond("Bash", command="cd /repo && python -m pytest tests/test_core.py::test_one -q")
    text = prompt(model)
    assert "from pkg.core import OLD" in text
    assert "NEW = 1" in text
    assert "OLD = 1" not in text
    assert "[tool]" in text
    pieces = answer.evidence["written"][0]["pieces"]
    assert {"/repo/tests/test_core.py", "/repo/pkg/core.py"} <= {p["source"].get("path") for p in pieces}


def pair(text: str, lineage: str, at: float) -> RecordedCall:
    call = ToolCall("c", "Bash", {"command": "make all"})
    result = ToolResult("c", text)
    return RecordedCall(lineage, lineage, None, "claude-code", "Bash", call, "make all", result, at, "/repo", 0)


async def test_pairs_of_the_own_lineage_or_of_later_are_never_shown(bench, tmp_path: Path):
    model = ScriptedModel([reply()], context=8_000)
    with CallDatabase(tmp_path / "calls.db") as calls:
        calls.add([pair("shown", "other", 1.0), pair("own canary", "s1", 1.0), pair("late canary", "other2", 1.9e9)])
        made = bench({}, settings=SIMULATED, model=model, calls=calls)
        await made.respond("Bash", command="make all")
        assert "shown" in prompt(model)
        assert "canary" not in prompt(model)
        without = SimulatorSettings(rungs=frozenset({"simulated"}), affordances=frozenset({"repo"}))
        model = ScriptedModel([reply()], context=8_000)
        await bench({}, settings=without, model=model, calls=calls).respond("Bash", command="make all")
        assert "shown" not in prompt(model)


async def test_the_call_comes_last_and_evidence_has_a_budget(bench):
    model = ScriptedModel([reply()], context=8_000)
    settings = SimulatorSettings(rungs=frozenset({"simulated"}), evidence_tokens=200)
    made = bench({"big.py": "value = 1\n" * 5_000}, settings=settings, model=model)
    answer = await made.respond("Bash", command="python big.py")
    assert answer.evidence["written"][0]["tokens"] <= 200
    assert prompt(model).rindex("python big.py") > prompt(model).index("value = 1")
