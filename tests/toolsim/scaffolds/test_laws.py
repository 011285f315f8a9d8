"""Laws that every scaffold keeps, and how they hold on recorded sessions (`DEPLOYSIM_SESSIONS`)."""

from __future__ import annotations

import os
import re
from collections import Counter
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from toolsim.actions import (
    Change,
    Changed,
    FileText,
    Listing,
    Match,
    Matches,
    Noted,
    Poll,
    Problem,
    Reply,
    RunShell,
    ShellOutput,
    Unknown,
)
from toolsim.rebuild import replay
from toolsim.scaffolds import scaffold_for
from toolsim.scaffolds.base import Rendered
from toolsim.trajectory import Message, Session, ToolCall, ToolResult, Trajectory

AGENTS = ("codex", "swe-agent", "mini-swe-agent", "openhands", "copilot", "gemini")
SHELLS = {
    "codex": "exec_command", "swe-agent": "bash", "mini-swe-agent": "bash", "openhands": "execute_bash",
    "copilot": "bash", "gemini": "run_shell_command",
}  # fmt: skip
NAMES = (
    "bash", "command", "str_replace_editor", "exec_command", "shell", "apply_patch", "write_stdin", "update_plan",
    "execute_bash", "think", "view", "edit", "create", "read_bash", "stop_bash", "ask_user", "glob", "grep",
    "run_shell_command", "read_file", "write_file", "replace", "list_directory", "submit", "unheard.of",
)  # fmt: skip
KEYS = (
    "command", "cmd", "path", "file_path", "view_range", "old_str", "new_str", "old_string", "file_text", "content",
    "insert_line", "workdir", "dir_path", "session_id", "shellId", "chars", "input", "pattern", "timeout_ms", "offset",
    "limit", "choices", "question", "expected_replacements", "max_output_tokens", "is_input",
)  # fmt: skip
VERSIONS = (None, "0.140.0", "0.142.3", "1.0.1")

words = st.sampled_from(
    ["open a.py 3", "edit 1:2\nx\nend_of_edit", "goto 5", "view", "create", "insert", "ls | wc", "/a"]
)
values = st.none() | st.booleans() | st.integers(-3, 2_000) | st.floats() | st.text(max_size=8) | words
values |= st.lists(st.integers(-2, 9) | st.text(max_size=3), max_size=3)
calls = st.builds(
    ToolCall,
    st.text(max_size=4),
    st.sampled_from(NAMES),
    st.dictionaries(st.sampled_from(KEYS), values, max_size=6),
    st.none() | st.text(max_size=20),
)
texts = st.text(max_size=60) | st.sampled_from(["[File: /a (2 lines total)]\n1:x\n2:y\n", "1. a\n2. b", "Output: \n"])
sessions = st.builds(
    lambda agent, version, cwd: Session("s", agent, "t", "l", cwd=cwd, agent_version=version),
    st.sampled_from(AGENTS), st.sampled_from(VERSIONS), st.sampled_from([None, "/repo", "/Users/me", "C:\\repo"]),
)  # fmt: skip
outcomes = st.one_of(
    st.builds(FileText, st.just("/a"), texts),
    st.builds(lambda b, a: Changed((Change("/a", b, a),)), st.none() | texts, st.none() | texts),
    st.builds(lambda t: Matches((Match("/a", 1, t),)), texts),
    st.builds(lambda t: Listing((t,)), texts),
    st.builds(
        ShellOutput, texts, texts, texts, st.none() | st.integers(-1, 255), st.floats(0, 9), st.booleans(),
        st.none() | st.just("7"), st.none() | st.just("/repo"),
    ),
    st.builds(Reply, texts, st.booleans()),
    st.builds(
        Problem,
        st.sampled_from(["missing", "exists", "is_directory", "bad_range", "bad_patch", "not_found_in_file", "invalid",
                         "no_process", "not_unique", "binary"]),
        st.none() | st.just("/a"),
    ),
    st.just(Noted()),
)  # fmt: skip


@settings(max_examples=300, deadline=None)
@given(sessions, calls, outcomes, texts, st.dictionaries(st.sampled_from(["CURRENT_FILE", "CURRENT_LINE"]), texts))
def test_no_arguments_and_no_outcome_make_a_scaffold_raise(session, call, outcome, text, env):
    scaffold = scaffold_for(session.agent)
    messages = [Message("assistant", calls=(call,)), Message("tool", result=ToolResult(call.id, text))]
    profile = scaffold.fit(session, messages)
    action = scaffold.action(call, profile, "/repo", env)
    shown = scaffold.render(call, action, outcome, profile, env)
    assert isinstance(shown, Rendered | Unknown)
    result = ToolResult(call.id, text)
    assert isinstance(scaffold.observe(call, action, result, profile), tuple)
    assert isinstance(scaffold.raw(call, action, result, profile), str | None)


def put_back(scaffold, call, action, result, profile):
    """The recorded result through `raw` and `render`; `None` where `raw` does not take it apart."""
    output = scaffold.raw(call, action, result, profile)
    if output is None:
        return None
    text = result.content
    code = re.search(r"(?:[Ee]xit(?:ed with)? [Cc]ode:?|<returncode>|\"returncode\":) ?(-?\d+)", text)
    running = re.search(r"(?:session ID|with shellId:) (\d+)(?= is|\n)", text)
    wall, cwd = re.search(r"Wall time: ([\d.]+)", text), re.search(r"working directory: (.*?)\]", text)
    outcome = ShellOutput(
        output, output, "", int(code[1]) if code and not running else None if running else result.exit_code or 0,
        float(wall[1]) if wall else 0.0, running=running[1] if running else None, cwd=cwd[1] if cwd else None,
    )  # fmt: skip
    shown = scaffold.render(call, action, outcome, profile, {})
    return shown if isinstance(shown, Unknown) else shown.content


def form_only(text):
    """Without what differs from run to run: chunk ids and process groups."""
    return re.sub(r"(Chunk ID: )[0-9a-f]+|(PGID: )\d+", r"\1\2", text)


@settings(max_examples=300, deadline=None)
@given(sessions, st.text(max_size=200), st.integers(0, 3), st.lists(texts, max_size=2))
def test_a_rendered_output_taken_apart_and_rendered_again_is_the_same(session, output, code, seen):
    scaffold = scaffold_for(session.agent)
    call = ToolCall("1", SHELLS[session.agent], {"command": "x", "cmd": "x"})
    profile = scaffold.fit(session, [Message("tool", result=ToolResult(str(n), t)) for n, t in enumerate(seen)])
    action = scaffold.action(call, profile, "/repo")
    shown = scaffold.render(call, action, ShellOutput(output, output, "", code, 0.05), profile, {})
    assert isinstance(shown, Rendered)
    result = ToolResult("1", shown.content, None, shown.exit_code)
    again = put_back(scaffold, call, action, result, profile)
    assert again is None or again == shown.content


def recorded(folder):
    from harness.importers import read_paths

    names = ("EntityProcess__agentv/codex", "EntityProcess__agentv/copilot", "entireio__cli/gemini", "openhands",
             "sweagent_demos", "sweagent1_smith", "mini_tests")  # fmt: skip
    for path in (each for name in names for each in sorted((Path(folder) / name).iterdir())):
        yield from (t for t in read_paths([path], None) if isinstance(t, Trajectory) and t.session.agent in AGENTS)


@pytest.fixture(scope="module")
def trajectories():
    folder = os.environ.get("DEPLOYSIM_SESSIONS")
    if not folder:
        pytest.skip("DEPLOYSIM_SESSIONS names no folder of recorded sessions")
    return list(recorded(folder))


@pytest.mark.sessions
def test_recorded_shell_results_taken_apart_and_rendered_again_are_the_same(trajectories):
    counts: Counter[tuple[str, str]] = Counter()
    for trajectory in trajectories:
        session, scaffold = trajectory.session, scaffold_for(trajectory.session.agent)
        messages = [item for item in trajectory.items if isinstance(item, Message)]
        known = {call.id: call for message in messages for call in message.calls}
        for place, message in enumerate(messages):
            result = message.result
            if result is None or result.call_id not in known or "REDACTED" in result.content:
                continue
            profile, call = scaffold.fit(session, messages[:place]), known[result.call_id]
            action = scaffold.action(call, profile, message.cwd or "/", {})
            if isinstance(action, RunShell | Poll):
                again = put_back(scaffold, call, action, result, profile)
                kind = "not taken apart" if again is None else "unknown" if isinstance(again, Unknown) else None
                same = kind or ("same" if form_only(again) == form_only(result.content) else "different")
                counts[session.agent, same] += 1
    wrong = {agent: counts[agent, "different"] for agent in AGENTS}
    assert wrong == {**dict.fromkeys(AGENTS, 0), "copilot": 2}  # two parallel calls whose shells started out of order
    assert counts["codex", "same"] >= 1_300
    assert counts["copilot", "same"] >= 100
    assert counts["swe-agent", "same"] >= 85
    assert sum(n for (_, kind), n in counts.items() if kind in ("not taken apart", "unknown")) <= 60


@pytest.mark.sessions
def test_recorded_calls_are_never_answered_wrong(trajectories):
    counts: Counter[tuple[str, bool]] = Counter()
    for trajectory in trajectories:
        scaffold = scaffold_for(trajectory.session.agent)
        for step in replay(trajectory.session, trajectory.items, scaffold):
            if isinstance(step.answer, Rendered):
                same = form_only(step.answer.content) == form_only(step.recorded.content)
                counts[trajectory.session.agent, same] += 1
    assert {agent: n for (agent, same), n in counts.items() if not same} == {}
    assert sum(counts.values()) >= 25
