"""The container engine: what really runs, what cannot be reached, what its limits do, and what it leaves."""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
from pathlib import Path

import docker
import pytest

from tests import container_engine
from toolsim.actions import Blur, PutFile, Unknown
from toolsim.errors import ShellError
from toolsim.shell import container
from toolsim.shell.base import ProgramResult
from toolsim.shell.choice import choose
from toolsim.shell.container import open_container
from toolsim.shell.limits import Limits
from toolsim.shell.userland import Image

TEST = "def test_sum():\n    assert 1 + 1 == 3\n"


@pytest.fixture
def contained(place_of, containers):
    """A world with the container engine; programs named are really executed."""

    def make(*executed, **options):
        return place_of(engine="container", executed=executed, **options)

    return make


def mounts():
    return [line for line in Path("/proc/self/mountinfo").read_text().splitlines() if f"/ds-{os.getpid()}-" in line]


def listed():
    client = docker.from_env()
    try:
        return client.containers.list(all=True)
    finally:
        client.close()


async def test_a_program_is_asked_for_unless_it_is_executed(contained):
    place = contained()
    assert (await place.run("python3 -c 'print(6 * 7)'")).output.stdout == "<python3>\n"
    really = contained("python", repository=place.scratch / "work")
    found = await really.run("python3 -c 'print(6 * 7)'; python3 -c 'import sys; sys.exit(3)'")
    assert (found.output.stdout, found.output.exit_code, really.runs) == ("42\n", 3, [])


async def test_what_an_executed_program_writes_is_in_the_world(contained):
    place = contained("python")
    await place.run("""python3 -c 'open("made.txt", "w").write("x" * 10)'""")
    assert place.world.read(place.world.root + "/made.txt") == b"x" * 10
    assert await place.text("wc -c < made.txt") == "10\n"


async def test_an_executed_program_asks_for_those_that_are_not(contained):
    place = contained("python")
    place.answers["gcc"] = ProgramResult("made up\n", "", 4)
    text = await place.text("""python3 -c 'import subprocess as s; print(s.run(["gcc", "-v"]).returncode)'""")
    assert (text, [run.argv for run in place.runs]) == ("made up\n4\n", [("gcc", "-v")])


async def test_an_executed_program_may_look_around_but_a_file_that_is_not_known_answers_nothing(contained):
    place = contained("python")
    path = place.world.root + "/src/app.py"
    reads = "python3 -c 'print(len(open(\"src/app.py\").read()))'"
    assert isinstance(await place.try_run(reads), object)
    assert (await place.text("python3 -c 'import os; print(os.path.exists(\"/opt/x\"))'")) == "False\n"
    place.world.apply(Blur(path, "formatted"))
    assert isinstance(await place.try_run(reads), Unknown)


async def test_nothing_is_reached_over_a_network(contained):
    place = contained("python")
    tried = 'import socket; socket.create_connection(("127.0.0.1", 9), 2)'
    assert "Error: " in await place.text(f"python3 -c '{tried}' 2>&1 | tail -1")


@pytest.mark.parametrize("line", [
    "echo x > /usr/bin/cat", "echo x > /usr/lib/x", "echo x > /lib/x", "rm -f /usr/bin/cat", "mkdir /usr/share/new",
])  # fmt: skip
async def test_the_root_cannot_be_written(contained, line):
    assert isinstance(await contained().try_run(line), Unknown)  # the container itself got in the way


async def test_a_container_has_no_capabilities_no_other_mounts_and_one_network_device(contained):
    place = contained("python")
    text = await place.text(
        """python3 -c '
import json, os
status = dict(l.split(":", 1) for l in open("/proc" + "/self/status") if ":" in l)
print(json.dumps([status["CapEff"].strip(), status["CapBnd"].strip(), status["NoNewPrivs"].strip(),
    status["Seccomp"].strip(), sorted(os.listdir("/sys" + "/class/net"))]))'"""
    )
    effective, bounding, no_new, filtered, devices = json.loads(text)
    assert {int(effective, 16), int(bounding, 16)} == {0}
    assert (no_new, filtered, devices) == ("1", "2", ["lo"])


async def test_too_much_memory_is_a_failure(contained):
    with pytest.raises(ShellError, match="bytes of memory"):
        await contained("python").run("python3 -c 'x = bytearray(3 << 30); print(len(x))'")


async def test_time_and_processes_are_bounded(contained, place_of, containers, toolbox_cache):
    place = contained("python")
    place.shell.limits = Limits(seconds=2, processes=20)
    with pytest.raises(ShellError, match="more than 2 s"):
        await place.run("python3 -c 'while True: pass'")
    with pytest.raises(ShellError, match="more than 20 processes"):
        await place.run("for i in {1..60}; do while :; do :; done & done; wait")


async def test_nothing_is_left(contained):
    place = contained()
    await place.run("echo a; cat README.md")
    place.answers["boom"] = ShellError("no")
    with pytest.raises(ShellError):
        await place.run("boom")
    task = asyncio.ensure_future(place.run("while :; do :; done"))
    await asyncio.sleep(1.5)
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    assert (mounts(), [c for c in listed() if c.labels.get("deploysim.owner") == str(os.getpid())]) == ([], [])


WAITS = """
import asyncio, sys
from pathlib import Path
from toolsim.shell import container
from toolsim.shell.base import ShellCommand
from toolsim.shell.differential import make_repository, world_of
from toolsim.shell.source import RepositorySource
from toolsim.shell.userland import Image
base = Path(sys.argv[1])
(base / "work").mkdir()
world = world_of(base / "work", make_repository(base / "work"))
shell = container.open_container(base / "c", RepositorySource(base / "c", "main"), Image(sys.argv[2]))
async def ask(run, world):
    print("asked", flush=True)
    await asyncio.sleep(60)
asyncio.run(shell.run(ShellCommand("make", world.root), world, ask))
"""


def test_what_a_killed_process_left_is_taken_away_by_the_next(contained, tmp_path):
    place = contained()
    command = [sys.executable, "-c", WAITS, tmp_path / "other", container_engine.NAME]
    (tmp_path / "other").mkdir()
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as killed:
        assert killed.stdout.readline() == "asked\n"
        killed.kill()
    marks = f"/ds-{killed.pid}-"
    assert marks in Path("/proc/self/mountinfo").read_text()
    assert asyncio.run(place.text("echo a")) == "a\n"
    assert marks not in Path("/proc/self/mountinfo").read_text()
    assert [c for c in listed() if c.labels.get("deploysim.owner") == str(killed.pid)] == []


async def test_the_root_directory_is_nobodys(contained):
    place = contained()
    for line in (
        "ls /",
        "find / -name x",
        "cat /etc/hosts",
        "[ -d /nowhere/x ] && echo yes",
        "cd / && cat etc/hostname",
    ):
        assert isinstance(await place.try_run(line), Unknown), line


def test_an_image_that_lacks_what_is_needed_is_refused_with_its_name(containers, tmp_path):
    with pytest.raises(ShellError, match="no image nothing-of-this-name"):
        choose("container", Image("nothing-of-this-name"))
    shell = open_container(tmp_path, None, container_engine.image("fortran"))
    with pytest.raises(ShellError, match="no program fortran"):
        shell.maker.toolbox()
    chosen = choose("container", container_engine.image("python"))
    assert chosen.settings() == {"shell": "container", "image": chosen.image.id}
    assert chosen.image.id.startswith("sha256:")
    assert choose("container", Image(chosen.image.id)).image.id == chosen.image.id


def test_no_engine_is_a_sentence(monkeypatch):
    monkeypatch.setenv("DOCKER_HOST", "unix:///nowhere/s")
    container._client.cache_clear()
    try:
        reason = container.available(Image("x"))
    finally:
        container._client.cache_clear()
    assert reason is not None
    assert "engine" in reason or "root" in reason or "Linux" in reason
    with pytest.raises(ShellError, match="needs an image"):
        choose("container")


async def test_a_written_file_keeps_its_place_and_mode(contained):
    place = contained()
    found = await place.run("mkdir -p scripts && printf '#!/bin/sh\\n' > scripts/run && chmod +x scripts/run")
    assert [(m.path, m.mode) for m in found.mutations if isinstance(m, PutFile)] == [
        (place.world.root + "/scripts/run", 0o100755)
    ]


async def test_a_repository_may_stand_at_the_top_of_the_root(contained):
    place = contained("python", root="/testbed")
    assert await place.text("pwd; cat .hidden; python3 -c 'print(open(\"/testbed/.hidden\").read())'") == (
        "/testbed\ndot\ndot\n\n"
    )
    assert isinstance(await place.try_run("ls .."), Unknown)
