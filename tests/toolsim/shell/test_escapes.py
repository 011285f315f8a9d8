"""Attempts to get out of a shell engine: to files, processes, the network and the secrets of the machine below it.

Whatever the engine makes of a command (an answer, a question to the simulator, a failure), nothing outside may have
changed, nothing of it may stand in what was printed, nobody may have been called, and nothing may be left. What the
engine refuses by its text is run as well. The lines are in `escapes.txt`, the rest in `benchmarks/escapes.py`.
"""

from __future__ import annotations

import asyncio
import tempfile
import time
from pathlib import Path

import pytest

from tests import container_engine
from tests.programs import benchmark
from toolsim.actions import Unknown
from toolsim.errors import ShellError
from toolsim.shell.base import ProgramResult, ShellCommand
from toolsim.shell.limits import Limits

escapes = benchmark("escapes")
canaries = benchmark("outside")
ATTEMPTS = escapes.attempts()
# A container takes a quarter of a second to start; `benchmarks/escapes.py` plays all.
EVERY = {"container": 4}
KINDS = list(dict.fromkeys(attempt.kind for attempt in ATTEMPTS))


@pytest.fixture(scope="module")
def outside(tmp_path_factory):
    with canaries.outside(tmp_path_factory.mktemp("escapes") / "outside") as made:
        yield made


@pytest.fixture(scope="module")
def played(request):
    """All that was found, by engine; printed as tables in the end."""
    found = {}
    yield found
    capture = request.config.pluginmanager.getplugin("capturemanager")
    with capture.global_and_fixture_disabled():
        for engine, rows in found.items():
            print("", *escapes.table(engine, rows), *escapes.peaks(rows), sep="\n")


@pytest.fixture
def ground(engine, outside, tmp_path, monkeypatch):
    monkeypatch.setattr(escapes, "IMAGE", [container_engine.NAME])
    made = escapes.Ground.make(engine, tmp_path / "ground", outside)
    yield made
    asyncio.run(made.shell.close())
    tempfile.tempdir = None


@pytest.mark.parametrize("kind", KINDS)
async def test_nothing_gets_out(ground, engine, played, kind):
    chosen = [attempt for attempt in ATTEMPTS if attempt.kind == kind][:: EVERY.get(engine, 1)]
    found = await ground.try_all(chosen)
    if not found:
        pytest.skip("there is no C compiler for a program of the session's own")
    played.setdefault(engine, []).extend(found)
    wrong = [escapes.line(one) for one in found if one.out or one.left or one.end == "broke"]
    assert not wrong, "\n".join(wrong)
    for one in found:
        assert one.use.processes <= escapes.FEW.pids(), escapes.line(one)
        assert one.use.disk << 20 <= 4 * escapes.FEW.disk, escapes.line(one)
        assert one.use.memory << 20 <= 4 * escapes.FEW.memory, escapes.line(one)
        assert one.use.own <= 256, escapes.line(one)


@pytest.mark.parametrize("kind", [kind for kind in KINDS if any(a.armed and a.kind == kind for a in ATTEMPTS)])
def test_the_same_attempts_are_noticed_where_nothing_contains_them(outside, tmp_path, kind):
    chosen = [attempt for attempt in ATTEMPTS if attempt.kind == kind]
    missed, tried = escapes.control(outside, tmp_path / "control", chosen, escapes.make_probe(tmp_path / "probe"))
    assert missed == []
    assert tried > 0 or kind == escapes.NATIVE


def test_attempts_that_run_are_counted_apart_from_those_asked_and_refused():
    first = ATTEMPTS[0]

    def one(refused, end, asked, out=()):
        return escapes.Found(first, "", refused, end, "", asked, False, out, (), False, canaries.Use(), 0.0)

    rows = [
        one(None, "answered", 0), one(None, "doubted", 0), one(None, "answered", 2), one("text", "stopped", 0, ("x",)),
    ]  # fmt: skip
    found = escapes.counts(rows)
    assert [found[name] for name in ("attempts", "ran", "asked", "refused", "answered", "doubted", "unscreened")] == [
        4, 2, 1, 1, 1, 1, 1,
    ]  # fmt: skip
    assert (found["out"], found["left"]) == (1, 0)


def test_how_many_attempts_there_are():
    assert len(ATTEMPTS) >= 360
    assert sum(attempt.armed for attempt in ATTEMPTS) >= 230


async def test_a_command_is_answered_whatever_its_limit_of_disk(sandbox_place):
    sandbox_place.shell.limits = escapes.FEW
    assert await sandbox_place.text("echo hi; sort README.md | tail -1") == "hi\nTabs\there.\n"


async def test_only_the_sandboxs_own_processes_stand_in_proc(sandbox_place):
    assert await sandbox_place.text("x=oc; ls -d /pr$x/[a-z]*") == "/proc/self\n/proc/thread-self\n"
    found = await sandbox_place.try_run("x=oc; cat /pr$x/version")
    assert found == Unknown("the command reads the machine itself (/proc, /sys)")
    assert "ds-" not in await sandbox_place.text("x=oc; tr '\\0' ' ' < /pr$x/1/cmdline")


async def test_a_command_with_too_many_processes_is_ended_while_this_process_is_busy(sandbox_place):
    await sandbox_place.run("true")
    sandbox_place.shell.limits = Limits(processes=30)
    mounter = sandbox_place.shell._starter.process.pid
    left = []

    def busy():
        time.sleep(2.0)
        left.append(len(canaries.below(mounter)))

    async def program(run, view):
        asyncio.get_running_loop().call_soon(busy)
        return ProgramResult("", "", 0)

    command = ShellCommand("foo; for i in {1..60}; do yes > /dev/null & done; wait", sandbox_place.world.cwd)
    with pytest.raises(ShellError, match="more than 30 processes"):
        await sandbox_place.shell.run(command, sandbox_place.world, program)
    assert left == [0]


async def test_a_command_that_writes_too_much_is_ended_while_this_process_is_busy(sandbox_place):
    await sandbox_place.run("true")
    sandbox_place.shell.limits = Limits(disk=32 << 20)
    mounter = sandbox_place.shell._starter.process.pid
    left = []

    def busy():
        time.sleep(2.0)
        left.append(len(canaries.below(mounter)))

    async def program(run, view):
        asyncio.get_running_loop().call_soon(busy)
        return ProgramResult("", "", 0)

    command = ShellCommand("foo; while :; do yes | head -c 5000000 >> big$((i++)); done", sandbox_place.world.cwd)
    with pytest.raises(ShellError, match="wrote more than 33554432 bytes"):
        await sandbox_place.shell.run(command, sandbox_place.world, program)
    assert left == [0]


@pytest.mark.parametrize("command", ["truncate -s 50G big; echo done", "yes | head -c 3000000 >> big; echo done"])
async def test_a_file_that_may_not_grow_is_no_answer(sandbox_place, command):
    sandbox_place.shell.limits = Limits(disk=1 << 20)
    try:
        found = await sandbox_place.try_run(command)
    except ShellError as error:
        assert "wrote more than" in str(error)  # noqa: PT017
        return
    assert isinstance(found, Unknown)
    assert "the sandbox itself got in the way: File" in found.reason


async def test_a_line_that_is_longer_than_an_argument_is_not_parsed(place):
    world = place.world
    began = time.monotonic()
    found = place.shell.refusal(ShellCommand("echo " + "> x | " * 400_000, world.cwd), world)
    assert found is not None
    assert "longer than" in found.reason
    assert time.monotonic() - began < 1


def test_the_text_of_the_attempts_is_beside_this_test():
    assert Path(__file__).with_name("escapes.txt") == escapes.TEXT
