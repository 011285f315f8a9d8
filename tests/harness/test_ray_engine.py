"""Runs on real Ray clusters: workers, the driver and a whole node are killed while they play."""

from __future__ import annotations

import base64
import json
import os
import re
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
from contextlib import closing
from pathlib import Path

import pytest

from harness.store import Store
from tests import postgres_server
from tests.harness import ray_cluster
from tests.programs import benchmark

kill = benchmark("kill")
pytest.importorskip("ray", reason="Ray is not installed (extra ray)")
pytestmark = pytest.mark.timeout(600)
PROGRAM = (sys.executable, "-c", "from harness.cli import main; main()")
SESSIONS = 6
KEY = "sk-planted-27182818284590452353"


@pytest.fixture(scope="module")
def setting(tmp_path_factory):
    """The fake endpoint, a store with sessions only, and what an undisturbed run in one process makes of them."""
    with kill.fake_endpoint.running(steps=2, latency=0.5) as base_url:
        yield kill.undisturbed(base_url, tmp_path_factory.mktemp("whole"), SESSIONS)


@pytest.fixture(scope="module")
def cluster():
    with closing(socket.socket()) as taken:
        taken.bind(("127.0.0.1", 0))
        port = taken.getsockname()[1]
    with ray_cluster.cluster(2, port) as started:
        yield started


@pytest.fixture
def short_folder():
    """Where a cluster of the command's own may have its folder: what a killed one leaves goes with it."""
    with tempfile.TemporaryDirectory(prefix="t", dir="/tmp", ignore_cleanup_errors=True) as name:
        yield Path(name)


@pytest.fixture
def store(setting, tmp_path):
    return kill.copied(setting.store, tmp_path / "deploysim.db")


def started(setting, store, *words, environment=None):
    """The command, with a key in its environment; `words` come after those of a run in this process."""
    arguments = [*kill.arguments_of(setting.base_url, store), "--engine", "ray", *words]
    env = {**(environment or os.environ), "OPENAI_API_KEY": KEY}
    return subprocess.Popen([*PROGRAM, *arguments], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=env)


def ended(process, status=0):
    out, err = process.communicate(timeout=300)
    assert process.returncode == status, err
    assert "Traceback" not in err
    assert KEY not in out + err
    return out, err


def owners(store, process, count=1, but=frozenset()):
    """The numbers of at least so many processes that play now and are not in `but`."""
    while process.poll() is None:
        with Store(store) as opened:
            found = {int(row["owner"].split()[1]) for row in opened.rows("select owner from claims")} - but
        if len(found) >= count:
            return found
        time.sleep(0.05)
    raise AssertionError(process.communicate())


def test_a_killed_worker_is_replaced_and_every_rollout_is_there_once(setting, store):
    process = started(setting, store, "--workers", "2")
    found = owners(store, process, 2)
    os.kill(min(found), signal.SIGKILL)
    out, err = ended(process)
    # It may have been killed before anybody heard what it had begun.
    assert re.search(r"was lost \(WorkerCrashedError\) while it played (made-|no rollout)", err)
    assert "; replaced, 1 of 3 times" in err
    assert kill.facts(store) == setting.facts
    assert kill.estimate(setting.base_url, store) == setting.estimate
    assert json.loads(out)["ends"] == {"completed": SESSIONS}
    assert ray_cluster.gone(found)


def test_a_run_whose_driver_was_killed_goes_on(setting, store, short_folder):
    here = {**os.environ, "TMPDIR": str(short_folder)}
    process = started(setting, store, "--workers", "2", environment=here)
    found = owners(store, process, 2)
    process.kill()
    process.communicate()
    assert ray_cluster.gone(found)
    with Store(store) as opened:
        assert opened.rows("select count(*) as n from ends")[0]["n"] < SESSIONS
    assert len(list(short_folder.glob("ray-*"))) == 1  # left behind
    _, err = ended(started(setting, store, "--workers", "2", environment=here))
    assert "(resumed)" in err
    assert len(list(short_folder.glob("ray-*"))) == 1
    assert kill.facts(store) == setting.facts


def test_a_worker_that_is_lost_again_ends_the_command_and_what_was_played_stays(setting, store, cluster):
    words = ("--ray-address", cluster.address, "--workers", "1", "--restarts", "1")
    process = started(setting, store, *words, environment=cluster.environment)
    seen: set[int] = set()
    for _ in range(2):
        fresh = owners(store, process, 1, seen)
        seen |= fresh
        for pid in fresh:
            os.kill(pid, signal.SIGKILL)
    _, err = ended(process, 1)
    assert "it was replaced 1 times before. What was played stays" in err.splitlines()[-1]
    kill.play("none", 0, setting.base_url, store)  # another engine goes on as well
    assert kill.facts(store) == setting.facts


def requests(base_url):
    with urllib.request.urlopen(base_url + "/stats") as answer:
        return json.loads(answer.read())["requests"]


def test_a_budget_holds_over_all_workers_and_no_key_is_left_anywhere(setting, store, cluster):
    words = ("--ray-address", cluster.address, "--workers", "2")
    before = requests(setting.base_url)
    limited = ("--max-model-calls", "9")
    out, _ = ended(started(setting, store, *words, *limited, environment=cluster.environment))
    result = json.loads(out)
    assert requests(setting.base_url) - before == result["model_calls"] == 9
    assert result["budget"] == "the budget of 9 model calls is used up (9)"
    assert result["left_open"] > 0
    assert files_with(KEY, store.parent, cluster.folder) == []


def files_with(text, *folders):
    sought = [text.encode(), base64.b64encode(text.encode())[:-4]]
    files = [path for folder in folders for path in folder.rglob("*") if path.is_file()]
    assert any(path.name.startswith("raylet") for path in files)
    return [path for path in files if any(word in path.read_bytes() for word in sought)]


def test_a_lost_node_is_made_up_for_on_postgres(setting, cluster, tmp_path):
    with postgres_server.server() as server, postgres_server.database(server, "nodes") as address:
        source = tmp_path / "sessions"
        source.mkdir()
        for number in range(SESSIONS):
            (source / f"{number}.json").write_text(json.dumps(kill.faults.session(number)))
        kill.faults.said("import", "--store", address, "--calls", tmp_path / "calls.db", source)
        words = ("--ray-address", cluster.address, "--workers", "3", "--calls", str(tmp_path / "calls.db"))
        with cluster.node() as node:
            process = started(setting, address, *words, environment=cluster.environment)
            found = owners(address, process, 3)
            os.killpg(node.pid, signal.SIGKILL)
            out, err = ended(process)
        assert json.loads(out)["ends"] == {"completed": SESSIONS}
        assert "was lost (" in err
        assert ray_cluster.gone(found)


def test_a_cluster_that_is_not_there_is_one_sentence(setting, store):
    _, err = ended(started(setting, store, "--ray-address", "127.0.0.1:1"), 1)
    assert err.splitlines()[-1].startswith("deploysim: the Ray cluster at 127.0.0.1:1 cannot be used: ")
