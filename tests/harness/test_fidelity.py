"""Grades of nearness: what counts as the same result, and what does not."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.fidelity import Grade, grade, grade_results, tally
from toolsim.trajectory import ToolCall, ToolResult

LONG = "".join(f"line {n} of the output\n" for n in range(30))


def named(recorded: str, answered: str, command: str = "") -> str:
    return grade(recorded, answered, command).name


@pytest.mark.parametrize(
    ("command", "recorded", "answered"),
    [
        ("", f"Chunk ID: a1b2c3\n{LONG}", f"Chunk ID: ffeedd\n{LONG}"),
        ("", f"Wall time: 0.0512 seconds\n{LONG}", f"Wall time: 1.2 seconds\n{LONG}"),
        ("", f"{LONG}Process Group PGID: 4711\n", f"{LONG}Process Group PGID: 99\n"),
        ("", f"{LONG}Process running with session ID 5821\n", f"{LONG}Process running with session ID 11\n"),
        ("", f"{LONG}<shellId: 3 completed with exit code 0>", f"{LONG}<shellId: 12 completed with exit code 0>"),
        ("Bash(git commit -m x)", f"[main 1a2b3c4] x\n{LONG}", f"[main 9f8e7d6] x\n{LONG}"),
        ("Bash(git -C /r stash)", f"{LONG}Dropped (1a2b3c4d)", f"{LONG}Dropped (deadbee0)"),
        ("Bash(pytest -q)", f"{LONG}3 passed in 0.12s", f"{LONG}3 passed in 1.05s"),
        ("Bash(go test ./...)", f"{LONG}ok  \tpkg\t0.004s", f"{LONG}ok  \tpkg\t2.1s"),
        ("Bash(npm ci)", f"{LONG}added 5 packages in 3s", f"{LONG}added 5 packages in 900ms"),
        ("Bash(ls -la)", f"{LONG}-rw-r--r-- 1 a a 5 Mar  3 10:02 x", f"{LONG}-rw-r--r-- 1 a a 5 Nov 12 2025 x"),
        ("Bash(date)", f"{LONG}Tue Mar 3 10:02:11", f"{LONG}Tue Mar 3 23:59:00"),
        ("Bash(date -I)", f"{LONG}2026-03-03", f"{LONG}2025-01-01"),
        ("Bash(date -u +%Y%m%dT%H%M%SZ)", f"{LONG}20260626T221618Z", f"{LONG}20260626T221619Z"),
        ("Bash(a=$(mktemp); echo $a)", f"{LONG}/tmp/tmp.q0o1M2Fdf3", f"{LONG}/tmp/tmp.o12U6iGacL"),
        ("Bash(mktemp /tmp/x.XXXXXX.md)", f"{LONG}/tmp/x.0pT8E8.md", f"{LONG}/tmp/x.ksJ7VM.md"),
        ("", LONG.replace("\n", "\r\n"), LONG),
    ],
)
def test_what_is_form_only_is_masked(command, recorded, answered):
    assert named(recorded, answered, command) == "equal"


@pytest.mark.parametrize(
    ("command", "recorded", "answered"),
    [
        ("", f"The Wall time: 1 seconds\n{LONG}", f"The Wall time: 2 seconds\n{LONG}"),
        ("", f"{LONG}commit 1a2b3c4", f"{LONG}commit 9f8e7d6"),
        ("Bash(git log)", f"commit 1a2b3c4\n{LONG}", f"commit 9f8e7d6\n{LONG}"),
        ("Bash(cat times.txt)", f"{LONG}took 0.12s", f"{LONG}took 0.13s"),
        ("Bash(pytest)", f"{LONG}3 passed in 0.12s", f"{LONG}4 passed in 0.12s"),
        ("Bash(pytest)", f"{LONG}3 passed in 0.12s", f"{LONG}3 failed in 0.12s"),
        ("Bash(ls)", f"{LONG}Mar  3 10:02 x", f"{LONG}Mar  4 10:02 x"),
        ("Bash(update)", f"{LONG}10:02", f"{LONG}10:03"),
        ("Bash(mktemp -d; ls)", f"{LONG}first.module", f"{LONG}other.module"),
        ("", LONG, LONG.replace("line 7", "line 8")),
        ("", "a", ""),
        ("", "", "a"),
        ("", "short and cut", "short"),
    ],
)
def test_what_a_mask_does_not_cover_is_a_difference(command, recorded, answered):
    assert named(recorded, answered, command) == "different"


@pytest.mark.parametrize(
    ("recorded", "answered", "name"),
    [
        (f"key=REDACTED\n{LONG}", f"key=abc\n{LONG}", "equal"),
        (f"a REDACTED b REDACTED c\n{LONG}", f"a 1 b 2 c\n{LONG}", "equal"),
        (f"{LONG}x=REDACTED;", f"{LONG}x=1;2;", "equal"),
        (f"{LONG}key=REDACTED", f"{LONG}key=", "equal"),
        (f'key="[REDACTED]"\n{LONG}', f'key="abc"\n{LONG}', "equal"),
        (f'key="[REDACTED]"\n{LONG}', f'key="abc\n{LONG}', "different"),
        (f"key=REDACTED\n{LONG}", f"other=abc\n{LONG}", "different"),
        (f"key=REDACTED\n{LONG}", f"key=abc\n{LONG}more\n", "different"),
        (f"{LONG}aREDACTEDab", f"{LONG}ab", "different"),
        ("REDACTED", "anything", "near"),
        ("token REDACTED", "token abc", "near"),
    ],
)
def test_a_redacted_span_stands_for_any_text(recorded, answered, name):
    assert named(recorded, answered) == name


def test_the_same_lines_in_another_order_are_a_grade_of_their_own_where_the_tool_has_none():
    mixed = "\n".join([*reversed(LONG.splitlines()), ""])
    assert grade(LONG, mixed, ordered=False).name == "order"
    assert named(LONG, mixed) == "different"
    assert grade("a\na\nb", "a\nb\nb", ordered=False).name == "different"


@pytest.mark.parametrize(
    ("name", "arguments", "expected"),
    [
        ("Grep", {"pattern": "x"}, "order"),
        ("Bash", {"command": "cd /r && rg x 2>/dev/null | head -5"}, "order"),
        ("Bash", {"command": "rg x | sort"}, "different"),
        ("Bash", {"command": "cat a"}, "different"),
        ("Read", {"file_path": "/r/a"}, "different"),
    ],
)
def test_only_a_call_without_an_order_is_right_in_another(name, arguments, expected):
    call = ToolCall("1", name, arguments)
    assert grade_results(ToolResult("1", "a\nb"), ToolResult("1", "b\na"), call, "claude-code").name == expected


@pytest.mark.parametrize(
    ("recorded", "answered", "expected"),
    [
        ({"is_error": True}, {"is_error": False}, "different"),
        ({"is_error": True}, {}, "different"),
        ({"is_error": False}, {}, "equal"),
        ({}, {"is_error": True}, "equal"),
        ({"exit_code": 1}, {"exit_code": 0}, "different"),
        ({"exit_code": 1}, {"exit_code": 1}, "equal"),
        ({"exit_code": 1}, {}, "equal"),
    ],
)
def test_the_same_text_with_another_flag_or_exit_code_is_not_equal(recorded, answered, expected):
    one, other = ToolResult("1", "same", **recorded), ToolResult("1", "same", **answered)
    assert grade_results(one, other, ToolCall("1", "Bash", {"command": "x"}), "claude-code").name == expected


def test_the_masks_of_a_command_line_do_not_touch_other_tools():
    call = ToolCall("1", "Write", {"file_path": "/a", "content": "git commit"})
    one, other = ToolResult("1", f"{LONG}1a2b3c4"), ToolResult("1", f"{LONG}9f8e7d6")
    assert grade_results(one, other, call, "claude-code").name == "different"


def test_a_text_of_which_more_than_a_fifth_is_masked_is_only_near():
    assert grade("Wall time: 0.0512345678 seconds\nok", "Wall time: 1 seconds\nok") == Grade("near", 12 / 34)
    short = "Wall time: 0.0512345678 seconds\na\nb"
    assert grade(short, "Wall time: 1 seconds\nb\na", ordered=False).name == "near"


def test_a_long_text_that_is_only_cut_off_is_near():
    assert named(LONG, LONG[:300]) == "near"
    assert named(LONG[:300], LONG) == "near"
    assert named(LONG, LONG[:150]) == "different"


def test_right_is_equal_up_to_order():
    assert [Grade(name, 0.0).right for name in ("equal", "order", "near", "different")] == [True, True, False, False]


def test_a_tally_counts_best_first_and_leaves_out_what_is_not_there():
    grades = [Grade(name, 0.0) for name in ("different", "equal", "near", "equal")]
    assert list(tally(grades).items()) == [("equal", 2), ("near", 1), ("different", 1)]


@given(st.text(max_size=80), st.text(max_size=80), st.sampled_from(["", "Bash(pytest)", "Bash(git commit)"]))
def test_a_text_is_equal_to_itself_and_masks_hide_a_share(one, other, command):
    assert grade(one, one, command) == Grade("equal", 0.0)
    assert 0 <= grade(one, other, command).masked <= 1
