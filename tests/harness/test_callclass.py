"""Classes of calls over agent products, and which tools have no order."""

from __future__ import annotations

import pytest

from harness.callclass import action_of, call_class, has_no_order
from toolsim.trajectory import ToolCall


def bash(command: str) -> ToolCall:
    return ToolCall("1", "Bash", {"command": command})


@pytest.mark.parametrize(
    ("agent", "name", "arguments", "expected"),
    [
        ("claude-code", "Read", {"file_path": "/a"}, "view"),
        ("claude-code", "Grep", {"pattern": "x"}, "search"),
        ("claude-code", "Glob", {"pattern": "*.py"}, "search"),
        ("claude-code", "Write", {"file_path": "/a", "content": ""}, "edit"),
        ("claude-code", "TodoWrite", {"todos": []}, "note"),
        ("claude-code", "Task", {"prompt": "look"}, "outside"),
        ("claude-code", "WebFetch", {"url": "x"}, "outside"),
        ("claude-code", "Read", {}, "invalid"),
        ("claude-code", "Bash", {"command": "cd /r && git status"}, "git read"),
        ("claude-code", "Bash", {"command": "git add -A && git commit -m x"}, "git write"),
        ("claude-code", "Bash", {"command": "pytest -q | tail -3"}, "check"),
        ("claude-code", "Bash", {"command": "ls -la"}, "search"),
        ("claude-code", "Bash", {"command": "sed -n 1,20p a.py"}, "view"),
        ("claude-code", "Bash", {"command": "cat > a.py <<EOF\nx\nEOF"}, "edit"),
        ("claude-code", "Bash", {"command": "python x.py"}, "run"),
        ("claude-code", "Bash", {"command": "curl x"}, "outside"),
        ("codex", "write_stdin", {"session_id": 3, "chars": ""}, "run"),
        ("mini-swe-agent", "bash", {"command": "grep -rn x ."}, "search"),
        ("swe-agent", "command", {"command": "scroll_down"}, "view"),
        ("swe-agent", "command", {"command": "search_dir foo"}, "search"),
        ("swe-agent", "command", {"command": "edit 1:2\nx\nend_of_edit"}, "edit"),
    ],
)
def test_a_call_has_one_class_whatever_the_product(agent, name, arguments, expected):
    assert call_class(ToolCall("1", name, arguments), agent) == expected


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("find . -name x", True),
        ("find . | sort", False),
        ("find . | head -5 && cat a", False),
        ("cd /r; grep -rn a . 2>&1 | head -3", True),
        ("grep -n a b.py", False),
        ("rg x --sort path", False),
        ("rg x\nfd y", True),
        ("ls", False),
        ("git ls-files", False),
        ("echo '", False),
        ("for f in a; do rg x; done", False),
        ("", False),
    ],
)
def test_a_command_line_has_no_order_only_if_all_of_it_has_none(line, expected):
    assert has_no_order(action_of(bash(line), "claude-code")) is expected
