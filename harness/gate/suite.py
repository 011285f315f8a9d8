"""A gate from files alone: import sessions, answer their recorded calls, compare with the baseline beside the test."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from harness.config import RunConfig, resolve
from harness.errors import ConfigError
from harness.gate.compare import MARGIN, Verdict
from harness.gate.run import against, write
from harness.importing import import_paths
from harness.pipeline import resample
from harness.selection import Criteria
from harness.store import Store
from repos.catalog import inspect_repository
from toolsim.calldb import CallDatabase
from toolsim.modeltypes import Budget


@dataclass(frozen=True, slots=True)
class Suite:
    """What a gate needs; `repos` are work trees or bare repositories, `settings` are those of `deploysim resample`."""

    baseline: Path
    sessions: tuple[Path, ...]
    repos: tuple[Path, ...]
    delta: float
    pool: str | None
    config: RunConfig

    @classmethod
    def resolve(cls, arguments: Mapping[str, Any], base: Path) -> Suite:
        """From a marker's arguments; relative paths count from `base`.

        Raises:
            ConfigError: a needed argument is missing, or a setting is not known.
        """
        left = dict(arguments)
        try:
            baseline, sessions = base / left.pop("baseline"), _paths(left.pop("sessions"), base)
        except KeyError as error:
            raise ConfigError(f"a realism gate needs {error.args[0]}=") from error
        repos, delta, pool = (
            _paths(left.pop("repos", ()), base),
            float(left.pop("delta", MARGIN)),
            left.pop("pool", None),
        )
        config = resolve({"candidate": "recorded", "simulator": "none", **left})
        return cls(baseline, sessions, repos, delta, pool, config)


def verdict_of(suite: Suite, folder: Path, *, write: bool = False) -> Verdict:
    """Run a gate in a folder of its own; with `write` the baseline is made anew first.

    Raises:
        HarnessError, ToolsimError, RepositoryError: something of it cannot be read or run.
    """
    folder.mkdir(parents=True, exist_ok=True)
    with Store(folder / "deploysim.db") as store:
        with CallDatabase(folder / "calls.db") as calls:
            import_paths(store, calls, suite.sessions)
        for path in suite.repos:
            store.add_repository(inspect_repository(path))
        criteria = Criteria(pool=suite.pool, with_calls=True)
        done = asyncio.run(
            resample(store, folder / "calls.db", suite.config, criteria, budget=Budget(), concurrency=2, notice=_silent)
        )
        if write:
            _write(store, done.run, suite.baseline)
        return against(store, done.run, suite.baseline, delta=suite.delta)


_write = write


def _silent(*_: object) -> None:
    """Progress is not wanted in a test."""


def _paths(value: Any, base: Path) -> tuple[Path, ...]:
    several = [value] if isinstance(value, str | Path) else list(value)
    return tuple(base / path for path in several)
