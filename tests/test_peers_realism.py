"""The comparison of answers with those of other simulators (`benchmarks/peers_realism.py`), without a model."""

from __future__ import annotations

import pytest

from tests.programs import benchmark
from toolsim.trajectory import ToolCall, ToolResult

realism = benchmark("peers_realism")
fake = benchmark("fake_endpoint")


@pytest.fixture(scope="module")
def played(tmp_path_factory):
    """Two recorded calls, one of each agent, answered by deploysim with and without its rungs."""
    folder = tmp_path_factory.mktemp("realism")
    cases = realism.prepared(folder, 2)
    with fake.running() as url:
        between = realism.Between(cases, url, "m")
        realism.play(between, ["deploysim", "rungs"], folder, folder / "kept.jsonl")
    return cases, between, folder


def test_calls_of_each_agent_are_put_in_their_situations(played):
    cases, between, _ = played
    assert {case.agent for case in cases} == {"claude-code", "codex"}
    for case in cases:
        body = between.bodies[case.session]
        assert body["messages"][-1]["role"] == "user"
        assert case.call.name in {tool["function"]["name"] for tool in body["tools"]}


def test_each_answer_is_counted_with_its_tokens_and_none_shows_the_record_to_the_model(played):
    cases, between, folder = played
    for case in cases:
        asked = between.found["deploysim", case.session]
        assert asked.text is not None
        assert asked.text != case.result.content
        assert (asked.requests, asked.written) == (1, 24)
        assert asked.prompt > 500
    assert len((folder / "kept.jsonl").read_text().splitlines()) == 4
    cells = realism.row("deploysim", cases, between.found)
    assert cells[1:3] == ["2", "1.00"]
    assert cells[8] == "2"


def test_grades_similarity_and_missing_answers_are_told(played):
    cases = [realism.Case(name, "claude-code", name, ToolCall("c", "Bash", {"command": "x"}), ToolResult("c", "abcd"))
             for name in ("one", "two", "three")]  # fmt: skip
    texts = {"one": "abcd", "two": "ab", "three": None}
    found = {("strands", name): realism.Answered("strands", name, text, 1, 30, 3) for name, text in texts.items()}
    cells = realism.row("strands", cases, found)
    assert cells[:5] == ["Strands ToolSimulator", "3", "1.00", "30", "3"]
    assert cells[5:10] == ["1", "0", "0", "1", "1"]
    assert cells[10].startswith("0.83 [")
