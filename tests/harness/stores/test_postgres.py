"""A store on a Postgres server: many writers at once, a lost connection, and the commands that work on it."""

from __future__ import annotations

import asyncio
import json
import re
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from click.testing import CliRunner

from harness.claims import Claims
from harness.cli import cli
from harness.errors import StoreError
from harness.ledger import ModelStep, write_step
from harness.rows import End, RolloutRow
from harness.store import Store
from harness.stores.postgres import translated
from tests import postgres_server
from tests.harness.halls import Hall
from toolsim.trajectory import Message

ROWS = [RolloutRow(f"r{n}", "run", f"s{n}", 0, 0, 0, "tune", f"s{n}", None, "codex") for n in range(40)]
FIXTURES = Path(__file__).parents[3] / "fixtures"


@pytest.fixture(scope="module")
def server():
    with postgres_server.server() as address:
        yield address


@pytest.fixture
def place(server):
    with postgres_server.database(server, "shared") as address:
        yield address


def write(place: str, writer: int) -> tuple[int, int]:
    """What each writer does: the same run, the same rollouts, the same ends, and steps of which each is one's own."""
    with Store(place) as store:
        store.begin_run("run", "resample", {"writer": writer}, now=1.0)
        new = store.add_rollouts(ROWS)
        won = 0
        for row in ROWS:
            try:
                step = write_step(0, ModelStep(Message("assistant", f"by {writer}", "agent"), "native"))
                store.append_steps(row.id, [step])
                won += 1
            except StoreError:
                pass
            store.end_rollout(row.id, End("completed", None, f"by {writer}"))
    return new, won


def test_of_many_writers_each_row_is_kept_exactly_once(place):
    with ThreadPoolExecutor(4) as writers:
        counts = list(writers.map(lambda n: write(place, n), range(4)))
    assert [sum(column) for column in zip(*counts, strict=True)] == [40, 40]
    with Store(place, create=False) as store:
        assert [row.id for row, end in store.rollouts("run") if end is not None] == sorted(r.id for r in ROWS)
        assert all(len(store.steps(row.id)) == 1 for row in ROWS)
        assert len(store.runs()) == 1


def test_sessions_of_two_writers_get_ids_of_their_own(place, recorded):
    with Store(place) as one, Store(place) as two:
        kept = [s.add_session(recorded(turns=[[["ls"]]] * n), source="a", sha256=str(n)) for n, s in
                enumerate((one, two, one, two), 1)]  # fmt: skip
        assert kept == ["added"] * 4
        assert two.add_session(recorded(), source="a", sha256="1") == "known"
        assert sorted(row.id for row in one.sessions()) == ["s1", "s1+2", "s1+3", "s1+4"]


def test_a_lost_connection_is_one_sentence_and_the_next_use_goes_on(place):
    import psycopg

    with Store(place) as store:
        store.add_rollouts(ROWS[:1])
        with psycopg.connect(place, autocommit=True) as other:
            other.execute("select pg_terminate_backend(pid) from pg_stat_activity where application_name='deploysim'")
        with pytest.raises(StoreError, match="cannot use the store in the database shared"):
            store.add_rollouts(ROWS)
        assert store.add_rollouts(ROWS) == 39


def test_a_store_of_a_newer_version_is_not_touched(place):
    with Store(place) as store:
        store.sessions()
        store.engine.execute("insert into deploysim_migrations values ('from_the_future')")
    with Store(place) as store, pytest.raises(StoreError, match="newer version"):
        store.sessions()


def test_a_frozen_forecast_is_never_changed(place):
    with Store(place) as store:
        store.add_forecast({"id": "f", "sha256": "x", "name": "n", "created_at": 1.0, "body": "{}", "version": 1})
        for change in ("update forecasts set body='[]'", "delete from forecasts"):
            with pytest.raises(StoreError, match="never changed or removed"):
                store.engine.execute(change)


def test_a_password_is_in_no_message(tmp_path):
    secret = "postgresql://someone:hunter2@/nothing?host=" + str(tmp_path)
    with pytest.raises(StoreError) as met:
        Store(secret).sessions()
    assert "hunter2" not in str(met.value)
    assert "nothing" in str(met.value)


@pytest.mark.parametrize(
    ("sql", "marked"),
    [
        ("a=? and b=:id", "a=%s and b=%(id)s"),
        ("a='?' and b like '%:x'", "a='?' and b like '%:x'".replace("%", "%%")),
        ("(facts)::json ->> 'a'", "(facts)::json ->> 'a'"),
        ('"a?"=?', '"a?"=%s'),
    ],
)
def test_marks_for_values_are_translated_outside_of_quotes(sql, marked):
    assert translated(sql).decode() == marked


def run(*words: str):
    done = CliRunner().invoke(cli, list(words), catch_exceptions=False)
    assert done.exit_code == 0, done.output + done.stderr
    return json.loads(done.stdout)


def test_the_commands_say_the_same_of_a_store_on_a_server_as_of_a_file(place, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    found = {}
    for name, store in (("file", str(tmp_path / "file.db")), ("server", place)):
        at = ("--store", store, "--calls", f"{name}-calls.db", "--json")
        imported = run("import", str(FIXTURES / "sessions"), *at)
        recorded = ("--agent", "claude-code", "--candidate", "recorded", "--simulator", "none", "--shell", "none")
        first = run("resample", *recorded, *at)
        again = run("resample", *recorded, *at)
        judged = run("discriminate", "--judge", "none", "--store", store, "--json")
        run("report", "-o", f"{name}.html", "--store", store, "--json")
        sessions = run("sessions", "--store", store, "--json")
        found[name] = [imported, first, again, judged, sessions]
    assert found["file"] == found["server"]
    assert found["file"][1]["rollouts"] > 0
    assert Counter(found["server"][1]["ends"]) == Counter(found["server"][2]["ends"])
    pages = [re.sub(r"\d+ ms", "", (tmp_path / f"{name}.html").read_text()) for name in found]
    assert pages[0] == pages[1]


def test_a_command_that_reads_files_only_says_so(place):
    done = CliRunner().invoke(cli, ["view", "--store", place])
    assert done.exit_code == 2
    assert "reads a store in a file" in done.stderr


async def test_two_batches_share_a_run_on_a_server(place):
    with Store(place) as one, Store(place) as other:
        halls = [Hall(store, count=12) for store in (one, other)]
        outcomes = await asyncio.gather(*(hall.play() for hall in halls))
        assert sorted(name for hall in halls for name in hall.resumed) == sorted(halls[0].ends)
        assert all(hall.resumed for hall in halls)
        assert [len(outcome.ends) for outcome in outcomes] == [12, 12]
        assert one.rows("select * from claims") == []


async def test_a_claim_of_another_machine_on_a_server_is_taken_over_once_it_stands_still(place):
    with Store(place) as store:
        store.add_rows("claims", [{"rollout": "r1", "owner": "another-machine 1 1 abc", "beat": 3}])
        looks = Claims(store, patience=0.1)
        assert not looks.take("r1")
        await asyncio.sleep(0.15)
        assert looks.take("r1")
