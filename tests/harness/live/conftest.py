"""A store of one recorded fixture session with its repository, and the situation of its last turn with calls."""

from __future__ import annotations

from contextlib import asynccontextmanager

import pytest

from harness.config import RunConfig
from harness.demo import find_fixtures, unpack_repository
from harness.importing import import_paths
from harness.ledger import ModelStep, ToolStep, read_steps
from harness.live.situation import open_situation
from harness.selection import Criteria
from harness.store import Store
from repos.catalog import inspect_repository
from toolsim.calldb import CallDatabase

ROOT = "/home/dev/work/tablewright"


@pytest.fixture(scope="session")
def recorded_store(tmp_path_factory):
    """The path of a store with one Claude Code session and its repository; not to be written to."""
    folder = tmp_path_factory.mktemp("live")
    sessions, bundle = find_fixtures()
    with Store(folder / "deploysim.db") as store, CallDatabase(folder / "calls.db") as calls:
        import_paths(store, calls, [sessions / "claude-code" / "median-run1.jsonl"])
        store.add_repository(inspect_repository(unpack_repository(bundle, folder / "repository.git"), url=None))
    return folder / "deploysim.db"


@pytest.fixture
def folder(recorded_store, tmp_path):
    """A folder with a copy of that store, `deploysim.db`, and its `calls.db`."""
    for name in ("deploysim.db", "calls.db"):
        (tmp_path / name).write_bytes((recorded_store.parent / name).read_bytes())
    return tmp_path


@pytest.fixture
def session(recorded_store):
    with Store(recorded_store) as store:
        return store.sessions()[0].id


@pytest.fixture
def situation(folder, session):
    """`async with situation(...) as s:` opens it; no shell, so that every machine computes the same calls."""

    @asynccontextmanager
    async def opened(models=(None, None), kind="mcp", criteria=None, **settings):
        config = RunConfig(**{"candidate": "mcp", "simulator": "none", "shell": "none", **settings})
        chosen = criteria or Criteria(ids=(session,), with_calls=True)
        with Store(folder / "deploysim.db") as store:
            async with open_situation(store, folder / "calls.db", config, chosen, kind=kind, models=models) as found:
                yield found

    return opened


class Told:
    """What the store holds of the rollouts of a run."""

    def __init__(self, store, run):
        self.rows = store.rollouts(run)
        self.steps = [read_steps(store.steps(row.id)) for row, _ in self.rows]

    @property
    def ends(self):
        return [end and (end.status, end.stage) for _, end in self.rows]

    def reason(self, n=0):
        return self.rows[n][1].reason

    def calls(self, n=0):
        return [s.call for s in self.steps[n] if isinstance(s, ToolStep)]

    def results(self, n=0):
        return [s for s in self.steps[n] if isinstance(s, ToolStep)]

    def messages(self, n=0):
        return [s for s in self.steps[n] if isinstance(s, ModelStep)]


@pytest.fixture
def told():
    return Told


@pytest.fixture
def root():
    return ROOT
