"""The main job end to end: `deploysim run` on two recorded sessions, the models replayed from a cassette.

The cassette is matched on the body of each request, so this test fails whenever a prompt changes: one of ours, or what
goes into it. That is meant. Look at the change, then record anew (needs the small embedded weights):

    DEPLOYSIM_RECORD=1 pytest tests/test_end_to_end.py

The shell engine is kept out (it is not everywhere), so that every machine asks the same.
"""

from __future__ import annotations

import json
import os
import shutil
import socket
import sys
import threading
from contextlib import closing, contextmanager, suppress
from urllib.parse import urlsplit

import pytest

from harness.cli import main
from harness.demo import find_fixtures, unpack_repository

# The same while recording and while replaying, because the address of a model is a setting, and seeds depend on it.
PORT = 18_499
SETTINGS = "shell: none\nevidence_tokens: 500\nmax_steps: 3\nrungs: [computed, simulated]\naffordances: [repo, calls]\n"


@contextmanager
def forwarded(base_url):
    """While recording: connections to `PORT` reach the model."""
    target = urlsplit(base_url)
    if not os.environ.get("DEPLOYSIM_RECORD"):
        yield
        return

    def pump(source, sink):
        with suppress(OSError):
            while data := source.recv(65536):
                sink.sendall(data)
            sink.shutdown(socket.SHUT_WR)

    def connect(one):
        with one, socket.create_connection((target.hostname, target.port)) as other:
            back = threading.Thread(target=pump, args=(other, one), daemon=True)
            back.start()
            pump(one, other)
            back.join()

    def serve(listening):
        with suppress(OSError):
            while True:
                threading.Thread(target=connect, args=listening.accept()[:1], daemon=True).start()

    with closing(socket.create_server(("127.0.0.1", PORT))) as listening:
        threading.Thread(target=serve, args=(listening,), daemon=True).start()
        yield


@pytest.fixture
def deploysim(tmp_path, monkeypatch, capsys):
    """Runs a command line in an empty folder, on a machine that has git and no sandbox; gives its parsed output."""
    programs = tmp_path / "programs"
    programs.mkdir()
    (programs / "git").symlink_to(shutil.which("git"))
    monkeypatch.setenv("PATH", str(programs))
    for name in list(os.environ):
        if name.startswith("DEPLOYSIM_") and name != "DEPLOYSIM_RECORD":
            monkeypatch.delenv(name)
    monkeypatch.chdir(tmp_path)

    def run(*arguments):
        monkeypatch.setattr(sys, "argv", ["deploysim", *map(str, arguments)])
        main()
        shown = capsys.readouterr()
        return json.loads(shown.out), shown.err

    return run


def test_recorded_turns_are_taken_again_judged_and_reported(deploysim, cassette, tmp_path):
    sessions, bundle = find_fixtures()
    repository = unpack_repository(bundle, tmp_path / "repository.git")
    (tmp_path / "run.yaml").write_text(SETTINGS)
    with cassette("end_to_end") as tape, forwarded(tape.base_url):
        model = f"{tape.name}@http://127.0.0.1:{PORT}/v1"
        command = [
            "run", sessions / "claude-code/environment-run1.jsonl", sessions / "codex/pipes-run1.jsonl",
            "--repository", repository, "--candidate", "recorded", "--simulator", model, "--judge", model,
            "--config", "run.yaml", "--pairs", 2, "--fakes", 1, "--concurrency", 1, "--json",
        ]  # fmt: skip
        done, progress = deploysim(*command, "--output", "report.html")
    again, _ = deploysim(*command)

    assert done["import"]["added"] == 2
    resampled, realism = done["resample"], done["realism"]
    assert resampled["ends"] == {"completed": 2}
    assert (resampled["excluded"], resampled["left_open"], resampled["identity_run"]) == (0, 0, False)
    assert {"computed", "simulated"} <= set(resampled["rungs"])
    assert resampled["grades"]["computed"] == {"equal": resampled["rungs"]["computed"]}
    assert resampled["model_calls"] >= resampled["rungs"]["simulated"] > 0
    headline = realism["headline"]
    assert headline["estimate"]["n"] + headline["dropped"] == min(2, resampled["rungs"]["simulated"])
    assert realism["power"][0]["n"] == 1
    assert realism["invalid"] == {}
    assert realism["same_family"]
    answered = sum(resampled["rungs"].values()) - resampled["rungs"].get("unanswered", 0)
    assert sum(realism["population"].values()) == answered
    assert "2 rollouts" in progress

    page = (tmp_path / "report.html").read_text("utf-8")
    assert "realism win rate" in page
    assert "default-src 'none'" in page

    # started again it does nothing: no model is at hand any more
    assert again["import"]["known"] == 2
    spent = dict.fromkeys(("model_calls", "tokens", "cached_tokens"), 0)
    assert {**again["resample"], **spent} == {**resampled, **spent}
    assert again["realism"] == realism
