"""A Postgres server of a test's own: a fresh cluster in a temporary directory, reached over a socket in it."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import quote

import pytest

_SETTINGS = ("fsync=off", "listen_addresses=", "shared_buffers=16MB", "max_connections=40")


def binaries() -> Path | None:
    """The directory of initdb and postgres, of the newest version there is."""
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"), key=lambda p: float(p.parts[4]))
    on_path = shutil.which("initdb")
    if not found and on_path is None:
        return None
    return found[-1].parent if found else Path(os.path.realpath(str(on_path))).parent


@contextmanager
def server() -> Iterator[str]:
    """Start a server and give its address; skip where there is none to start."""
    pytest.importorskip("psycopg", reason="psycopg is not installed (extra postgres)")
    found = binaries()
    if found is None:
        pytest.skip("no Postgres on this machine: initdb is not to be found (Debian: apt install postgresql)")
    user = "nobody" if os.geteuid() == 0 else None  # Postgres does not run as root
    with tempfile.TemporaryDirectory(prefix="pg-", dir="/tmp", ignore_cleanup_errors=True) as folder:
        if user:
            shutil.chown(folder, user)
        base = Path(folder)
        made = subprocess.run(
            [found / "initdb", "--no-sync", "-A", "trust", "-U", "tester", "-E", "UTF8", "--locale=C.UTF-8", "-D",
             base / "data"],
            user=user, capture_output=True, text=True, check=False, cwd="/",
        )  # fmt: skip
        if made.returncode:
            pytest.skip(f"initdb cannot make a cluster: {made.stderr.strip()[-300:]}")
        options = [word for setting in _SETTINGS for word in ("-c", setting)]
        with (base / "log").open("wb") as log:
            process = subprocess.Popen(
                [found / "postgres", "-D", base / "data", "-k", folder, *options],
                user=user, stdout=log, stderr=subprocess.STDOUT, cwd="/",
            )  # fmt: skip
        try:
            yield _ready(process, base)
        finally:
            process.send_signal(signal.SIGINT)
            process.wait(20)


def _ready(process: subprocess.Popen[bytes], base: Path) -> str:
    import psycopg

    address = f"postgresql://tester@/postgres?host={quote(str(base), safe='')}"
    for _ in range(200):
        if process.poll() is not None:
            break
        try:
            psycopg.connect(address).close()
        except psycopg.OperationalError:
            time.sleep(0.05)
        else:
            return address
    raise RuntimeError(f"the server did not come up: {(base / 'log').read_text('utf-8', 'replace')[-2000:]}")


@contextmanager
def database(address: str, name: str) -> Iterator[str]:
    """An empty database on the server."""
    import psycopg

    with psycopg.connect(address, autocommit=True) as connection:
        connection.execute(f'create database "{name}"'.encode())
    yield address.replace("/postgres?", f"/{name}?")
    with psycopg.connect(address, autocommit=True) as connection:
        connection.execute(f'drop database "{name}" with (force)'.encode())
