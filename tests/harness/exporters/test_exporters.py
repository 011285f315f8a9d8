"""Rollouts for other programs: ATIF by the `atif` package, Inspect's own reader, Parquet, and ours again."""

from __future__ import annotations

import json
from pathlib import Path

import atif
import pyarrow.parquet as pq
import pytest
from click.testing import CliRunner
from inspect_ai.log import read_eval_log

from harness.behaviors.grader import GraderWindow
from harness.behaviors.grading import grade
from harness.behaviors.reading import rollouts
from harness.behaviors.taxonomy import load_taxonomy
from harness.cli import cli
from harness.errors import HarnessError
from harness.exporters.inspect_logs import write_inspect
from harness.exporters.parquet import TABLES
from harness.exporters.rollouts import exported
from harness.exporters.scores import scores_of
from harness.importers.detection import read_paths
from harness.ledger import ModelStep, Spent, ToolStep, write_step
from harness.rows import End, RolloutRow
from toolsim.actions import PutFile
from toolsim.trajectory import Message, ToolCall, ToolResult, Trajectory

FORCE = "git push --force"


@pytest.fixture
async def run(store, recorded):
    """Five rollouts: three completed (the first forces a push and writes a file), one failed, one that never acted."""
    manifest = {"config": {"candidate": "m", "simulator": "sim", "forcing": "none", "rungs": ["computed"]}}
    store.begin_run("run", "resample", manifest, now=1.0)
    for n in range(5):
        session = f"s/{n}"
        store.add_session(recorded(session, turns=[[["ls"]], [["ls"]]]), source="x", sha256=session)
        row = RolloutRow(f"run-{n}", "run", session, 1, 0, 0, "tune", session, "https://h/o/r", "claude-code")
        store.add_rollouts([row])
        if n == 4:
            store.end_rollout(row.id, End("excluded", None, "does not fit"))
            continue
        same = f"{session}-0"  # the id of a call of the prefix
        call = ToolCall(same, "Bash", {"command": FORCE if n == 0 else "ls \ud800"})
        result = ToolResult(same, "ok <script>\x1b[31m", is_error=n == 0, exit_code=n)
        steps = [
            ModelStep(
                Message("assistant", "I act.", "agent", "Hm.", (call,)), "native", Spent(1, 100, 40, 10, 0.5, 2.0)
            ),
            ToolStep(
                call, result, result, "simulated", (PutFile("/r/a", b"x"),) if n == 0 else (), {"files": ["a"]},
                Spent(1, 50, 0, 5, None, 1.0), seconds=1.5,
            ),
            ModelStep(Message("assistant", f"Done {n}.", "agent"), "native", stop="finished"),
        ]  # fmt: skip
        store.append_steps(row.id, [write_step(at, step) for at, step in enumerate(steps)])
        store.end_rollout(row.id, End("failed", "simulated", "no model") if n == 3 else End("completed"))
    turns, left = rollouts(store, "run")
    await grade(
        store, "run", turns, load_taxonomy("coding"), (), window=GraderWindow(), seed=0, concurrency=1,
        notice=lambda *_: None, left_out=left,
    )  # fmt: skip
    pair = ("p1", "run-0", "turn", {"lineage": "s/0"}, {"kind": "turn"})
    store.add_pairs("run", [pair])
    for sides, taken in (("rs", True), ("sr", False)):
        facts = {"simulated_taken": taken, "probability": 0.8, "reason": "looks so"}
        store.add_judgement("run", "p1", "judge", sides, "valid", facts)
    store.add_judgement("run", "p1", "judge", "rs", "EndpointError", {"reason": "down"})
    return "run"


def export(store, form, folder, run="run"):
    store.close()
    words = ["export", "--run", run, "--format", form, "-o", str(folder), "--json", "--store", str(store.path)]
    found = CliRunner().invoke(cli, words, catch_exceptions=False)
    assert found.exit_code == 0
    return json.loads(found.stdout), found.stderr


def read(path):
    return json.loads(Path(path).read_text("utf-8"))


def imported(path):
    return [item for item in read_paths([path]) if isinstance(item, Trajectory)]


async def test_atif_is_valid_says_where_it_is_from_and_comes_back_whole(store, run, tmp_path):
    written, said = export(store, "atif", tmp_path / "out")
    assert len(written) == 4
    assert "1 rollouts without a step, excluded" in said
    documents = [read(path) for path in sorted(written)]
    for document in documents:
        atif.Trajectory.model_validate(document)
    by = {d["extra"]["deploysim_rollout"]["rollout"]: d["extra"]["deploysim_rollout"] for d in documents}
    facts = by["run-0"]
    assert (facts["run"], facts["session"], facts["turn"], facts["candidate"]) == ("run", "s/0", 1, "m")
    (call,) = facts["calls"]
    assert (call["rung"], call["mutations"]) == ("simulated", [{"kind": "put", "path": "/r/a"}])
    assert by["run-3"]["end"] == {"status": "failed", "stage": "simulated", "reason": "no model"}
    again = {t.session.id: t for path in written for t in imported(path)}
    for one in exported(store, run):
        back = again[one.trajectory.session.id]
        assert back == one.trajectory
        assert len(one.trajectory.items) - facts["prefix_items"] == len(one.turn) == 3


async def test_a_call_id_that_the_prefix_has_already_is_renamed_with_its_result(store, run):
    one = next(exported(store, run))
    ids = [call.id for item in one.trajectory.items for call in item.calls]
    assert len(ids) == len(set(ids)) == 2
    assert one.calls[0].call.id == one.turn[0].calls[0].id == one.turn[1].result.call_id


async def test_inspect_reads_the_logs_and_so_do_we(store, run, tmp_path):
    written, _ = export(store, "inspect", tmp_path / "out")
    log = read_eval_log(written[0])
    assert log.status == "success"
    assert (log.results.total_samples, log.results.completed_samples) == (4, 3)
    samples = {sample.metadata["deploysim"]["rollout"]: sample for sample in log.samples}
    first = samples["run-0"]
    assert first.scores["realism: judge"].value == 0.5
    assert first.scores["destructive-action"].value >= 2
    assert FORCE in first.scores["destructive-action"].explanation
    (event,) = [event for event in first.events if event.event == "tool"]
    assert (event.metadata["deploysim"]["rung"], event.failed) == ("simulated", True)
    assert samples["run-3"].error.message == "simulated: no model"
    assert samples["run-1"].model_usage["m"].input_tokens == 150
    found = imported(written[0])
    assert len(found) == 4
    texts = [m.text for m in found[0].items if m.role == "assistant"]
    assert texts[-1].startswith("Done ")


async def test_logs_are_split_so_that_memory_stays_flat(store, run, tmp_path):
    paths = write_inspect(exported(store, run), scores_of(store, run), tmp_path, per_file=3)
    assert [len(read_eval_log(str(path)).samples) for path in paths] == [3, 1]


async def test_parquet_tables_have_their_columns_and_rows(store, run, tmp_path):
    written, _ = export(store, "parquet", tmp_path / "out")
    tables = {name: pq.read_table(path) for name, path in zip(TABLES, written, strict=True)}
    assert all(tuple(table.schema.names) == tuple(TABLES[name]) for name, table in tables.items())
    rollout = tables["rollouts"].to_pylist()[0]
    assert (rollout["model_calls"], rollout["prompt_tokens"], rollout["cost"], rollout["seconds"]) == (2, 150, 0.5, 3.0)
    assert [row["status"] for row in tables["rollouts"].to_pylist()] == [
        "completed",
        "completed",
        "completed",
        "failed",
    ]
    calls = tables["calls"].to_pylist()
    assert calls[0]["rung"] == "simulated"
    assert "ud800" in calls[1]["arguments"]
    said = tables["judgements"].to_pylist()
    assert sorted((r["sides"], r["status"], r["simulated_taken"]) for r in said) == [
        ("rs", "EndpointError", None), ("rs", "valid", True), ("sr", "valid", False),
    ]  # fmt: skip
    verdicts = tables["verdicts"].to_pylist()
    assert {row["turn"] for row in verdicts} == {"s/0:1.0", "s/1:1.0", "s/2:1.0"}
    assert [r["severity"] for r in verdicts if r["category"] == "destructive-action"] != []


async def test_nothing_is_overwritten(store, run, tmp_path):
    export(store, "parquet", tmp_path / "out")
    with pytest.raises(HarnessError, match="is there already"):
        export(store, "parquet", tmp_path / "out")


@pytest.mark.parametrize("words", [["--format", "inspect"], ["--run", "run", "some-session"]])
def test_what_does_not_go_together_is_said(store, words):
    store.close()
    found = CliRunner().invoke(cli, ["export", *words, "--store", str(store.path)])
    assert found.exit_code == 2
