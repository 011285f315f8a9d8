"""Attempts to get out of a shell engine: to files, processes, the network and the secrets of the machine below it.

Whatever the engine makes of a command (an answer, a question to the simulator, a failure), nothing outside may have
changed, nothing of it may stand in the answer, and nobody may have been called.
"""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from toolsim.errors import ShellError
from toolsim.shell.base import ShellRun
from toolsim.shell.limits import Limits

SECRET = "canary-5f1e9b7c"


def _tries() -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    kind = ""
    for line in (Path(__file__).parent / "escapes.txt").read_text("utf-8").splitlines():
        if line.startswith("== "):
            kind = line.removeprefix("== ")
        elif not line.startswith("# "):
            found.setdefault(kind, []).append(line)
    return found


TRIES = _tries()
FEW = Limits(seconds=2.0, output=4 << 20, processes=120, memory=512 << 20, disk=64 << 20, files=20_000, programs=50)


@dataclass
class Outside:
    """What must not be reached: a directory with a file, a listening port and a process."""

    folder: Path
    pid: int
    port: int = 0
    called: list[bytes] = field(default_factory=list)

    def state(self) -> dict[str, tuple[bytes, int]]:
        return {
            str(p.relative_to(self.folder)): (p.read_bytes() if p.is_file() else b"", p.lstat().st_mode)
            for p in sorted(self.folder.rglob("*"))
        }


@pytest.fixture
async def outside(tmp_path_factory, monkeypatch):
    monkeypatch.setenv("OPENAI_API_KEY", SECRET)
    folder = tmp_path_factory.mktemp("outside")
    (folder / "secret.txt").write_text(f"echo {SECRET}\n")
    process = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)  # noqa: ASYNC220
    found = Outside(folder, process.pid)

    async def heard(reader, writer):
        found.called.append(await reader.read(100))
        writer.close()

    server = await asyncio.start_server(heard, "127.0.0.1", 0)
    found.port = server.sockets[0].getsockname()[1]
    yield found
    server.close()
    alive = process.poll() is None
    process.communicate(b"\n")
    assert alive, "a process outside was ended"


async def outcome(place, command):
    """What the engine made of a command, as text; failures of the engine are fine."""
    try:
        found = await asyncio.wait_for(place.try_run(command), 60.0)
    except ShellError as error:
        return str(error)
    return f"{found.output.stdout}{found.output.stderr}" if isinstance(found, ShellRun) else str(found)


@pytest.mark.parametrize("kind", list(TRIES))
async def test_nothing_gets_out(place, outside, kind):
    if hasattr(place.shell, "limits"):
        place.shell.limits = FEW
    before, start = outside.state(), place.world.fork()
    handlers = signal.getsignal(signal.SIGTERM)
    for pattern in TRIES[kind]:
        place.world = start.fork()
        command = pattern.format(out=outside.folder, port=outside.port, pid=outside.pid)
        said = await outcome(place, command)
        assert SECRET not in said, command
        assert outside.state() == before, command
        assert outside.called == [], command
    assert signal.getsignal(signal.SIGTERM) is handlers
    assert os.environ["OPENAI_API_KEY"] == SECRET
    assert not any(SECRET in str(run) for run in place.runs)


def test_how_many_attempts_there_are():
    assert sum(map(len, TRIES.values())) >= 140
