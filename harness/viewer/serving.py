"""Serves the viewer with uvicorn: opens the store, takes a port, prints where it is, answers until it is stopped."""

from __future__ import annotations

import secrets
import signal
import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType

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
        server = uvicorn.Server(config)
        with _stopping(server.handle_exit):
            ready(f"http://{name}:{at}/?token={secret}")
            server.run(sockets=[taken])


@contextmanager
def _stopping(stop: Callable[[int, FrameType | None], None]) -> Iterator[None]:
    """Ctrl-C stops from here on. uvicorn listens for it only once it runs; before, an interrupt may be raised where
    Python swallows it (a callback of the garbage collector), and the server would go on for ever.
    """
    kept = {which: signal.signal(which, stop) for which in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for which, before in kept.items():
            signal.signal(which, before)


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
