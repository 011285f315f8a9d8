"""Every `deploysim` command of docs/mcp.md runs, on a store of one fixture session."""

from __future__ import annotations

import asyncio
import os
import re
import shlex
import shutil
import signal
import sys
from pathlib import Path

import pytest

pytest.importorskip("mcp")

ROOT = Path(__file__).parents[3]
PROGRAM = ("-c", "from harness.cli import main; main()")
WAIT = 90.0
ENDLESS = ("--http", "proxy", "view")


def commands():
    text = (ROOT / "docs" / "mcp.md").read_text("utf-8")
    blocks = re.findall(r"```sh\n(.*?)```", text, re.S)
    return [line for block in blocks for line in block.splitlines() if line.startswith("deploysim ")]


@pytest.mark.parametrize("line", commands())
async def test_a_command_of_the_page_runs(line, folder, session):
    if not shutil.which("bwrap") and "report" not in line and "--show" not in line:
        line += " --shell none" if "--simulator" in line else ""
    shutil.copy(ROOT / "tests" / "toolsim" / "connectors" / "notes_server.py", folder / "tracker.py")
    if line.split()[1] in {"report", "discriminate"}:
        await finished(["mcp", session, "--with-calls", "--simulator", "none", "--shell", "none"], folder)
    words = shlex.split(line.replace("SESSION", session[:8]))[1:]
    if not any(word in words for word in ENDLESS):
        await finished(words, folder)
        return
    process = await started([*words, "--port", "0"] if "view" in words else words, folder)
    first = await asyncio.wait_for(process.stdout.readline(), WAIT)
    process.send_signal(signal.SIGINT)
    _, err = await asyncio.wait_for(process.communicate(), WAIT)
    assert b"http://127.0.0.1:" in first, err.decode()


async def started(words, folder):
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    return await asyncio.create_subprocess_exec(
        sys.executable, *PROGRAM, *words, stdin=asyncio.subprocess.DEVNULL, stdout=-1, stderr=-1, cwd=folder,
        env={**os.environ, "PATH": path},
    )  # fmt: skip


async def finished(words, folder):
    process = await started(words, folder)
    _, err = await asyncio.wait_for(process.communicate(), WAIT)
    assert process.returncode == 0, err.decode()
