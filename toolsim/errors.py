"""Errors of `toolsim`: ours, never what a simulated tool would print.

ToolsimError
├── SimulationFailed       no rung could answer a call; carries stage and reason, fails the rollout
├── ModelError             a model gave no usable reply
│   ├── EndpointError      network, status or protocol failure after retries
│   ├── OutputInvalid      reply does not fit the schema after the repair round
│   ├── Refused            the model declined
│   └── ModelUnavailable   no model configured, weights missing, package missing
├── BudgetExceeded         a limit on calls, tokens or cost was reached
├── ShellError             the engine itself failed (not the command inside it)
├── ConnectorError         a connector could not answer as of the moment, or refused
├── CallDatabaseError      the pair database is missing, locked, foreign or torn
├── ReplyCacheError        the cache of answers cannot be used
└── MapError               the map of replacements cannot be used; then nothing is sent
"""

from __future__ import annotations


class ToolsimError(Exception):
    """Base of all errors of this package."""


class SimulationFailed(ToolsimError):
    """No rung could answer a call. `stage` names the part that failed."""

    def __init__(self, stage: str, reason: str) -> None:
        super().__init__(f"{stage}: {reason}")
        self.stage = stage
        self.reason = reason


class ModelError(ToolsimError):
    """A model gave no usable reply."""


class EndpointError(ModelError):
    """The endpoint failed after all retries; `status` is its last HTTP status, if it answered at all."""

    def __init__(self, message: str, status: int | None = None) -> None:
        super().__init__(message)
        self.status = status


class OutputInvalid(ModelError):
    """The reply does not fit the schema, also after the repair round."""


class Refused(ModelError):
    """The model declined to answer."""


class ModelUnavailable(ModelError):
    """The model cannot be used here: not configured, weights or package missing."""


class BudgetExceeded(ToolsimError):
    """A limit on model calls, tokens or cost was reached."""


class ShellError(ToolsimError):
    """The shell engine failed; the command's own failure is an exit code, not this."""


class ConnectorError(ToolsimError):
    """A connector refused, failed, or cannot answer as of the moment."""


class CallDatabaseError(ToolsimError):
    """The pair database cannot be used."""


class ReplyCacheError(ToolsimError):
    """The cache of answers cannot be used."""


class MapError(ToolsimError):
    """The map of replacements cannot be used."""
