"""What one worker of a run does: the same run from the same store, opened anew in its own process. Claims divide it."""

from __future__ import annotations

import ipaddress
import os
import socket
from collections.abc import Iterator, Mapping
from contextlib import chdir, contextmanager
from dataclasses import dataclass, field
from importlib.metadata import version
from pathlib import Path
from urllib.parse import urlsplit

from harness.batch import Notice, Outcome
from harness.config import RunConfig
from harness.engines.here import Work, here
from harness.errors import ConfigError
from harness.experiment import Plan, database_hash
from harness.store import Store
from harness.stores.engine import on_server
from toolsim.connectors.package_metadata import INDEX_VARIABLE
from toolsim.model import KEY_VARIABLE, is_embedded
from toolsim.modeltypes import Budget
from toolsim.prompting import prompt_hashes
from toolsim.trajectory import content_hash


@dataclass(frozen=True, slots=True)
class Share:
    """What a worker is told. Its `environment` (keys) and `store` (an address may hold a password) are never shown.

    `pairs` is the hash of the pair database and `program` of the program that the command has: a worker whose files
    or program differ plays nothing. `folder` is where the command was started; relative paths start there.
    """

    store: str | Path = field(repr=False)
    calls: Path
    pairs: str | None
    folder: Path
    program: str
    run: str
    rollouts: tuple[str, ...]
    config: RunConfig
    concurrency: int
    environment: Mapping[str, str] = field(repr=False)


async def take_part(share: Share, budget: Budget, notice: Notice) -> Outcome:
    """Play what no other worker plays, until every rollout of the share has ended somewhere.

    Raises:
        ConfigError: this machine lacks what the command has.
        HarnessError, ToolsimError: the run cannot start or go on here.
    """
    with _placed(share):
        if program() != share.program:
            raise ConfigError("another version of deploysim is installed there: bring the same one to each machine")
        if database_hash(share.calls) != share.pairs:
            raise ConfigError(f"{share.calls} is not the pair database that the command has: bring it to each machine")
        with Store(share.store, create=False) as store:
            rows = {row.id: row for row, _ in store.rollouts(share.run)}
            plan = Plan(share.run, tuple(rows[name] for name in share.rollouts if name in rows), (), resumed=True)
            return await here(Work(store, share.calls, plan, share.config, budget, share.concurrency, notice))


@contextmanager
def _placed(share: Share) -> Iterator[None]:
    """In the folder of the command and with the variables that its settings need."""
    if not share.folder.is_dir():
        raise ConfigError(f"there is no folder {share.folder} there: start the command in one that all machines have")
    with with_variables(share.environment), chdir(share.folder):
        yield


@contextmanager
def with_variables(values: Mapping[str, str]) -> Iterator[None]:
    """Inside, these variables are in the environment of this process."""
    before = {name: os.environ.get(name) for name in values}
    os.environ.update(values)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value


def program() -> str:
    """A hash of this program's version and prompts."""
    return content_hash([version("deploysim"), prompt_hashes("toolsim", "harness")])


def machine() -> str:
    """How this machine is called in messages."""
    return socket.gethostname()


def variables(config: RunConfig) -> tuple[str, ...]:
    """The names of the variables that hold what the settings need and may not contain."""
    names = []
    if any(spec not in {"recorded", "none"} and not is_embedded(spec) for spec in (config.candidate, config.simulator)):
        names.append(KEY_VARIABLE)
    if "connectors" in config.affordances:
        names.append(INDEX_VARIABLE)
        if config.mcp_servers:
            from toolsim.connectors.mcp_tools import parse_spec, token_variable

            names += [token_variable(parse_spec(spec).name) for spec in config.mcp_servers]
    return tuple(names)


def check(address: str | None, store: str | Path) -> None:
    """Whether a store may be used from the cluster at an address (`None`: one of the command's own).

    Raises:
        ConfigError: it may not, or the address is not of a kind that is used.
    """
    if address is None:
        return
    if "://" in address:
        raise ConfigError(f"--ray-address is HOST:PORT of a cluster that this machine is a part of, not {address}")
    if not on_server(store) and not _loopback(address):
        raise ConfigError(
            f"the store {store} is a file, which workers on other machines cannot share: with --ray-address {address} "
            "name a store on Postgres (--store postgresql://…)"
        )


def _loopback(address: str) -> bool:
    host = urlsplit(f"//{address}").hostname or ""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
