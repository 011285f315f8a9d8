"""A Ray cluster of a test's own: a head and, where wanted, a second node, all on this machine."""

from __future__ import annotations

import ctypes
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Cluster:
    """Its address, the folder with its logs, and the environment in which it may be used."""

    address: str
    folder: Path
    environment: Mapping[str, str]

    @contextmanager
    def node(self) -> Iterator[subprocess.Popen[bytes]]:
        """A second node; the process that holds it, whose session ends with it."""
        with _started(self.environment, f"--address={self.address}", "--num-cpus=1") as process:
            yield process


@contextmanager
def cluster(processors: int, port: int) -> Iterator[Cluster]:
    """Start one, and end it with the block."""
    folder = Path(tempfile.mkdtemp(prefix="ray-", dir="/tmp"))
    token = folder / "token"
    token.write_text("a" * 64)
    environment = {**os.environ, "RAY_USAGE_STATS_ENABLED": "0", "RAY_AUTH_MODE": "token",
                   "RAY_AUTH_TOKEN_PATH": str(token)}  # fmt: skip
    words = ("--head", f"--port={port}", "--node-ip-address=127.0.0.1", f"--num-cpus={processors}",
             "--include-dashboard=false", f"--temp-dir={folder}")  # fmt: skip
    try:
        with _started(environment, *words):
            yield Cluster(f"127.0.0.1:{port}", folder, environment)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@contextmanager
def _started(environment: Mapping[str, str], *words: str) -> Iterator[subprocess.Popen[bytes]]:
    ray = Path(sys.executable).with_name("ray")
    command = [ray, "start", "--block", "--object-store-memory=80000000", *words]
    process = subprocess.Popen(
        command, env=dict(environment), stdout=subprocess.PIPE, stderr=subprocess.STDOUT, start_new_session=True,
        preexec_fn=_end_with_parent,  # noqa: PLW1509  it calls the kernel only
    )  # fmt: skip
    said = b""
    try:
        assert process.stdout is not None
        while b"Ray runtime started" not in said:
            line = process.stdout.readline()
            assert line, said.decode()
            said += line
        yield process
    finally:
        process.send_signal(signal.SIGTERM)
        with suppress(subprocess.TimeoutExpired):
            process.wait(20)
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.stdout.close()  # type: ignore[union-attr]
        process.wait(5)


def _end_with_parent() -> None:
    """No cluster outlives the process that started it, however that ends (prctl: PR_SET_PDEATHSIG)."""
    ctypes.CDLL(None).prctl(1, signal.SIGTERM)


def gone(pids: set[int], seconds: float = 60.0) -> bool:
    """Whether these processes end within some seconds."""
    until = time.monotonic() + seconds
    while any(Path(f"/proc/{pid}").exists() for pid in pids):
        if time.monotonic() > until:
            return False
        time.sleep(0.1)
    return True
