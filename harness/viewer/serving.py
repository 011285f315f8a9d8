"""Serves the viewer with uvicorn: opens the store, takes a port, prints where it is, answers until it is stopped."""

from __future__ import annotations

import secrets
import socket
from collections.abc import Callable
from pathlib import Path

from harness.errors import HarnessError
from harness.store import Store


def serve(store: Path, host: str, port: int, token: str | None, ready: Callable[[str], None]) -> None:
    """Answer until interrupted; `ready` is told the address with the token as soon as connections are taken.

    Raises:
        HarnessError: the extra is missing, the store cannot be used, or the address is taken.
    """
    try:
        import uvicorn

        from harness.viewer.app import build
        from harness.viewer.guard import allowed_hosts
    except ModuleNotFoundError as error:
        raise HarnessError(f"the viewer needs {error.name}: `pip install 'deploysim[view]'`") from error
    with Store(store, create=False) as opened:
        opened.runs()  # brings the tables up to date; the pages themselves only read
    secret = token or secrets.token_urlsafe(24)
    with listen(host, port) as taken:
        at = taken.getsockname()[1]
        name = f"[{host}]" if ":" in host else host
        app = build(store, secret, allowed_hosts(host, at))
        config = uvicorn.Config(
            app, log_level="warning", access_log=False, server_header=False, timeout_graceful_shutdown=3
        )
        ready(f"http://{name}:{at}/?token={secret}")
        uvicorn.Server(config).run(sockets=[taken])


def listen(host: str, port: int) -> socket.socket:
    """A socket that listens there; port 0 takes a free one.

    Raises:
        HarnessError: the address is taken or does not exist.
    """
    try:
        family = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0][0]
        taken = socket.socket(family, socket.SOCK_STREAM)
        taken.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        taken.bind((host, port))
        taken.listen(128)
    except OSError as error:
        raise HarnessError(f"cannot listen on {host}:{port}: {error.strerror or error}") from error
    return taken
