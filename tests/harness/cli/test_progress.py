"""Progress on stderr: figures that hold for a resumed run too, few lines where there is no terminal, inert text."""

from __future__ import annotations

import io
import re

import pytest
from rich.console import Console

from harness.cli import progress
from harness.cli.progress import Watch, duration, failed_grades, failed_judgements, failed_rollouts
from harness.rows import End, RolloutRow
from toolsim.modeltypes import Budget, Usage


class Clock:
    def __init__(self):
        self.now = 100.0

    def __call__(self):
        return self.now


def test_rate_and_time_left_are_of_what_this_command_did_itself():
    clock = Clock()
    watch = Watch("rollouts", clock=clock)
    watch.take(40, 100)  # forty were done by an earlier command
    clock.now += 60
    watch.take(50, None)
    assert watch.line() == "rollouts: 50/100 · 10.0/min · 5 min left"


def test_the_pace_of_work_that_tells_no_plan_counts_from_its_beginning():
    clock = Clock()
    watch = Watch("judgements", clock=clock)
    clock.now += 10
    watch.take(1, 5)
    assert watch.line() == "judgements: 1/5 · 6.0/min · 40 s left"


def test_nothing_is_said_of_a_pace_before_anything_is_done():
    watch = Watch("rollouts", clock=Clock())
    watch.take(0, 10)
    assert watch.line() == "rollouts: 0/10"


def test_model_calls_tokens_and_cost_are_counted_and_calls_without_a_price_named():
    budget = Budget()
    for cost in (0.25, None):
        budget.admit("m", priced=cost is not None)
        budget.charge(Usage(900, 0, 100), cost)
    watch = Watch("grades", budget, clock=Clock())
    watch.take(0, 2)
    assert watch.line() == "grades: 0/2 · 2 model calls · 2,000 tokens · 0.25 USD and 1 calls without a price"


def test_failures_are_looked_up_now_and_then_and_at_the_end():
    clock, looks = Clock(), []

    def failures():
        looks.append(clock.now)
        return {"at candidate": 3, "at shell": 1, "a": 1, "b": 1, "c": 1}

    watch = Watch("rollouts", failures=failures, clock=clock)
    watch.take(0, 9)
    assert watch.facts() == "failed: 3 at candidate, 1 at shell, 1 a, 1 b, 1 others"
    clock.now += 0.5
    watch.facts()
    assert len(looks) == 1
    watch.take(9, None)
    watch.facts()
    assert len(looks) == 2


@pytest.mark.parametrize(("seconds", "text"), [(40, "40 s"), (700, "12 min"), (12_600, "3.5 h")])
def test_lengths_of_time_are_for_people(seconds, text):
    assert duration(seconds) == text


def test_without_a_terminal_there_are_few_plain_lines_and_the_last_one_is_true(capsys, monkeypatch):
    with progress.bar("rollouts") as tell:
        tell(0, total=1000)
        for n in range(1, 901):
            tell(n, f"session {n}")
    said = capsys.readouterr()
    lines = said.err.splitlines()
    assert said.out == ""
    assert len(lines) < 20
    assert lines[0] == "rollouts: 0/1000"
    assert lines[-1].startswith("rollouts: 900/1000")


def test_in_a_terminal_text_of_a_session_is_neither_markup_nor_an_escape_sequence():
    out = io.StringIO()
    console = Console(file=out, force_terminal=True, width=120, color_system=None)
    with progress.contextmanager(progress._drawn)(console, Watch("rollouts")) as tell:
        tell(1, "[red]boo[/red] \x1b]0;owned\x07 \u202ex", total=3)
    said = re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", out.getvalue())
    assert "[red]boo[/red]" in said
    assert "\x1b]0;" not in said
    assert "\u202e" not in said
    assert "1/3" in said


def test_failures_come_from_the_store_by_run_and_reason(store):
    store.begin_run("run1", "resample", {}, now=0.0)
    store.add_rollouts([RolloutRow(f"r{n}", "run1", "s1", 0, 0, n, "tune", "s1", None, "a") for n in range(3)])
    store.end_rollout("r0", End("failed", "candidate", "x"))
    store.end_rollout("r1", End("completed"))
    store.add_judgement("run1", "p", "judge", "rs", "Refused", {})
    store.add_judgement("run1", "p", "judge", "sr", "valid", {})
    verdict = {"source": "run1", "turn": "t", "sample": 0, "grader": "g", "taxonomy": "t", "body": "", "made_at": 0.0}
    store.add_verdicts([verdict | {"status": "OutputInvalid"}])
    assert failed_rollouts(store, ["run1"])() == {"at candidate": 1}
    assert failed_rollouts(store, [])() == {}
    assert failed_judgements(store, "run1")() == {"Refused": 1}
    assert failed_grades(store, "run1")() == {"OutputInvalid": 1}
