"""The batch on a Ray cluster of several processes: a worker that is killed, and a second start."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import pytest

from harness.config import resolve
from harness.importing import import_paths
from harness.selection import Criteria
from harness.store import Store
from toolsim.calldb import CallDatabase
from toolsim.modeltypes import Budget

ray = pytest.importorskip("ray", reason="Ray is not installed (extra ray)")
FIXTURES = Path(__file__).parents[2] / "fixtures"


def workers_of(ancestor: int) -> list[int]:
    """The Ray processes below a process that are playing a rollout."""
    parents, titles = {}, {}
    for entry in Path("/proc").glob("[0-9]*"):
        try:
            parents[int(entry.name)] = int((entry / "stat").read_text().rpartition(")")[2].split()[1])
            titles[int(entry.name)] = (entry / "cmdline").read_bytes()
        except OSError:
            continue

    def below(pid: int) -> bool:
        while pid > 1:
            pid = parents.get(pid, 0)
            if pid == ancestor:
                return True
        return False

    return [pid for pid, title in titles.items() if title.startswith(b"ray::play_one") and below(pid)]


@pytest.mark.filterwarnings("default")
async def test_with_a_worker_killed_in_the_middle_every_rollout_is_kept_once_and_is_that_of_one_process(tmp_path):
    from harness import pipeline

    config = resolve({"candidate": "recorded", "simulator": "none", "shell": "none"}, environment={})
    criteria = Criteria(agents=("claude-code",), every_turn=True)
    kept = {}
    for name in ("local", "ray"):
        (tmp_path / name).mkdir()
        place, calls = tmp_path / name / "s.db", tmp_path / name / "calls.db"
        killed: list[int] = []

        def notice(row, event, facts, name=name, killed=killed):
            if name == "ray" and event == "ended" and not killed:
                for pid in workers_of(os.getpid())[:1]:
                    killed.append(pid)
                    os.kill(pid, signal.SIGKILL)

        with Store(place) as store, CallDatabase(calls) as database:
            import_paths(store, database, [FIXTURES / "sessions"])
            ray_on = place if name == "ray" else None
            ask = {"budget": Budget(), "concurrency": 2, "notice": notice, "ray_on": ray_on}
            result = await pipeline.resample(store, calls, config, criteria, **ask)
            again = await pipeline.resample(store, calls, config, criteria, **{**ask, "notice": lambda *_: None})
            assert result.ends == again.ends
            assert result.left_open == 0
            rows = store.rollouts(result.run)
            kept[name] = [(r.id, e and e.status, [(s.n, s.kind) for s in store.steps(r.id)]) for r, e in rows]
        assert bool(killed) == (name == "ray")
    assert len(kept["ray"]) > 2
    assert kept["ray"] == kept["local"]
