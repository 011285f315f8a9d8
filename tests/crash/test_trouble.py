"""A full disk, a store that cannot be written, two processes on one store, Ctrl-C and clocks that jump."""

from __future__ import annotations

import itertools
import json
import re
import resource
import shutil
import signal
import subprocess
import sys
import time

import pytest

from tests.programs import benchmark

kill = benchmark("kill")
PROGRAM = (sys.executable, "-c", "from harness.cli import main; main()")
SESSIONS = 4


@pytest.fixture(scope="module")
def base_url():
    with kill.fake_endpoint.running(steps=2, latency=0.1) as address:
        yield address


@pytest.fixture
def store(tmp_path):
    source = tmp_path / "sessions"
    source.mkdir()
    for number in range(SESSIONS):
        (source / f"{number}.json").write_text(json.dumps(kill.faults.session(number)))
    place = tmp_path / "made" / "deploysim.db"
    kill.faults.said("import", "--store", place, source)
    return place


def started(base_url, store, *before, **options):
    words = [*before, *PROGRAM, *kill.arguments_of(base_url, store)]
    return subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, **options)


def ended(process):
    _, err = process.communicate(timeout=100)
    assert "Traceback" not in err
    return process.returncode, err.strip().splitlines()[-1]


def completed(store):
    return [outcome[0] for outcome in kill.facts(store).values()]


def test_a_disk_that_is_full_is_one_sentence_and_nothing_is_lost(base_url, store):
    room = store.stat().st_size + 120_000

    def full():
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (room, room))

    status, last = ended(started(base_url, store, preexec_fn=full))
    assert status == 1
    assert last.startswith(f"deploysim: cannot use the store {store}: ")
    assert ended(started(base_url, store))[0] == 0
    assert completed(store) == ["completed"] * SESSIONS


@pytest.mark.skipif(shutil.which("bwrap") is None, reason="a read-only place is made with bubblewrap")
def test_a_store_that_cannot_be_written_is_one_sentence(base_url, store):
    bwrap = ["bwrap", "--dev-bind", "/", "/", "--ro-bind", str(store.parent), str(store.parent)]
    if subprocess.run([*bwrap, "true"], capture_output=True, check=False).returncode:
        pytest.skip("bubblewrap may not make name spaces here")
    status, last = ended(started(base_url, store, *bwrap))
    assert status == 1
    assert re.fullmatch(rf"deploysim: cannot use the (store|pair database) {store.parent}/\w+\.db: [\w -]+", last), last


def test_two_processes_share_a_run(base_url, store):
    both = [ended(process) for process in [started(base_url, store) for _ in range(2)]]
    assert [status for status, _ in both] == [0, 0], both
    assert completed(store) == ["completed"] * SESSIONS


def test_ctrl_c_ends_in_one_line_and_the_run_goes_on_later(store):
    with kill.fake_endpoint.running(steps=2, latency=1.0) as slow:
        process = started(slow, store)
        assert process.stderr is not None
        while "rollouts: 0/" not in process.stderr.readline():
            assert process.poll() is None
        time.sleep(0.4)
        process.send_signal(signal.SIGINT)
        status, last = ended(process)
        assert status == 130
        assert len(last) < 200
        assert ended(started(slow, store))[0] == 0
    assert completed(store) == ["completed"] * SESSIONS


def test_a_clock_that_jumps_changes_nothing(base_url, store, tmp_path, monkeypatch):
    beside = kill.copied(store, tmp_path / "steady.db")
    assert ended(started(base_url, beside))[0] == 0
    real, jumps = time.time, itertools.cycle([0.0, 1e6, -1e6, 3.0])
    monkeypatch.setattr(time, "time", lambda: real() + next(jumps))
    kill.faults.said(*kill.arguments_of(base_url, store))
    monkeypatch.undo()
    assert kill.facts(store) == kill.facts(beside)
