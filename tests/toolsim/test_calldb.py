"""The database of recorded pairs: what goes in once, what is found, what is gone for good, what is refused."""

from __future__ import annotations

import random
import shutil
import sqlite3
import threading
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from toolsim.calldb import CallDatabase
from toolsim.errors import CallDatabaseError
from toolsim.recordedcalls import RecordedCall, arguments_text, call_key, recorded_calls
from toolsim.trajectory import Message, Session, ToolCall, ToolResult, Trajectory
from toolsim.words import terms


def pair(command: str, output: str = "ok", **changes) -> RecordedCall:
    call = ToolCall(changes.pop("id", "c1"), "Bash", {"command": command})
    known = RecordedCall(
        "s1", "l1", "acme/cli", "claude-code", "Bash", call, command, ToolResult("c1", output), 10.0, "/r", 0
    )
    return replace(known, **changes)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "calls.db"


@pytest.fixture
def calls(path):
    with CallDatabase(path) as database:
        yield database


def commands(found) -> list[str]:
    return [hit.arguments_text for hit in found]


def test_a_pair_comes_back_as_it_was_put_in(calls):
    put = pair(
        "pytest -q", "1 passed\n", result=ToolResult("c1", "1 \ud800 passed", True, 1, 0.5, 2, {"stdout": ["x"]})
    )
    assert calls.add([put]) == 1
    assert calls.exact(call_key("Bash", {"command": "pytest -q"}, "/r")) == (put,)
    (hit,) = calls.search("pytest")
    assert hit == put
    assert hit.score is not None
    assert hit.score > 0


def test_adding_again_adds_nothing(calls):
    pairs = [pair("ls"), pair("ls", position=1), pair("ls")]
    assert calls.add(pairs) == 2
    before = calls.hash()
    assert calls.add(pairs) == 0
    assert calls.count() == 2
    assert calls.hash() == before


def test_the_hash_does_not_depend_on_the_order_of_arrival(tmp_path):
    pairs = [pair(f"ls {n}", position=n) for n in range(20)]
    hashes = []
    for name, order in (("a", pairs), ("b", pairs[::-1]), ("c", pairs[1:])):
        with CallDatabase(tmp_path / f"{name}.db") as database:
            database.add(order)
            hashes.append(database.hash())
    assert hashes[0] == hashes[1] != hashes[2]


@pytest.mark.parametrize(
    ("query", "best"),
    [
        ("pytest -q tests/test_api.py", "pytest -q tests/test_api.py"),
        ("test_api.py", "pytest -q tests/test_api.py"),
        ("--maxfail", "pytest --maxfail=1"),
        ("getUserName", "grep -rn getUserName src"),
        ("user name", "grep -rn getUserName src"),
        ("parse_header", "sed -n '1,20p' src/http/parse_header.c"),
        ("src/http", "sed -n '1,20p' src/http/parse_header.c"),
        ("ISSUE-42", "gh issue view issue-42"),
        ("ünïcode", "cat ünïcode.txt"),
    ],
)
def test_commands_paths_flags_and_identifiers_are_found_by_their_words(calls, query, best):
    calls.add(
        pair(command, position=n)
        for n, command in enumerate([
            "pytest -q tests/test_api.py", "pytest --maxfail=1", "grep -rn getUserName src", "git status",
            "sed -n '1,20p' src/http/parse_header.c", "gh issue view issue-42", "cat ünïcode.txt", "npm test",
        ])
    )  # fmt: skip
    assert commands(calls.search(query))[0] == best


@given(st.text())
def test_words_are_lower_case_and_hold_no_space(text):
    assert all(word == word.lower() and not any(c.isspace() for c in word) for word in terms(text))


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("pytest -q --no-header", ["pytest", "-q", "--no-header", "no", "header"]),
        ("src/HTTPServer.ts", ["src/httpserver.ts", "src", "httpserver", "ts", "http", "server"]),
        ("ab_c_de", ["ab_c_de", "ab", "de"]),
        ("''", []),
    ],
)
def test_a_word_is_kept_whole_and_in_parts(text, words):
    assert terms(text) == words


@settings(max_examples=15, deadline=None)
@given(st.text(st.characters(), max_size=60), st.text(st.characters(), max_size=60))
def test_any_text_can_be_kept_and_looked_for(tmp_path_factory, command, output):
    with CallDatabase(tmp_path_factory.mktemp("any") / "calls.db") as database:
        put = pair(command, output)
        assert database.add([put]) == 1
        (found,) = database.exact(call_key("Bash", put.call.arguments, "/r"))
        assert (found.call, found.result) == (put.call, put.result)
        assert bool(database.search(command)) == bool(terms(command))
        database.search(output, responses=True, repo=output, not_lineage=command, before=1e9)


def test_nothing_to_look_for_finds_nothing(calls):
    calls.add([pair("ls")])
    assert calls.search("") == calls.search("'' |&;") == calls.search("ls", limit=0) == ()
    assert calls.search("never-seen-word") == ()


def test_an_empty_database_finds_nothing(calls):
    assert calls.search("ls") == ()
    assert calls.count() == 0


def test_conditions_narrow_a_search(calls):
    calls.add([
        pair("make one", at=5.0), pair("make two", at=20.0, lineage="l2", session="s2"),
        pair("make three", at=None, repo=None, lineage="l3"), pair("make four", at=5.0, tool="exec", repo="acme/web"),
    ])  # fmt: skip

    def found(**conditions) -> set[str]:
        return {hit.arguments_text.split()[1] for hit in calls.search("make", **conditions)}

    assert found() == {"one", "two", "three", "four"}
    assert found(tool="Bash") == {"one", "two", "three"}
    assert found(repo="acme/cli") == {"one", "two"}
    assert found(before=20.0) == {"one", "four"}
    assert found(before=20.5, undated=True) == {"one", "two", "three", "four"}
    assert found(before=5.0) == set()
    assert found(not_lineage="l1") == {"two", "three"}
    assert found(not_lineage=["l1", "l3"]) == {"two"}
    assert found(tool="Bash", repo="acme/cli", before=100.0, not_lineage="l2") == {"one"}
    key = call_key("Bash", {"command": "make two"}, "/r")
    assert len(calls.exact(key)) == 1
    assert not calls.exact(key, before=20.0)
    assert not calls.exact(key, not_lineage="l2")
    assert not calls.exact(key, repo="acme/web")
    assert not calls.exact(call_key("Bash", {"command": "make three"}, "/r"), before=1e12)
    calls.add([pair("make two", at=float(n), session=f"s{n}", lineage="l9", position=n) for n in (40, 30)])
    assert [hit.at for hit in calls.exact(key)] == [20.0, 30.0, 40.0]
    assert [hit.at for hit in calls.exact(key, limit=2)] == [30.0, 40.0]


def test_responses_are_looked_into_only_when_asked(calls):
    calls.add([pair("make", "error: undefined reference to frobnicate"), pair("frobnicate", position=1)])
    assert commands(calls.search("frobnicate")) == ["frobnicate"]
    assert commands(calls.search("frobnicate", responses=True)) == ["frobnicate", "make"]


def test_words_of_results_stand_in_an_index_of_their_own_that_is_made_when_wanted(path, calls):
    secret = "s3cretw0rd"
    calls.add([pair("make", f"undefined reference to {secret}"), pair("ls", session="s2", position=1)])
    indexes = {name: path.with_suffix(name) for name in (".index", ".results.index")}
    assert commands(calls.search("make")) == ["make"]
    assert [name for name, each in indexes.items() if each.exists()] == [".index"]
    assert commands(calls.search(secret, responses=True)) == ["make"]
    calls.add([pair("make again", secret, session="s3", position=2)])
    assert set(commands(calls.search(secret, responses=True))) == {"make", "make again"}
    calls.purge("s1")
    assert not any(each.exists() for each in indexes.values())
    assert commands(calls.search(secret, responses=True)) == ["make again"]


def test_pairs_of_several_batches_are_kept_with_their_texts(path, calls):
    put = [pair(f"run {n}", f"{n % 3_000} " * 9, position=n) for n in range(5_000)]
    assert calls.add(put) == 5_000
    assert calls.db.execute("select count(*) from bodies").fetchone() == (8_000,)
    found = {hit.position: hit for n in range(0, 5_000, 7) for hit in calls.exact(_key(f"run {n}"))}
    assert [found[n] for n in range(0, 5_000, 7)] == put[::7]
    assert calls.add(put) == 0


def test_where_the_source_fails_what_came_before_is_kept_with_its_texts(path):
    def failing():
        yield from (pair(f"run {n}", f"out {n}", position=n) for n in range(3_000))
        raise OSError("the disk is gone")

    with CallDatabase(path) as database, pytest.raises(CallDatabaseError, match="the disk is gone"):
        database.add(failing())
    with CallDatabase(path) as database:
        kept = database.count()
        assert kept >= 2_000
        assert [hit.result.content for hit in database.exact(_key(f"run {kept - 1}"))] == [f"out {kept - 1}"]


def test_an_exact_look_up_reads_no_row_of_the_pairs_that_it_passes_over(calls):
    asked = "select at, key, seq from calls where exact_key = x'00' order by at desc, key desc limit 8"
    plan = calls.db.execute(f"explain query plan {asked}").fetchall()
    assert [row[3] for row in plan] == ["SEARCH calls USING COVERING INDEX calls_exact (exact_key=?)"]


def _key(command: str) -> str:
    return call_key("Bash", {"command": command}, "/r")


@pytest.mark.parametrize("limit", [1, 5, 300])
def test_equal_scores_come_in_an_order_of_their_own_whatever_the_index_looks_like(tmp_path, limit):
    pairs = [pair("git status", f"state {n}", position=n) for n in range(700)]
    pairs += [pair(f"git {word}", position=n) for n, word in enumerate(["log", "diff", "show", "branch"])]
    found = []
    for seed, parts in ((1, 1), (2, 7)):
        random.Random(seed).shuffle(pairs)
        with CallDatabase(tmp_path / f"{seed}.db") as database:
            for part in range(parts):
                database.add(pairs[part::parts])
                database.refresh()
            found.append(database.search("git status", limit=limit))
    assert found[0] == found[1]
    assert len({hit.result.content for hit in found[0]}) == limit
    assert {hit.arguments_text for hit in found[0]} == {"git status"}


def test_a_search_sees_what_was_added_by_others(path, calls):
    calls.add([pair("make one")])
    with CallDatabase(path) as reader:
        assert commands(reader.search("make")) == ["make one"]
        calls.add([pair("make two", position=1)])
        assert len(reader.search("make")) == len(calls.search("make")) == 2


def test_readers_in_threads_share_a_database(calls):
    calls.add(pair(f"run {n}", position=n) for n in range(50))
    wrong: list[int] = []

    def look() -> None:
        wrong.extend(n for n in range(50) if commands(calls.search(f"run {n}", limit=1)) != [f"run {n}"])

    threads = [threading.Thread(target=look) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert wrong == []


@pytest.mark.parametrize("damage", ["remove", "empty", "truncate", "state", "older"])
def test_an_index_that_does_not_fit_is_made_anew(path, damage):
    index = path.with_suffix(".index")
    with CallDatabase(path) as database:
        database.add([pair("make one")])
        database.refresh()
        if damage == "older":
            shutil.copytree(index, path.with_name("kept"))
            database.purge("s1")
            database.add([pair("make two", session="s2")])
        else:
            database.add([pair("make two", position=1)])
    files = [f for f in index.iterdir() if f.name != "state.json"] if index.exists() else []
    if damage == "remove":
        shutil.rmtree(index)
    elif damage == "empty":
        for file in files:
            file.unlink()
    elif damage == "truncate":
        for file in files:
            file.write_bytes(file.read_bytes()[:3])
    elif damage == "state":
        (index / "state.json").write_text("{")
    else:
        path.with_name("kept").rename(index)
    with CallDatabase(path) as database:
        expected = {"make two"} if damage == "older" else {"make one", "make two"}
        assert set(commands(database.search("make"))) == expected


def test_a_purged_session_is_gone_from_file_and_index(path):
    secret, shared = "s3cretw0rd", "said-by-both " * 50
    with CallDatabase(path) as database:
        database.add([
            pair(f"echo {secret}", f"{secret} printed"), pair("ls", shared, position=1),
            pair("ls", shared, session="s2", lineage="l2"),
        ])  # fmt: skip
        assert commands(database.search(secret)) == [f"echo {secret}"]
        assert database.purge("s1") == 2
        assert database.purge("s1") == 0
        assert database.search(secret) == ()
        assert database.count() == 1
        assert [hit.result.content for hit in database.search("ls")] == [shared]
        assert database.db.execute("select count(*) from bodies").fetchone() == (2,)
    for file in path.parent.rglob("*"):
        assert not file.is_file() or secret.encode() not in file.read_bytes(), file


def test_sessions_that_name_no_repository_are_filed_under_the_one_that_was_found(calls):
    found = [pair("make all", position=n, repo=None) for n in range(3)]
    calls.add([*found, pair("make all", session="s2", lineage="l2", repo="other/one")])
    assert calls.search("make all", repo="owner/name") == ()
    before = calls.hash()
    assert calls.file_under({"s1": "owner/name", "s2": "owner/name"}) == 3
    assert len(calls.search("make all", repo="owner/name")) == 3
    assert len(calls.search("make all", repo="other/one")) == 1
    assert calls.file_under({"s1": "owner/name"}) == 0
    assert (calls.add(found), calls.hash()) == (0, before)


def test_each_response_is_stored_once(calls):
    calls.add(pair("cat big", "x" * 100_000, position=n) for n in range(50))
    assert calls.db.execute("select count(*) from bodies").fetchone() == (2,)
    assert calls.path.stat().st_size < 200_000


def test_a_missing_database_is_not_made_unless_wanted(path):
    with CallDatabase(path, create=False) as database, pytest.raises(CallDatabaseError, match="no pair database"):
        database.count()
    assert not path.exists()


def test_files_of_others_and_torn_files_are_named(path):
    path.write_bytes(b"not a database at all" * 100)
    with CallDatabase(path) as database, pytest.raises(CallDatabaseError, match="not a database"):
        database.count()
    path.unlink()
    foreign = sqlite3.connect(path)
    foreign.execute("create table sessions (id)")
    foreign.close()
    with CallDatabase(path) as database, pytest.raises(CallDatabaseError, match="holds the tables sessions"):
        database.add([pair("ls")])


def test_a_newer_version_is_left_alone(path, calls):
    calls.add([pair("ls")])
    calls.db.execute("update about set version = 99")
    with CallDatabase(path) as database, pytest.raises(CallDatabaseError, match="newer version"):
        database.count()


def test_a_torn_pair_is_an_error_not_an_empty_result(path, calls):
    calls.add([pair("ls")])
    calls.refresh()
    calls.db.execute("update blocks set body = x'00'")
    with pytest.raises(CallDatabaseError, match="torn"):
        calls.search("ls")


@pytest.mark.parametrize(
    ("call", "text"),
    [
        (ToolCall("1", "Bash", {"command": "ls -la", "description": "List"}), "ls -la"),
        (ToolCall("1", "shell", {"command": ["bash", "-lc", "ls"]}), "bash -lc ls"),
        (ToolCall("1", "Read", {"file_path": "/a", "limit": 3, "offset": None}), "file_path: /a\nlimit: 3"),
        (ToolCall("1", "apply_patch", {}, raw="*** Begin Patch"), "*** Begin Patch"),
        (ToolCall("1", "x"), ""),
    ],
)
def test_what_a_call_asks_is_one_text(call, text):
    assert arguments_text(call) == text


def test_the_exact_key_ignores_what_does_not_matter():
    key = call_key("Bash", {"command": "ls "}, "/r")
    assert key == call_key("Bash", {"command": "ls", "description": "List files", "timeout": None}, "/r")
    others = [("bash", {"command": "ls"}, "/r"), ("Bash", {"command": "ls"}, "/q"), ("Bash", {"command": "l s"}, "/r")]
    assert key not in {call_key(*other) for other in others}


def test_only_calls_with_a_recorded_result_are_pairs():
    one, two = ToolCall("a", "Bash", {"command": "ls"}), ToolCall("b", "Bash", {"command": "pwd"})
    items = (
        Message("user", "go"), Message("assistant", calls=(one, two), at=5.0, cwd="/w", origin="agent"),
        Message("tool", result=ToolResult("a", "x"), at=7.0, origin="tool"),
    )  # fmt: skip
    session = Session("s", "claude-code", "f", "l", cwd="/start")
    (found,) = recorded_calls(Trajectory(session, items), "acme/cli")
    assert found == RecordedCall(
        "s", "l", "acme/cli", "claude-code", "Bash", one, "ls", ToolResult("a", "x"), 7.0, "/w", 1
    )  # fmt: skip
