"""A GGUF file served with OpenAI's endpoints by a child process, on loopback and a port of the system's choice.

Two openings of the same weights with the same window share one server; it stops when the last one lets go, or when
this process ends, however it ends. A child process, because loading the weights holds Python's interpreter lock for
seconds, and a crash of native code must not take a run with it.
"""

from __future__ import annotations

import asyncio
import atexit
import json
import subprocess
import sys
import tempfile
import threading
from dataclasses import asdict, dataclass
from importlib.util import find_spec
from pathlib import Path

from toolsim.errors import ModelUnavailable

DEFAULT_CONTEXT = 16_384
DEFAULT_SLOTS = 2
_STOP_SECONDS = 5.0
_SCRIPT = Path(__file__).with_name("serve_weights.py")


@dataclass(frozen=True, slots=True)
class ServerSettings:
    """What is served and how: `context` tokens for each of `slots` requests at a time; `name` is the model's name."""

    weights: Path
    name: str
    context: int = DEFAULT_CONTEXT
    slots: int = DEFAULT_SLOTS


class Server:
    """One opening of a server: `start` it, then talk to the base URL, then `close` it."""

    def __init__(self, settings: ServerSettings) -> None:
        self.settings = settings
        self.base_url: str | None = None

    def launch(self) -> str:
        """Load the weights, unless another opening has, and return the base URL (`…/v1`). Blocks for seconds.

        Raises:
            ModelUnavailable: the package or the weights are missing or broken.
        """
        if self.base_url is None:
            self.base_url = _SERVERS.acquire(self.settings)
        return self.base_url

    async def start(self) -> str:
        """`launch` in a thread."""
        return await asyncio.to_thread(self.launch)

    def close(self) -> None:
        """Let go of the server. Closing twice, or before a start, does nothing."""
        if self.base_url is not None:
            self.base_url = None
            _SERVERS.release(self.settings)


@dataclass(slots=True)
class _Running:
    process: subprocess.Popen[str]
    base_url: str
    openings: int = 0


class _Servers:
    """The servers of this process with the number of openings of each."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._running: dict[ServerSettings, _Running] = {}

    def acquire(self, settings: ServerSettings) -> str:
        with self._lock:
            running = self._running.get(settings)
            if running is None or running.process.poll() is not None:
                running = self._running[settings] = _launch(settings)
            running.openings += 1
            return running.base_url

    def release(self, settings: ServerSettings) -> None:
        with self._lock:
            running = self._running.get(settings)
            if running is None:
                return
            running.openings -= 1
            if running.openings <= 0:
                del self._running[settings]
                _stop(running.process)

    def stop(self) -> None:
        with self._lock:
            for running in self._running.values():
                _stop(running.process)
            self._running.clear()


_SERVERS = _Servers()
atexit.register(_SERVERS.stop)


def _launch(settings: ServerSettings) -> _Running:
    if find_spec("xllamacpp") is None:
        raise ModelUnavailable("embedded models need the xllamacpp package: install it, or name NAME@BASE_URL instead")
    if not settings.weights.is_file():
        raise ModelUnavailable(f"the weights {settings.weights} are missing: run `deploysim models pull`")
    argument = json.dumps(asdict(settings) | {"weights": str(settings.weights)})
    with tempfile.TemporaryFile("w+") as complaints:
        process = subprocess.Popen(
            [sys.executable, str(_SCRIPT), argument],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=complaints,
            text=True,
            start_new_session=True,  # Ctrl-C is for us; the child goes when its stdin closes
        )
        assert process.stdout is not None
        address = process.stdout.readline().strip()
        if not address:
            process.wait()
            complaints.seek(0)
            said = complaints.read().strip().splitlines()
            reason = said[-1] if said else f"exit status {process.returncode}"
            _stop(process)
            raise ModelUnavailable(f"{settings.weights.name} could not be served: {reason}")
    return _Running(process, f"{address}/v1")


def _stop(process: subprocess.Popen[str]) -> None:
    for pipe in (process.stdin, process.stdout):
        if pipe is not None:
            pipe.close()
    try:
        process.wait(_STOP_SECONDS)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
