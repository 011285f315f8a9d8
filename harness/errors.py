"""Errors of `harness`: each is one sentence on the command line and exit status 1.

HarnessError
├── ImportFailed       a path could not be read at all (single records are skipped and counted instead)
├── SelectionError     a session, turn or step that does not exist or may not be used
├── StoreError         the store is missing, locked, full, read-only or of another version
├── ConfigError        a setting that does not fit
├── EngineError        workers that cannot be started, go on or be replaced any more
├── JudgeError         a judge that gave no valid verdict
├── RolloutOver        a call for a rollout that has ended; carries how it ended
└── RequestInvalid     a request of an agent product that cannot be served
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from harness.rows import End


class HarnessError(Exception):
    """Base of all errors of this package."""


class ImportFailed(HarnessError):
    """A path could not be read at all."""


class SelectionError(HarnessError):
    """A session, turn or step that does not exist or may not be used."""


class StoreError(HarnessError):
    """The store cannot be used."""


class ConfigError(HarnessError):
    """A setting that does not fit."""


class EngineError(HarnessError):
    """Workers cannot be started, cannot go on, or were lost too often; what they did stays."""


class JudgeError(HarnessError):
    """A judge that gave no valid verdict."""


class RolloutOver(HarnessError):
    """A call came for a rollout that has ended, or that ended with this call."""

    def __init__(self, rollout: str, end: End) -> None:
        where = f" at {end.stage}" if end.stage else ""
        super().__init__(f"rollout {rollout} is over, {end.status}{where}: {end.reason}")
        self.rollout = rollout
        self.end = end


class RequestInvalid(HarnessError):
    """A request of an agent product that cannot be served."""
