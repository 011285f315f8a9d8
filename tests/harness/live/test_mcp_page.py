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
from click.testing import CliRunner

from harness.cli import cli

pytest.importorskip("mcp")

ROOT = Path(__file__).parents[3]
PROGRAM = ("-c", "from harness.cli import main; main()")
WAIT = 90.0


def commands():
    text = (ROOT / "docs" / "mcp.md").read_text("utf-8")
    blocks = re.findall(r"```sh\n(.*?)```", text, re.S)
    return [line for block in blocks for line in block.splitlines() if line.startswith("deploysim ")]


LINES = commands()
SERVING = [line for line in LINES if line.split()[1] in {"mcp", "proxy", "view"} and "--show" not in line]


@pytest.fixture
def prepared(folder, monkeypatch):
    """The folder that the commands of the page run in, with the server that one of them names."""
    shutil.copy(ROOT / "tests" / "toolsim" / "connectors" / "notes_server.py", folder / "tracker.py")
    monkeypatch.setenv("PATH", f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}")
    monkeypatch.setenv("DEPLOYSIM_SHELL", "none")
    monkeypatch.chdir(folder)
    return folder


@pytest.mark.parametrize("line", [line for line in LINES if line not in SERVING])
def test_a_command_of_the_page_ends_well(line, prepared, session):
    if line.split()[1] in {"report", "discriminate"}:
        ran = CliRunner().invoke(cli, ["resample", "--candidate", "recorded", "--simulator", "none"])
        assert ran.exit_code == 0, ran.output
    done = CliRunner().invoke(cli, shlex.split(line.replace("SESSION", session[:8]))[1:])
    assert done.exit_code == 0, done.output


@pytest.mark.parametrize("line", SERVING)
async def test_a_command_of_the_page_serves(line, prepared, session):
    words = shlex.split(line.replace("SESSION", session[:8]))[1:]
    process = await asyncio.create_subprocess_exec(
        sys.executable, *PROGRAM, *words, *(["--port", "0"] if words[0] == "view" else []),
        stdin=asyncio.subprocess.DEVNULL, stdout=-1, stderr=-1,
    )  # fmt: skip
    if words[0] == "mcp" and "--http" not in words:
        _, err = await asyncio.wait_for(process.communicate(), WAIT)
        assert process.returncode == 0, err.decode()
        return
    first = await asyncio.wait_for(process.stdout.readline(), WAIT)
    process.send_signal(signal.SIGINT)
    _, err = await asyncio.wait_for(process.communicate(), WAIT)
    assert b"http://127.0.0.1:" in first, err.decode()
