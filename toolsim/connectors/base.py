"""The contract of a connector: what it is asked, what it answers, and the one way in which it may reach out."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Protocol, TypeAlias

from toolsim.trajectory import JsonObject


@dataclass(frozen=True, slots=True)
class Query:
    """What the agent does: a program run (`argv`), or a tool call (`tool`, `arguments`); the other is empty."""

    argv: tuple[str, ...] = ()
    tool: str = ""
    arguments: JsonObject = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Fetched:
    """A response of a source: status 200 or 404 only."""

    url: str
    status: int
    body: bytes


@dataclass(frozen=True, slots=True)
class Sourced:
    """What a source says of a query.

    With `exact` the streams are what the agent's program or tool puts out; else only `facts` are of use, as evidence.
    `facts` are sentences that hold as of the moment. `assumptions` says what was taken for granted about the machine.
    """

    facts: tuple[str, ...]
    exact: bool = False
    stdout: str = ""
    stderr: str = ""
    exit_code: int = 0
    assumptions: tuple[str, ...] = ()
    urls: tuple[str, ...] = ()


Fetch: TypeAlias = Callable[[str, Mapping[str, str]], Awaitable[Fetched]]
"""GET a URL with query parameters; all that a connector may do outside. Raises `ConnectorError` where it may not."""


class Connector(Protocol):
    """One read-only source. It gets no client, only `fetch`, which refuses all but GET from `hosts`."""

    @property
    def name(self) -> str:
        """What it is called in evidence."""

    @property
    def hosts(self) -> frozenset[str]:
        """The only hosts that may be asked."""

    def applies(self, query: Query) -> bool:
        """Whether the source knows of such things; asks nobody."""

    async def answer(self, query: Query, fetch: Fetch, as_of: float) -> Sourced | None:
        """What the source says of the query as it stood at `as_of` (Unix seconds); `None`: nothing.

        Raises:
            ConnectorError: refused, failed, or not to be had as of that moment.
        """
