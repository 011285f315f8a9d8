"""The store's file: what is kept, what is refused, and what is gone after a purge."""

from __future__ import annotations

import os
import sqlite3
import stat
import tempfile
from contextlib import contextmanager
from pathlib import Path

import pytest

from harness import exchanges
from harness.errors import StoreError
from harness.ledger import ModelStep, write_step
from harness.rows import End, LedgerStep, RolloutRow
from harness.schema import VERSIONS
from harness.store import Store
from harness.stores.sqlite import SqliteEngine
from harness.verdicts import add_grading, add_repeat, gradings, repeats
from repos.catalog import KnownRepository
from tests import postgres_server
from toolsim.modeltypes import ModelReply, ModelRequest
from toolsim.trajectory import Message

SECRET = "correct-horse-battery-staple"
STEP = write_step(0, ModelStep(Message("assistant", "hi", "agent"), "native"))


@pytest.fixture(scope="module")
def server():
    with postgres_server.server() as address:
        yield address


@pytest.fixture
def file_store(tmp_path):
    with Store(tmp_path / "deploysim.db") as opened:
        yield opened


@pytest.fixture(params=["file", "server"])
def store(request, tmp_path):
    """Both engines: what a store promises does not depend on where it is."""
    if request.param == "file":
        with Store(tmp_path / "deploysim.db") as opened:
            yield opened
        return
    address = request.getfixturevalue("server")
    with postgres_server.database(address, "one") as place, Store(place) as opened:
        yield opened


def add(store, trajectory, sha256=None):
    return store.add_session(trajectory, source="a.jsonl", sha256=sha256 or trajectory.session.id)


def row(name="r1", run="run1", session="s1", **changes):
    facts = {"turn": 0, "step": 0, "sample": 0, "pool": "tune", "lineage": session, "repo": None, "agent": "codex"}
    return RolloutRow(name, run, session, **{**facts, **changes})


def bytes_of(folder):
    return b"".join(p.read_bytes() for p in sorted(folder.iterdir()) if p.is_file())


@contextmanager
def as_nobody():
    """Without the rights of root, which no file mode stops."""
    if os.geteuid() != 0:
        yield
        return
    os.seteuid(65534)
    try:
        yield
    finally:
        os.seteuid(0)


def test_a_session_comes_back_as_it_was_given(store, recorded):
    trajectory = recorded(turns=[[["ls"], ["cat a.py", "pytest"]], [["git log"]]], user="ada", model="m")
    assert add(store, trajectory) == "added"
    assert store.trajectory("s1") == trajectory
    (kept,) = store.sessions()
    assert (kept.turns, kept.calls, kept.results, kept.user, kept.model) == (2, 4, 4, "ada", "m")


def test_the_same_recording_is_kept_once(store, recorded):
    assert [add(store, recorded()), add(store, recorded())] == ["added", "known"]
    assert len(store.sessions()) == 1


def test_a_session_that_went_on_is_kept_as_a_new_state_in_the_pool_of_the_first(store, recorded):
    longer = [recorded(turns=[[["ls"]]] * n) for n in (1, 2, 3)]
    assert [add(store, t, f"hash {n}") for n, t in enumerate(longer)] == ["added"] * 3
    assert sorted(r.id for r in store.sessions()) == ["s1", "s1+2", "s1+3"]
    assert len({(r.lineage, r.pool) for r in store.sessions()}) == 1
    assert store.trajectory("s1+3") == longer[2]


def test_sessions_stand_in_order_of_start(store, recorded):
    for name, start in (("b", 20.0), ("c", None), ("a", 30.0), ("d", 10.0)):
        add(store, recorded(name, started_at=start))
    assert [r.id for r in store.sessions()] == ["c", "d", "b", "a"]


@pytest.mark.parametrize(
    ("asked", "found"), [("abc", "abc"), ("abd", "abd-1"), ("ab", None), ("x", None), ("ABC", None)]
)
def test_an_id_may_be_cut_to_a_unique_beginning(store, recorded, asked, found):
    for name in ("abc", "abc-2", "abd-1"):
        add(store, recorded(name))
    if found:
        assert store.full_id(asked) == found
    else:
        with pytest.raises(StoreError, match=r"(no session|3 sessions) in .* begin with"):
            store.full_id(asked)


# --- purge ---------------------------------------------------------------------------------------------------------


def with_traces(store, trajectory):
    """A session with a rollout, its ledger, pairs, a planted fake and judgements, all of which hold its text."""
    name, text = trajectory.session.id, trajectory.items[0].text
    add(store, trajectory)
    store.add_rollouts([row(f"r-{name}", session=name)])
    store.append_steps(f"r-{name}", [write_step(0, ModelStep(Message("assistant", text, "agent"), "native"))])
    store.end_rollout(f"r-{name}", End("failed", "candidate", text))
    facts, body = {"session": name}, {"recorded": text}
    store.add_pairs(
        "run1", [(f"p-{name}", f"r-{name}", "call", facts, body), (f"f-{name}", None, "fake:x", facts, body)]
    )
    for pair in (f"p-{name}", f"f-{name}"):
        store.add_judgement("run1", pair, "judge", "rs", "valid", {"reason": text})
        add_repeat(store, "run1", pair, "judge", "rs", "valid", {"reason": text})
        add_grading(store, "run1", pair, "judge", "format", "valid", {"reason": text})
    store.add_exclusions("run2", [(name, text)])
    verdict = {"source": "run1", "turn": f"{name}:0.0", "sample": 0, "grader": "g", "taxonomy": "t", "status": "graded"}
    store.add_verdicts([verdict | {"body": text, "made_at": 0.0}])
    for owner in (f"r-{name}", exchanges.of_pair("run1", f"p-{name}")):
        asked = ModelRequest(({"role": "system", "content": "the contract"}, {"role": "user", "content": text}))
        exchanges.keep(store, owner, "0", asked, ModelReply(f"answer to {owner}"))


def test_purging_removes_every_trace_of_a_session_and_nothing_of_others(store, recorded):
    with_traces(store, recorded("kept"))
    with_traces(store, recorded("gone"))
    removed = store.purge("gon")
    assert removed == {
        "judgements": 2, "labels": 0, "repeats": 2, "gradings": 2, "pairs": 2, "turn_verdicts": 1, "turn_labels": 0,
        "steps": 1, "ends": 1, "rollouts": 1, "exclusions": 1, "sessions": 1, "exchanges": 5,
    }  # fmt: skip
    assert [r.id for r in store.sessions()] == ["kept"]
    assert [(r.id, e.status) for r, e in store.rollouts("run1")] == [("r-kept", "failed")]
    assert {p[0] for p in store.pairs("run1")} == {j["pair"] for j in store.judgements("run1")} == {"p-kept", "f-kept"}
    for kept in (repeats(store, "run1"), gradings(store, "run1")):
        assert {each["pair"] for each in kept} == {"p-kept", "f-kept"}
    assert store.exclusions("run2")[0][0] == "kept"
    assert {each["owner"] for each in store.rows("select owner from exchanges")} == {"r-kept", "run1/p-kept"}
    assert len(store.rows("select hash from texts")) == 4
    if isinstance(store.engine, SqliteEngine):
        left = exchanges.read(store.db.conn, "r-kept")
        assert [text for one in left for _, text in one.messages] == ["the contract", "Do task 0 of kept."]


def test_no_byte_of_a_purged_session_stays_in_the_files(tmp_path, recorded):
    # compressed bodies hide their text: what is looked for are the bodies themselves, and a metadata text
    with Store(tmp_path / "store" / "s.db") as store:
        add(store, recorded("gone", turns=[[["ls"]] * 40], metadata={"note": SECRET}, user=SECRET))
        add(store, recorded("kept"))
        store.add_rollouts([row("r1", session="gone")])
        store.append_steps("r1", [STEP])
        bodies = [r["body"] for r in store.db.query("select body from sessions where id='gone'")]
        bodies += [r["body"] for r in store.db.query("select body from steps")]
        assert SECRET.encode() in bytes_of(tmp_path / "store")
        store.purge("gone")
        left = bytes_of(tmp_path / "store")
        assert SECRET.encode() not in left
        assert not [b for b in bodies if b in left]


def test_a_purged_session_stays_away_also_when_it_went_on(store, recorded):
    add(store, recorded())
    store.purge("s1")
    assert add(store, recorded()) == "purged"
    assert add(store, recorded(turns=[[["ls"]]] * 2), "longer") == "purged"
    assert store.sessions() == ()


def test_purging_any_state_of_a_session_removes_all_its_states_and_no_other_session(store, recorded):
    add(store, recorded())
    add(store, recorded(turns=[[["ls"]]] * 2), "longer")
    add(store, recorded("s1+more"))
    add(store, recorded("s10"))
    assert store.purge("s1+2")["sessions"] == 2
    assert sorted(r.id for r in store.sessions()) == ["s1+more", "s10"]


def test_purging_beside_another_reader_says_that_bytes_stay_until_it_ends(tmp_path, recorded):
    path = tmp_path / "s.db"
    with Store(path) as store:
        add(store, recorded())
        other = sqlite3.connect(path, isolation_level=None)
        other.execute("begin")
        other.execute("select * from sessions").fetchall()
        store.db.conn.execute("pragma busy_timeout=50")
        with pytest.raises(StoreError, match="another process"):
            store.purge("s1")
        other.close()
        assert store.sessions() == ()


def test_purging_what_is_not_there_is_one_sentence(store):
    with pytest.raises(StoreError, match=r"no session in .* begin with 'nobody'"):
        store.purge("nobody")


# --- files ---------------------------------------------------------------------------------------------------------


def test_a_store_that_must_exist_is_not_made(tmp_path):
    with pytest.raises(StoreError, match=r"there is no store at .*x\.db; `deploysim import` makes one"):
        Store(tmp_path / "x.db", create=False).sessions()
    assert not list(tmp_path.iterdir())


def test_making_a_store_object_touches_nothing(tmp_path):
    Store(tmp_path / "x.db").close()
    assert not list(tmp_path.iterdir())


def test_only_its_owner_can_read_a_store(file_store):
    file_store.sessions()
    assert stat.S_IMODE(file_store.path.stat().st_mode) == 0o600


@pytest.mark.parametrize("content", [b"this is no database, only text " * 100, bytes(range(256)) * 20])
def test_a_file_that_is_no_database_is_one_sentence(tmp_path, content):
    path = tmp_path / "s.db"
    path.write_bytes(content)
    with pytest.raises(StoreError, match=r"cannot use the store .*s\.db: file is not a database$"):
        Store(path).sessions()
    assert path.read_bytes() == content


def test_the_database_of_another_program_is_not_touched(tmp_path):
    path = tmp_path / "other.db"
    with sqlite3.connect(path) as other:
        other.execute("create table sessions (id text)")
    other.close()
    before = path.read_bytes()
    with pytest.raises(StoreError, match="is no store: it holds the tables sessions"):
        Store(path).sessions()
    assert path.read_bytes() == before


def test_a_store_of_a_newer_version_is_not_touched(file_store):
    file_store.sessions()
    file_store.db.execute(
        "insert into _sqlite_migrations (migration_set, name) values ('deploysim', 'from_the_future')"
    )
    file_store.close()
    with pytest.raises(StoreError, match="newer version"):
        file_store.sessions()


def test_a_folder_in_the_place_of_a_store_is_one_sentence(tmp_path):
    with pytest.raises(StoreError, match="cannot use the store"):
        Store(tmp_path).sessions()


def test_a_store_that_may_not_be_written_is_one_sentence(recorded):
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        with Store(folder / "s.db") as store:
            add(store, recorded())
        (folder / "s.db").chmod(0o444)
        folder.chmod(0o555)
        with as_nobody(), Store(folder / "s.db") as store, pytest.raises(StoreError, match="cannot use the store"):
            add(store, recorded("s2"))
        folder.chmod(0o755)


def test_migrations_are_applied_once(file_store):
    file_store.sessions()
    file_store.close()
    applied = [r["name"] for r in file_store.db.query("select name from _sqlite_migrations")]
    assert sorted(applied) == sorted(VERSIONS)


def test_names_that_are_no_text_are_kept_escaped(store):
    store.add_skips([("caf\udce9.jsonl", "1", "no JSON")])
    assert [r["path"] for r in store.rows("select path from skips")] == ["caf\\udce9.jsonl"]


# --- writers, runs, ledgers ----------------------------------------------------------------------------------------


def test_two_writers_take_turns(tmp_path, recorded):
    with Store(tmp_path / "s.db") as one, Store(tmp_path / "s.db") as two:
        for n in range(5):
            add(one, recorded(f"one-{n}"))
            add(two, recorded(f"two-{n}"))
        assert add(two, recorded("one-0")) == "known"
        assert len(one.sessions()) == len(two.sessions()) == 10


def test_a_writer_waits_for_the_other_and_then_says_so(tmp_path, recorded):
    with Store(tmp_path / "s.db") as one, Store(tmp_path / "s.db") as two:
        two.sessions()
        two.db.conn.execute("pragma busy_timeout=50")
        one.db.conn.execute("begin immediate")
        with pytest.raises(StoreError, match="database is locked"):
            add(two, recorded())
        one.db.conn.rollback()
        assert add(two, recorded()) == "added"


def test_a_step_is_written_once(store):
    store.append_steps("r1", [STEP])
    with pytest.raises(StoreError, match="cannot use the store"):
        store.append_steps("r1", [LedgerStep(0, "model", {"other": True})])
    assert store.steps("r1") == (STEP,)


def test_steps_are_written_all_or_none(store):
    store.append_steps("r1", [STEP])
    with pytest.raises(StoreError):
        store.append_steps("r1", [LedgerStep(1, "tool", {}), STEP])
    assert [s.n for s in store.steps("r1")] == [0]


def test_the_first_end_of_a_rollout_stays(store):
    store.add_rollouts([row()])
    store.end_rollout("r1", End("completed", None, "finished", {"steps": 3}))
    store.end_rollout("r1", End("failed", "shell", "late"))
    assert store.rollouts("run1") == ((row(), End("completed", None, "finished", {"steps": 3})),)


def test_what_is_registered_again_adds_nothing(store):
    manifest = {"config": {"seed": 1}}
    assert store.begin_run("abc", "resample", manifest, now=1.0)
    assert not store.begin_run("abc", "resample", {}, now=2.0)
    assert store.run("a")["manifest"] == manifest
    assert (store.add_rollouts([row(), row("r2", sample=1)]), store.add_rollouts([row()])) == (2, 0)
    known = KnownRepository(Path("/r.git"), "https://h/o/n", "o/n")
    assert (store.add_repository(known), store.add_repository(known)) == (True, False)
    assert store.repositories() == (known,)
    pair = ("p", None, "call", {"a": 1}, {"b": "ä\ud800"})
    assert (store.add_pairs("abc", [pair]), store.add_pairs("abc", [pair])) == (1, 0)
    assert store.pairs("abc") == (pair,)


def test_the_newest_run_is_taken_where_none_is_named(store):
    with pytest.raises(StoreError, match="there is no run in"):
        store.run()
    for name, at in (("aa1", 2.0), ("aa2", 1.0)):
        store.begin_run(name, "resample", {}, now=at)
    assert store.run()["id"] == "aa1"
    with pytest.raises(StoreError, match=r"2 runs in .* begin with 'aa': aa2, aa1"):
        store.run("aa")
    with pytest.raises(StoreError, match="no run that begins with 'zz'"):
        store.run("zz")
