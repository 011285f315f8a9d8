"""The Ray cluster that workers run on: started for one command on this machine, or one that is there already."""

from __future__ import annotations

import os
import secrets
import shutil
import socket
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stdout
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import ray

from harness.engines.share import with_variables
from harness.errors import EngineError

_MEMORY = 80 * 2**20
"""Bytes of Ray's store of objects; what goes through it here is small. Ray takes no less than 75 MiB."""
_SHORT = 20
"""Characters of a folder below which Ray's sockets still have paths that the system takes."""
_REACH = 10.0
"""Seconds in which the head of a cluster must take a connection."""
_FAILURES = (OSError, RuntimeError, ValueError, TimeoutError, ray.exceptions.RayError)


@contextmanager
def connected(address: str | None, workers: int) -> Iterator[None]:
    """Be a driver on the cluster at `address`, or on one of its own with room for `workers`, which ends with it.

    A cluster of its own listens to its token only, which is drawn anew, and leaves no file behind unless this process
    is killed. It reports nothing to anyone.

    Raises:
        EngineError: the cluster cannot be started or reached.
    """
    quiet: dict[str, Any] = {"log_to_driver": False, "logging_level": "error", "include_dashboard": False}
    if address is not None:
        what = f"the Ray cluster at {address} cannot be used"
        _reach(address, what)
        with _driving({**quiet, "address": address}, what):
            yield
        return
    short = len(tempfile.gettempdir()) <= _SHORT
    folder = Path(tempfile.mkdtemp(prefix="ray-", dir=None if short else "/tmp"))
    try:
        token = folder / "token"
        token.touch(0o600)
        token.write_text(secrets.token_hex(32))
        own = {
            **quiet, "address": "local", "num_cpus": workers, "object_store_memory": _MEMORY,
            "_node_ip_address": "127.0.0.1", "_temp_dir": str(folder / "r"),  # Ray opens that one to everybody
        }  # fmt: skip
        usual = {"RAY_USAGE_STATS_ENABLED": "0", "RAY_AUTH_TOKEN_PATH": str(token)}
        fresh = {name: value for name, value in usual.items() if name not in os.environ}
        with with_variables(fresh), _driving(own, "no Ray cluster can be started on this machine"):
            yield
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _reach(address: str, what: str) -> None:
    """Look whether someone listens: where nobody does Ray waits for minutes, and then ends this process."""
    named = urlsplit(f"//{address}")
    try:
        if named.hostname is not None and named.port is not None:
            socket.create_connection((named.hostname, named.port), _REACH).close()
    except (OSError, ValueError) as error:
        raise EngineError(f"{what}: {getattr(error, 'strerror', None) or error}") from error


@contextmanager
def _driving(settings: dict[str, Any], what: str) -> Iterator[None]:
    with redirect_stdout(sys.stderr):  # Ray prints there what it has to say of lost workers
        try:
            ray.init(**settings)
        except _FAILURES as error:
            ray.shutdown()
            raise EngineError(f"{what}: {first_line(error)}") from error
        try:
            yield
        finally:
            ray.shutdown()  # ends the workers, too


def this_node() -> str:
    """The id of the node that this driver is on."""
    return str(ray.get_runtime_context().get_node_id())


def processors(node: str | None) -> int:
    """How many workers have room at once on a node, or on all (`None`).

    Raises:
        EngineError: none has.
    """
    alive = [one for one in ray.nodes() if one["Alive"] and (node is None or one["NodeID"] == node)]
    found = int(sum(one["Resources"].get("CPU", 0) for one in alive))
    if found < 1:
        raise EngineError("the Ray cluster has no processor to give: add nodes with at least one")
    return found


def first_line(error: BaseException) -> str:
    """What an error of Ray says, without the rest."""
    return next((line.strip() for line in str(error).splitlines() if line.strip()), type(error).__name__)
