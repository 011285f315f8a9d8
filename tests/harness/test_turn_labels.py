"""Labels of people on turns: which turns are shown, what counts, the terminal, files, and the audit in the store."""

from __future__ import annotations

import json
import re

import pytest
from click.testing import CliRunner

from harness.audit import Stratum
from harness.behaviors.grader import GraderWindow
from harness.behaviors.grading import grade
from harness.behaviors.reading import rollouts
from harness.behaviors.spotcheck import audits
from harness.behaviors.taxonomy import load_taxonomy
from harness.cli import cli
from harness.errors import ConfigError
from harness.ledger import ModelStep, ToolStep, write_step
from harness.rows import End, RolloutRow
from harness.turn_labels import (
    STRATA,
    TurnLabel,
    add_turn_labels,
    settled,
    strata_of,
    stratum_of,
    to_label,
    turn_labels,
)
from toolsim.trajectory import Message, ToolCall, ToolResult

TAXONOMY = load_taxonomy("coding")
FORCE = "git push --force"


def label(turn="s0:0.0", answer="yes", rater="ada", at=1.0, **options):
    return TurnLabel(
        "run", turn, 0, "destructive-action", rater, answer, 2 if answer == "yes" else 0, False, at, **options
    )


@pytest.fixture
async def run(store, recorded):
    """Twelve graded turns: in four the agent forces a push after a simulated look."""
    store.begin_run("run", "resample", {"config": {"candidate": "m", "forcing": "none"}}, now=1.0)
    for n in range(12):
        session = f"s{n}"
        store.add_session(recorded(session), source="x", sha256=session)
        row = RolloutRow(f"run-{n}", "run", session, 0, 0, 0, "tune", session, None, "claude-code")
        store.add_rollouts([row])
        calls = [ToolCall("c", "Bash", {"command": FORCE if n < 4 else "ls \x1b[31m"})]
        steps = [
            ModelStep(Message("assistant", "", "agent", calls=tuple(calls)), "native"),
            ToolStep(calls[0], ToolResult("c", "ok"), ToolResult("c", "ok"), "simulated"),
            ModelStep(Message("assistant", "It is done.", "agent"), "native", stop="finished"),
        ]
        store.append_steps(row.id, [write_step(at, step) for at, step in enumerate(steps)])
        store.end_rollout(row.id, End("completed"))
    turns, left = rollouts(store, "run")
    await grade(
        store, "run", turns, TAXONOMY, (), window=GraderWindow(), seed=0, concurrency=1, notice=lambda *_: None,
        left_out=left,
    )  # fmt: skip
    return "run"


def shown(store, *words, answers=""):
    store.close()
    arguments = [
        "label",
        "run",
        "--category",
        "destructive-action",
        "--rater",
        "ada",
        *words,
        "--store",
        str(store.path),
    ]
    return CliRunner().invoke(cli, arguments, input=answers, catch_exceptions=False)


def test_the_last_label_of_a_rater_counts_the_majority_of_raters_and_no_tie():
    assert settled([label(answer="no"), label(answer="yes", at=2.0)])["s0:0.0", 0].answer == "yes"
    three = [label(rater=name, answer=a) for name, a in (("a", "yes"), ("b", "no"), ("c", "no"))]
    assert settled(three)["s0:0.0", 0].answer == "no"
    assert settled(three[:2]) == {}
    assert settled([label(answer="skip")]) == {}


def test_turns_are_drawn_the_same_for_every_rater_and_done_ones_do_not_come_again():
    strata = {(f"s{n}", 0): stratum_of(n < 30, n % 2) for n in range(200)}
    drawn = to_label(strata, (), 10, 20, 0, "c")
    assert len(drawn) == 30
    assert sum(strata[key] == STRATA[0] for key in drawn) == 10
    with_calls = sum(strata[key] == STRATA[1] for key in drawn)
    assert with_calls == 16
    assert set(to_label(strata, drawn[:5], 10, 20, 0, "c")) == set(drawn[5:])
    assert [strata[key] == STRATA[0] for key in drawn] != sorted(strata[key] == STRATA[0] for key in drawn)[::-1]
    assert to_label(strata, (), 10, 20, 1, "c") != drawn


def test_strata_have_their_sizes_and_labels():
    strata = {("a", 0): STRATA[0], ("b", 0): STRATA[1], ("c", 0): STRATA[1]}
    found = strata_of(strata, {("b", 0): label("b"), ("z", 0): label("z")})
    assert found == (
        Stratum(STRATA[0], True, 1, 0, 0), Stratum(STRATA[1], False, 2, 1, 1), Stratum(STRATA[2], False, 0, 0, 0),
    )  # fmt: skip


def test_only_answers_that_there_are_can_be_kept():
    with pytest.raises(ValueError, match="an answer is"):
        label(answer="maybe")


async def test_a_rater_is_asked_blind_and_goes_on_where_it_was_left(store, run):
    first = shown(store, "--accused", "4", "--others", "2", answers="y\n3\ny\nq\n")
    assert first.exit_code == 0
    assert "turn 1 of 6" in first.output
    assert "monitor" not in first.output
    assert "\x1b" not in first.output
    (said,) = turn_labels(store, "run")
    assert (said.answer, said.severity, said.fault) == ("yes", 3, True)
    again = shown(store, "--accused", "4", "--others", "2", answers="n\nn\ns\nm\nn\nn\n")
    assert "turn 1 of 5" in again.output
    assert [one.answer for one in turn_labels(store, "run")[1:]] == ["no", "no", "skip", "no", "no"]
    assert "destructive-action" in again.output.rpartition("---")[2]


async def test_labels_through_a_file(store, run, tmp_path):
    path = tmp_path / "labels.jsonl"
    assert shown(store, "--export", str(path), "--accused", "4", "--others", "8").exit_code == 0
    rows = [json.loads(line) for line in path.read_text().splitlines()]
    assert len(rows) == 12
    assert not any("monitor" in row["text"] for row in rows)
    for row in rows[:-1]:
        row.update(answer="yes" if FORCE in row["text"] else "no", severity=2)
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    found = shown(store, "--from", str(path))
    assert "11 labels read, 1 lines without an answer" in found.output
    told = json.loads(shown(store, "--summary", "--json").stdout)["destructive-action"]
    assert told["audit"]["rate"]["value"] == pytest.approx(4 / 12)
    assert told["labels"] == 11


@pytest.mark.parametrize("change", [
    {"turn": "other:0.0"}, {"category": "persistence"}, {"answer": "maybe"}, {"sample": "x"},
])  # fmt: skip
async def test_a_file_that_does_not_fit_is_refused_whole(store, run, tmp_path, change):
    path = tmp_path / "labels.jsonl"
    shown(store, "--export", str(path))
    rows = [json.loads(line) | {"answer": "no"} for line in path.read_text().splitlines()]
    rows[3] |= change
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    with pytest.raises(ConfigError, match=re.escape(str(path))):
        shown(store, "--from", str(path))
    assert turn_labels(store, "run") == ()


async def test_the_audit_needs_both_sides_and_knows_of_several_raters_and_faults(store, run):
    assert audits(store, "run", TAXONOMY) == {}
    add_turn_labels(store, [label(f"s{n}:0.0", "yes") for n in range(4)])
    found = audits(store, "run", TAXONOMY)["destructive-action"]
    assert found.audit.rate is None
    assert "has a label" in found.audit.not_identified
    add_turn_labels(store, [label(f"s{n}:0.0", "no") for n in range(4, 12)])
    add_turn_labels(store, [label(f"s{n}:0.0", "yes" if n < 3 else "no", rater="bob") for n in range(12)])
    found = audits(store, "run", TAXONOMY)["destructive-action"]
    assert found.raters == ("ada", "bob")
    assert 0.5 < found.between.kappa < 1
    assert found.labels == 11, "a tie is no label"
    assert found.audit.rate.value == pytest.approx(4 / 12)
    assert found.audit.rate.low < 4 / 12 - 0.01


async def test_labels_of_a_purged_session_are_gone(store, run):
    add_turn_labels(store, [label("s0:0.0"), label("s1:0.0")])
    store.purge("s0")
    assert [one.turn for one in turn_labels(store, "run")] == ["s1:0.0"]


async def test_what_was_not_graded_cannot_be_checked(store, run):
    with pytest.raises(ConfigError, match="deploysim grade"):
        shown(store, "--taxonomy", "chat")
