"""A pair database of several files is one database: the same pairs, the same hits, and each file is the right one."""

from __future__ import annotations

import math
import shutil
import sqlite3
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from toolsim.calldb import CallDatabase
from toolsim.errors import CallDatabaseError
from toolsim.recordedcalls import RecordedCall, call_key
from toolsim.trajectory import ToolCall, ToolResult


def pair(session: int, position: int, **changes) -> RecordedCall:
    command = changes.pop("command", f"pytest test_{session}.py -k case{position % 3}")
    call = ToolCall(f"c{position}", "Bash", {"command": command})
    result = ToolResult(call.id, f"{command}: {position} passed")
    known = RecordedCall(
        f"s{session}", f"l{session}", "acme/cli", "claude-code", "Bash", call, command, result, 10.0 * position, "/r",
        position,
    )  # fmt: skip
    return replace(known, **changes)


def recordings(sessions=12, length=10) -> list[list[RecordedCall]]:
    return [[pair(session, position) for position in range(length)] for session in range(sessions)]


def many(path: Path, file_pairs=25) -> CallDatabase:
    return CallDatabase(path / "calls.db", file_pairs=file_pairs)


def files(path: Path) -> list[str]:
    return sorted(file.name for file in path.glob("*.db"))


@pytest.fixture
def one(tmp_path):
    with CallDatabase(tmp_path / "one" / "calls.db") as database:
        for session in recordings():
            database.add(session)
        yield database


@pytest.fixture
def several(tmp_path):
    with many(tmp_path / "several") as database:
        for session in recordings():
            database.add(session)
        yield database


def test_a_database_goes_on_in_further_files(several):
    folder = several.path.parent
    assert files(folder) == ["calls.2.db", "calls.3.db", "calls.4.db", "calls.db"]
    held = []
    for name in files(folder):
        with closing(sqlite3.connect(folder / name)) as file:
            held.append(file.execute("select count(*) from calls").fetchone()[0])
        assert (folder / name).stat().st_mode & 0o777 == 0o600
    assert held == [30, 30, 30, 30]


SEARCHES = [
    {}, {"limit": 3}, {"limit": 40}, {"tool": "Bash"}, {"tool": "exec"}, {"repo": "acme/cli"}, {"before": 35.0},
    {"not_lineage": ["l0", "l5"]}, {"responses": True},
]  # fmt: skip


@pytest.mark.parametrize("conditions", SEARCHES)
@pytest.mark.parametrize("text", ["pytest test_7.py", "case1", "pytest -k case2 test_0.py", "passed"])
def test_searches_find_the_same_with_the_same_scores(one, several, text, conditions):
    found = several.search(text, **conditions)
    assert found == one.search(text, **conditions)
    assert [hit.score for hit in found] == pytest.approx([hit.score for hit in one.search(text, **conditions)])


def test_an_exact_key_is_looked_for_in_every_file(tmp_path):
    pairs = [pair(n, n, command="git status", at=None if n == 4 else 100.0 * (n % 5)) for n in range(12)]
    key = call_key("Bash", {"command": "git status"}, "/r")
    found = []
    for file_pairs in (2, 100):
        with many(tmp_path / str(file_pairs), file_pairs) as database:
            for each in pairs:
                database.add([each])
            found.append([
                database.exact(key), database.exact(key, limit=5), database.exact(key, limit=0),
                database.exact(key, before=300.0), database.exact(key, not_lineage="l3", limit=2),
                database.exact(key, repo="acme/cli"), database.exact(key, repo="acme/web"),
            ])  # fmt: skip
    assert found[0] == found[1]
    assert [len(hits) for hits in found[0]] == [12, 5, 0, 8, 2, 12, 0]
    assert [hit.at for hit in found[0][0]] == [None, 0, 0, 0, 100, 100, 100, 200, 200, 300, 300, 400]
    assert [hit.at for hit in found[0][1]] == [200, 200, 300, 300, 400]


def test_count_and_hash_do_not_depend_on_the_files(one, several):
    assert (several.count(), several.hash()) == (one.count(), one.hash()) == (120, one.hash())
    several.add([pair(99, 0)])
    assert several.hash() != one.hash()
    several.purge("s99")
    assert several.hash() == one.hash()


def test_adding_again_adds_nothing_to_any_file(several):
    before = several.hash()
    assert several.add(each for session in reversed(recordings()) for each in session) == 0
    assert (several.count(), several.hash()) == (120, before)


def test_a_session_that_goes_on_stays_in_its_file_and_is_found(several):
    several.refresh()
    assert several.add([pair(0, position) for position in range(5, 14)]) == 4
    with closing(sqlite3.connect(several.path)) as first:
        assert first.execute("select count(*) from calls").fetchone() == (34,)
    found = several.search("pytest test_0.py", limit=20)
    assert {hit.position for hit in found if hit.session == "s0"} == set(range(14))
    assert several.origin("s0", 13) == ("l0", 130.0)
    assert several.origin("s0", 14) is None


def test_a_purged_session_is_gone_from_its_file_and_the_others_stay(several):
    secret = "s3cretw0rd"
    several.add([pair(3, 50, command=f"echo {secret}")])
    several.add([pair(30, 0)])
    assert several.search(secret)[0].arguments_text == f"echo {secret}"
    assert several.purge("s3") == 11
    assert several.count() == 111
    assert not [hit for hit in several.search(secret, limit=200) if secret in hit.arguments_text]
    everything = several.search("pytest", limit=200)
    assert {hit.session for hit in everything} == {f"s{n}" for n in (*range(12), 30) if n != 3}
    assert all(each in everything for session in recordings() for each in session if each.session != "s3")
    several.close()
    for file in several.path.parent.rglob("*"):
        assert not file.is_file() or secret.encode() not in file.read_bytes(), file


def test_sessions_are_filed_under_their_repository_in_every_file(tmp_path):
    with many(tmp_path, 3) as database:
        for session in range(4):
            database.add(pair(session, position, repo=None) for position in range(3))
        assert database.file_under({"s0": "acme/cli", "s3": "acme/web", "s9": "acme/web"}) == 6
        assert {hit.session for hit in database.search("pytest", repo="acme/web", limit=50)} == {"s3"}
        assert {hit.session for hit in database.search("pytest", repo="acme/cli", limit=50)} == {"s0"}


def test_a_reader_sees_files_that_were_begun_by_others(several):
    with CallDatabase(several.path) as reader:
        assert reader.count() == 120
        for session in range(20, 30):
            several.add(pair(session, position) for position in range(10))
        assert len(files(several.path.parent)) > 4
        assert reader.count() == 220
        assert reader.search("pytest test_29.py", limit=1)[0].session == "s29"
        assert len(reader.exact(call_key("Bash", {"command": "pytest test_29.py -k case0"}, "/r"))) == 4


def test_two_writers_share_the_files(tmp_path):
    with many(tmp_path, 10) as left, many(tmp_path, 10) as right:
        for session in range(0, 20, 2):
            left.add(pair(session, position) for position in range(7))
            right.add(pair(session + 1, position) for position in range(7))
        assert left.count() == right.count() == 140
        assert left.hash() == right.hash()
        numbers = [n for file in left._files() for (n,) in file.db.execute("select seq from calls")]
        assert len(set(numbers)) == 140
        assert {hit.session for hit in right.search("case0", limit=200)} == {f"s{n}" for n in range(20)}


def test_a_file_that_is_missing_or_of_another_database_is_named(several, tmp_path):
    several.close()
    second = several.path.with_name("calls.2.db")
    kept = second.read_bytes()
    second.unlink()
    with CallDatabase(several.path) as database, pytest.raises(CallDatabaseError, match=r"calls\.2\.db is missing"):
        database.count()
    with many(tmp_path / "other") as other:
        other.add(recordings()[0])
    shutil.copy(tmp_path / "other" / "calls.db", second)
    with CallDatabase(several.path) as database, pytest.raises(CallDatabaseError, match=r"calls\.2\.db is no file of"):
        database.search("x")
    second.write_bytes(kept)
    with CallDatabase(several.path) as database:
        assert database.count() == 120


def test_what_stands_in_the_way_of_a_new_file_is_left_alone(tmp_path):
    with CallDatabase(tmp_path / "calls.2.db") as other:
        other.add([pair(50, 0)])
    with many(tmp_path, 5) as database:
        database.add(recordings()[0])
        with pytest.raises(CallDatabaseError, match="in the way"):
            database.add(recordings()[1])
        assert database.count() == 10
    with CallDatabase(tmp_path / "calls.2.db") as other:
        assert other.count() == 1


def test_a_file_whose_beginning_was_interrupted_is_taken(tmp_path):
    with CallDatabase(tmp_path / "calls.2.db") as begun:
        assert begun.count() == 0
    with many(tmp_path, 5) as database:
        database.add(recordings()[0])
        assert database.add(recordings()[1]) == 10
        assert database.count() == 20


def test_an_earlier_version_is_refused_with_what_to_do(several):
    with closing(sqlite3.connect(several.path)) as file:
        file.execute("update about set version = version - 1")
        file.commit()
    with CallDatabase(several.path) as database, pytest.raises(CallDatabaseError, match="import the sessions again"):
        database.count()


def test_an_add_that_fails_keeps_whole_batches_and_can_be_made_again(tmp_path):
    class Broken(Exception):
        pass

    def breaking(sessions):
        yield from (pair(session, n) for session in range(sessions) for n in range(100))
        raise Broken

    with many(tmp_path, 10_000) as database:
        with pytest.raises(Broken):
            database.add(breaking(100))
        kept = database.count()
        assert database.add(pair(session, n) for session in range(100) for n in range(100)) == 10_000 - kept
        assert kept > 0
        assert {hit.session for hit in database.search("test_29.py", limit=100)} == {"s29"}


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(st.characters(), max_size=8)
    | st.sampled_from(["null", "a\nb", "\x00"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=3),
    max_leaves=6,
)  # fmt: skip


def same(left, right) -> bool:
    """Equal, with NaN equal to itself."""
    if isinstance(left, dict):
        return isinstance(right, dict) and left.keys() == right.keys() and all(same(left[k], right[k]) for k in left)
    if isinstance(left, list):
        return isinstance(right, list) and len(left) == len(right) and all(map(same, left, right))
    if isinstance(left, float) and math.isnan(left):
        return isinstance(right, float) and math.isnan(right)
    return bool(left == right) and type(left) is type(right)


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(st.dictionaries(st.text(max_size=5), json_values, max_size=3), json_values), max_size=6))
def test_every_json_value_comes_back_from_a_block(tmp_path_factory, values):
    pairs = [
        pair(n, n, call=ToolCall(f"c{n}", "Bash", arguments), result=ToolResult(f"c{n}", "null", structured=structured))
        for n, (arguments, structured) in enumerate(values)
    ]
    with many(tmp_path_factory.mktemp("values"), 3) as database:
        database.add(pairs)
        for put in pairs:
            found = database.exact(call_key("Bash", put.call.arguments or None, "/r"))
            (hit,) = [each for each in found if each.position == put.position]
            assert same(hit.call.arguments, put.call.arguments)
            assert same(hit.result.structured, put.result.structured)
