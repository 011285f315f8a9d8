"""The blocks of docs/library.md, run in order in an empty folder; and the node around somebody's own tools."""

from __future__ import annotations

import ast
import inspect
import re
import subprocess
import sys
from pathlib import Path

import pytest
from langchain_core.messages import AIMessage
from langchain_core.tools import tool
from langgraph.graph import END, START, MessagesState, StateGraph
from langgraph.prebuilt import ToolNode

import harness
import toolsim
from harness.store import Store

ROOT = Path(__file__).parent.parent
BLOCKS = re.findall(r"```python\n(.*?)```", (ROOT / "docs" / "library.md").read_text("utf-8"), re.S)


def first_session(store):
    with Store(Path(store), create=False) as opened:
        return min(row.id for row in opened.sessions() if row.agent == "claude-code")


async def run(block, names):
    code = compile(block, "docs/library.md", "exec", flags=ast.PyCF_ALLOW_TOP_LEVEL_AWAIT)
    done = eval(code, names)
    if inspect.isawaitable(done):
        await done


@pytest.fixture
def place(tmp_path, monkeypatch):
    (tmp_path / "fixtures").symlink_to(ROOT / "fixtures")
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def session(place):
    harness.import_sessions("deploysim.db", ["fixtures/sessions/claude-code"])
    return first_session("deploysim.db")


async def test_the_page_runs_and_says_what_it_says(place, capsys):
    assert len(BLOCKS) == 5
    names = {"__name__": "page"}
    await run(BLOCKS[0], names)
    names["SESSION"] = first_session("deploysim.db")
    for block in BLOCKS[1:]:
        await run(block, names)
    said = capsys.readouterr().out
    assert "2 /tmp/note.txt computed" in said
    assert "simulated" in said
    assert "'Bash'" in said
    assert re.search(r"completed \d+", said)


@tool
def Bash(command: str) -> str:  # noqa: N802  the tool's own name
    """Run a command for real."""
    raise AssertionError("never run")


def asking(**arguments):
    call = {"name": "Bash", "args": arguments, "id": "c1", "type": "tool_call"}
    return {"messages": [AIMessage("", tool_calls=[call])]}


def graph(node):
    made = StateGraph(MessagesState)
    made.add_node("tools", node)
    made.add_edge(START, "tools")
    made.add_edge("tools", END)
    return made.compile()


async def test_a_node_of_somebodys_own_tools_is_answered_in_the_world(session):
    async with harness.simulated_tools("deploysim.db", session, simulator="none") as tools:
        node = graph(harness.tool_node(tools, ToolNode([Bash])))
        found = (await node.ainvoke(asking(command="echo hi > /tmp/x; cat /tmp/x")))["messages"][-1]
        assert (found.content, found.artifact.rung, found.tool_call_id) == ("hi", "computed", "c1")
        wrong = (await node.ainvoke(asking(command="rm /tmp/x && cat /tmp/x")))["messages"][-1]
        assert wrong.status == "error"
        assert "No such file" in wrong.content
        with pytest.raises(toolsim.SimulationFailed):
            await node.ainvoke(asking(command="pytest -q"))
        assert len(tools.history) >= 4


async def test_a_turn_is_taken_once_and_given_back(session):
    settings = {"candidate": "recorded", "forcing": "free", "simulator": "none", "affordances": ("repo",)}
    first = await harness.resample_turn("deploysim.db", session, **settings)
    again = await harness.resample_turn("deploysim.db", session, **settings)
    assert (first.rollout, first.steps) == (again.rollout, again.steps)
    assert first.end.status == "completed"


def test_the_names_are_loaded_when_they_are_used():
    code = (
        "import sys, harness, toolsim; assert 'pydantic' not in sys.modules; harness.Store; toolsim.ToolCall;"
        "print(sorted({'openai', 'langgraph'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT)
    assert done.stdout.strip() == "[]"
    for module in (harness, toolsim):
        for name in module.__all__:
            assert getattr(module, name).__name__
        with pytest.raises(AttributeError):
            module.nothing  # noqa: B018
