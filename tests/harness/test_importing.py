"""Recordings into a store: once, with consent, with every skip named, and gone for good after a purge."""

from __future__ import annotations

import shutil

import pytest

from harness.demo import find_fixtures
from harness.errors import ImportFailed
from harness.importers import read_paths
from harness.importing import fingerprint, import_paths
from toolsim.calldb import CallDatabase

SESSIONS = find_fixtures()[0]
ONE = SESSIONS / "codex" / "pipes-run1.jsonl"
TWO = SESSIONS / "swe-agent-1" / "descending-run1.traj"


@pytest.fixture
def calls(tmp_path):
    with CallDatabase(tmp_path / "calls.db") as database:
        yield database


def counts(store, calls):
    return len(store.sessions()), calls.count()


def test_sessions_and_their_pairs_are_kept_and_counted(store, calls):
    told = []
    summary = import_paths(store, calls, [ONE, TWO], notice=told.append)
    assert summary.sessions == {"codex": 1, "swe-agent": 1}
    assert (summary.added, summary.known, summary.skipped, summary.no_consent) == (2, 0, [], [])
    assert summary.calls == summary.calls_paired == summary.results == calls.count() == 31
    assert sorted(told) == sorted(r.id for r in store.sessions())
    assert {r.source for r in store.sessions()} == {ONE.name, TWO.name}


def test_importing_again_adds_nothing_wherever_the_file_stands(store, calls, tmp_path):
    import_paths(store, calls, [ONE])
    before = counts(store, calls), calls.hash()
    moved = shutil.copy(ONE, tmp_path / "another-name.jsonl")
    summary = import_paths(store, calls, [ONE, moved])
    assert (summary.added, summary.known) == (0, 2)
    assert (counts(store, calls), calls.hash()) == before


def test_an_import_that_was_interrupted_is_completed_by_the_next(store, calls):
    class Interrupted(Exception):
        pass

    def stop(_):
        raise Interrupted

    class Torn:
        def add(self, pairs):
            raise Interrupted

    with pytest.raises(Interrupted):
        import_paths(store, Torn(), [ONE])
    assert counts(store, calls) == (1, 0)
    assert import_paths(store, calls, [ONE]).known == 1
    assert counts(store, calls) == (1, 19)


def test_a_file_that_has_grown_is_a_new_state_and_its_pairs_stand_once(store, calls, tmp_path):
    lines = ONE.read_text("utf-8").splitlines(keepends=True)
    growing = tmp_path / "grows.jsonl"
    for share in (0.6, 1.0):
        growing.write_text("".join(lines[: int(len(lines) * share)]), "utf-8")
        import_paths(store, calls, [growing])
    first, second = sorted(store.sessions(), key=lambda r: r.id)
    assert second.id == f"{first.id}+2"
    assert first.lineage == second.lineage
    assert calls.count() == second.results == 19 > first.results


def test_nothing_of_a_purged_session_comes_back(store, calls):
    import_paths(store, calls, [ONE, TWO])
    gone = next(r for r in store.sessions() if r.agent == "codex")
    calls.purge(gone.id)
    store.purge(gone.id)
    summary = import_paths(store, calls, [ONE, TWO])
    assert (summary.added, summary.known, summary.purged) == (0, 1, 1)
    assert counts(store, calls) == (1, 12)


def test_without_consent_nothing_of_a_session_is_kept(store, calls):
    (one,) = read_paths([ONE])
    key, value = next((k, v) for k, v in one.session.metadata.items() if isinstance(v, str))
    refused = {("no_such_key", "*"): "metadata has no no_such_key", (key, "never*"): f"{key} is {value}"}
    for consent, reason in refused.items():
        summary = import_paths(store, calls, [ONE], consent=[(key, "*"), consent])
        assert summary.no_consent == [f"{one.session.id}: {reason}"]
        assert counts(store, calls) == (0, 0)
    assert import_paths(store, calls, [ONE], consent=[(key, value)]).added == 1


def test_what_is_left_out_is_named_and_the_rest_is_imported(store, calls, tmp_path):
    folder = tmp_path / "mixed"
    folder.mkdir()
    (folder / "empty.jsonl").write_bytes(b"")
    (folder / "binary.jsonl").write_bytes(bytes(range(256)) * 40)
    text = ONE.read_bytes()
    (folder / "cut.jsonl").write_bytes(text[: int(len(text) * 0.7)])
    shutil.copy(TWO, folder / "good.traj")
    summary = import_paths(store, calls, [folder])
    assert summary.added == 2
    skipped = {s.path.rpartition("/")[2]: s for s in summary.skipped}
    assert set(skipped) == {"empty.jsonl", "binary.jsonl", "cut.jsonl"}
    assert all(s.reason and "\n" not in s.reason for s in skipped.values())
    last = text[: int(len(text) * 0.7)].count(b"\n") + 1
    assert skipped["cut.jsonl"].where == f"line {last}"
    kept = {(r["path"].rpartition("/")[2], r["place"]) for r in store.db.query("select * from skips")}
    assert kept == {(name, s.where) for name, s in skipped.items()}


@pytest.mark.parametrize(
    ("names", "content", "sentence"),
    [
        (["none.jsonl"], None, r"no session found: \S+none\.jsonl: does not exist$"),
        (["*.jsonl"], None, r"no session found: \S+\*\.jsonl: matches no file$"),
        (["e.jsonl"], b"", r"no session found: \S+e\.jsonl: empty file$"),
        (["e.jsonl", "none"], b"\x00\x01" * 99, r"e\.jsonl: binary file of no known format, and 1 more$"),
        (["."], None, "there is no file under what was named"),
    ],
)
def test_an_import_that_finds_no_session_says_why(store, calls, tmp_path, names, content, sentence):
    (tmp_path / "in").mkdir()
    if content is not None:
        (tmp_path / "in" / "e.jsonl").write_bytes(content)
    with pytest.raises(ImportFailed, match=sentence):
        import_paths(store, calls, [tmp_path / "in" / name for name in names])


def test_a_format_that_is_not_known_is_one_sentence(store, calls):
    with pytest.raises(ImportFailed, match="no-such-format"):
        import_paths(store, calls, [ONE], format="no-such-format")


def test_the_fingerprint_is_of_what_was_recorded(recorded):
    one, longer = recorded(), recorded(turns=[[["ls"]]])
    assert fingerprint(one) == fingerprint(recorded()) != fingerprint(longer)
    assert fingerprint(recorded(user="ada")) != fingerprint(one)
