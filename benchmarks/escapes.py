"""Attempts to get out of the shell engines: how many ran, asked the simulator, were refused, and what got out.

python benchmarks/escapes.py [--engine E] [--image NAME] [--only KIND] [--show] [--control]

Every line of `tests/toolsim/shell/escapes.txt` is played by each engine in a world of its own. A line that the engine
refuses by its text is then run once more with that screening off, so that the containment itself is tried. `out` is
what a canary outside showed (`outside.py`); it looks at all that was printed, also where the answer was then doubted.
With `--control` the lines that are harmless are run by plain bash in a throwaway directory: each must be noticed.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))

import docker
from outside import VARIABLE, Meter, Outside, Use, below, outside

from repos.snapshot import Snapshot
from toolsim.actions import PutFile, Unknown
from toolsim.errors import ShellError
from toolsim.shell import bashkit, cgroups, container, gitdir, sandbox
from toolsim.shell.base import ProgramResult, ProgramRun, ShellCommand, ShellRun
from toolsim.shell.bashkit import BashkitShell
from toolsim.shell.differential import ENVIRONMENT, make_repository, world_of
from toolsim.shell.launch import Mounter
from toolsim.shell.limits import Limits
from toolsim.shell.sandbox import SandboxShell
from toolsim.shell.source import RepositorySource, Source
from toolsim.shell.userland import Image
from toolsim.world import World

TEXT = Path(__file__).parents[1] / "tests/toolsim/shell/escapes.txt"
PROBE = Path(__file__).with_name("escapes_probe.c")
FEW = Limits(seconds=2.0, output=4 << 20, processes=120, memory=512 << 20, disk=64 << 20, files=20_000, programs=50)
SHORT = replace(FEW, seconds=1.0)
ENGINES = ("sandbox", "bashkit", "container")
IMAGE: list[str] = []
"""The name of the image of the containers, if there is one."""
HOSTILE, NATIVE, ASK, EXHAUSTION = "hostile", "native", "ask", "exhaustion"
HOOKS = (
    "pre-commit", "prepare-commit-msg", "commit-msg", "post-commit", "post-checkout", "reference-transaction",
    "post-index-change", "pre-rebase", "post-rewrite",
)  # fmt: skip
CONFIG = """
[core]
	fsmonitor = touch {out}/new
	editor = touch {out}/new
	sshCommand = touch {out}/new
	pager = touch {out}/new
[alias]
	st = !touch {out}/new
[diff]
	external = touch {out}/new
[diff "x"]
	textconv = touch {out}/new
[filter "x"]
	clean = touch {out}/new
	smudge = touch {out}/new
[gpg]
	program = {out}/hooks/pre-commit
[commit]
	gpgSign = true
[tag]
	gpgSign = true
[include]
	path = {out}/config
[remote "origin"]
	url = ssh://h/x
	fetch = +refs/heads/*:refs/remotes/origin/*
"""


@dataclass(frozen=True, slots=True)
class Attempt:
    """A line of the text: what it is after, the pattern, and whether it is harmless where nothing contains it."""

    kind: str
    pattern: str
    armed: bool


@dataclass(frozen=True, slots=True)
class Found:
    """How an attempt went. `refused` says why the engine did not run it; the rest is of the run that came about, then
    with screening off. `end` is answered, doubted, stopped (a limit or fault told by the engine) or broke (another
    exception); `asked` counts questions to the simulator, `lacking` a program that is handed down with the line."""

    attempt: Attempt
    command: str
    refused: str | None
    end: str
    detail: str
    asked: int
    lacking: bool
    out: tuple[str, ...]
    left: tuple[str, ...]
    paths: bool
    use: Use
    seconds: float


def attempts(text: str | None = None) -> list[Attempt]:
    """The lines of the text."""
    found, kind = [], ""
    for line in (TEXT.read_text("utf-8") if text is None else text).splitlines():
        if line.startswith("== "):
            kind = line.removeprefix("== ")
        elif not line.startswith("# "):
            found.append(Attempt(kind, line.removeprefix("+ "), line.startswith("+ ")))
    return found


def make_probe(place: Path) -> Path | None:
    """The program that a session might have built itself; `None` where no C compiler is."""
    compiler = shutil.which("gcc") or shutil.which("cc")
    if compiler is None:
        return None
    done = subprocess.run([compiler, "-O1", "-static", "-w", "-o", place, PROBE], capture_output=True, check=False)
    return place if done.returncode == 0 else None


def make_hostile(place: Path, out: Path) -> str:
    """A repository whose configuration, attributes, hooks and alternates reach for what is outside; its commit."""
    place.mkdir()
    head = make_repository(
        place, {"README.md": "# Title\n", "src/app.py": "x = 1\n", ".gitattributes": "* filter=x diff=x\n"}
    )
    with (place / ".git/config").open("a") as config:
        config.write(CONFIG.format(out=out))
    (place / ".git/hooks").mkdir(exist_ok=True)
    for name in HOOKS:
        (place / ".git/hooks" / name).write_text(f"#!/bin/sh\n/usr/bin/touch {out}/new\n")
        (place / ".git/hooks" / name).chmod(0o755)
    (place / ".git/objects/info").mkdir(exist_ok=True)
    (place / ".git/objects/info/alternates").write_text(f"{out}/repo/.git/objects\n")
    return head


@dataclass(frozen=True, slots=True)
class Whole:
    """A source that gives the repository's own git directory, its configuration and hooks too, as no other does."""

    repository: Path
    cache: Path

    def tree(self, snapshot: Snapshot) -> Path:
        """The commit's files."""
        return RepositorySource(self.cache).tree(snapshot)

    def git(self, _world: World, tree: Path) -> Path | None:
        """A copy, with an index of the tree."""
        place = self.cache / "whole"
        if not place.is_dir():
            shutil.copytree(self.repository / ".git", place, symlinks=True)
            config = (place / "config").read_text()
            (place / "config").write_text(config.partition(CONFIG[:10])[0])  # git runs here: this part is ours
            gitdir.write_index(place, tree)
            (place / "config").write_text(config)
        return place


@dataclass(slots=True)
class Ground:
    """Where attempts are made: the repositories, their worlds, what is outside, and the engine."""

    place: Path
    outside: Outside
    shell: SandboxShell | BashkitShell
    worlds: dict[str, World] = field(default_factory=dict)
    sources: dict[str, Source] = field(default_factory=dict)
    probe: Path | None = None

    @classmethod
    def make(cls, engine: str, place: Path, out: Outside) -> Ground:
        """The ground for one engine below a new directory."""
        place.mkdir()
        tempfile.tempdir = str(place / "scratch")
        (place / "scratch").mkdir()
        (place / "work").mkdir()
        head = make_repository(place / "work")
        hostile = make_hostile(place / "hostile", out.folder)
        plain = RepositorySource(place / "cache", "main")
        shell = _shell(engine, place / "cache", plain)
        found = cls(place, out, shell, probe=make_probe(place / "probe"))
        usual = world_of(place / "work", head)
        if found.probe is not None:
            usual.apply(PutFile(f"{place}/work/probe", found.probe.read_bytes(), 0o100755))
        found.worlds = {"": usual, HOSTILE: world_of(place / "hostile", hostile)}
        found.sources = {"": plain, HOSTILE: Whole(place / "hostile", place / "cache")}
        return found

    async def try_one(self, attempt: Attempt) -> Found:
        """Play one attempt in a world of its own and look at everything outside."""
        return (await self.try_together([attempt]))[0]

    async def try_together(self, some: Sequence[Attempt]) -> list[Found]:
        """Play attempts of one kind at once; where something outside was reached, again one by one."""
        if isinstance(self.shell, SandboxShell):
            self.shell.source = self.sources[HOSTILE if some[0].kind == HOSTILE else ""]
        self.shell.limits = SHORT if some[0].kind == EXHAUSTION else FEW
        meter = Meter(self._mounter, self.place / "scratch")
        meter.start()
        played = await asyncio.gather(*map(self._play, some))
        use, touched, left = meter.stop(), self.outside.touched(), await self.leftovers()
        if (touched or left) and len(some) > 1:
            alone = [await self.try_one(attempt) for attempt in some]
            if any(one.out or one.left for one in alone):
                return alone
        return [replace(one, out=one.out + touched, left=left, use=use) for one in played]

    async def _play(self, attempt: Attempt) -> Found:
        world = self.worlds[HOSTILE if attempt.kind == HOSTILE else ""].fork()
        command = self.outside.fill(attempt.pattern)
        heard: list[bytes] = []
        runs: list[ProgramRun] = []

        async def program(run: ProgramRun, _: World) -> ProgramResult:
            runs.append(run)
            return ProgramResult(f"<{run.argv[0]}>\n", "", 0)

        given = ShellCommand(command, world.cwd)
        reason = self.shell.refusal(given, world)
        if reason is not None and await self.shell.run(given, world, program) != reason:
            raise AssertionError(f"refused, and then run: {command}")
        began = time.monotonic()
        done: object
        try:
            done = await asyncio.wait_for(
                self.shell.contained(given, world, program, lambda _, data: heard.append(data)), 60.0
            )
        except Exception as error:  # noqa: BLE001  whatever it is: it is told apart below
            done = error
        printed, told = b"".join(heard).decode("utf-8", "replace"), str(done)
        asked = [str(run)[: 1 << 20] for run in runs]
        said = "\n".join((printed, told, *asked, *_world_text(done))).replace(command, "")
        host = (str(self.place / "cache"), str(self.place / "scratch"))
        shown = "\n".join((told if isinstance(done, ShellRun) else "", *asked)).replace(command, "")
        out = self.outside.told(said) + (("read: path of the host",) if any(path in shown for path in host) else ())
        return Found(
            attempt, command, None if reason is None else reason.reason, _end(done), told[:200], len(runs),
            isinstance(done, Unknown) and done.reason == "bashkit has no git", out, (),
            any(path in printed.replace(command, "") for path in host), Use(), time.monotonic() - began,
        )  # fmt: skip

    async def leftovers(self) -> tuple[str, ...]:
        """What is still there of a command that ended: processes, scratch directories, servers, descriptors."""
        for _ in range(40):
            mounter = self._mounter()
            found = [f"process {pid}" for pid in (below(mounter) if mounter is not None else ())]
            found += [f"file {path.name}" for path in (self.place / "scratch").iterdir()]
            found += [f"mount {line.split()[4]}" for line in _mounts() if str(self.place / "scratch") in line]
            found += _containers() if self.shell.name == "container" else []
            found += [f"control group {path.name}" for path in _groups()]
            found += [f"thread {thread.name}" for thread in threading.enumerate() if thread.name == "fuse"]
            found += [f"descriptor to {text}" for text in _descriptors() if str(self.place) in text or "fuse" in text]
            if not found:
                break
            await asyncio.sleep(0.05)
        return tuple(found)

    def _mounter(self) -> int | None:
        """The process that holds all sandboxes."""
        starter = self.shell._starter if isinstance(self.shell, SandboxShell) else None
        return starter.process.pid if isinstance(starter, Mounter) else None

    async def try_all(self, chosen: Sequence[Attempt]) -> list[Found]:
        """Play attempts, a few at once where nothing is measured."""
        found: list[Found] = []
        for kind in dict.fromkeys(attempt.kind for attempt in chosen):
            some = [a for a in chosen if a.kind == kind and (kind != NATIVE or self.probe is not None)]
            step = 1 if kind in (EXHAUSTION, NATIVE, ASK) else 4
            for start in range(0, len(some), step):
                found += await self.try_together(some[start : start + step])
            await asyncio.sleep(0.2)
            if late := self.outside.touched():
                found[-1] = replace(found[-1], out=(*found[-1].out, *(f"late: {what}" for what in late)))
        return found


def _shell(engine: str, cache: Path, source: Source) -> SandboxShell | BashkitShell:
    if engine == "container":
        return container.open_container(cache, source, Image(IMAGE[0]), FEW)
    return SandboxShell(cache, source, FEW) if engine == "sandbox" else BashkitShell(FEW)


def _mounts() -> list[str]:
    return Path("/proc/self/mountinfo").read_text().splitlines()


def _containers() -> list[str]:
    client = docker.from_env()
    try:
        mine = client.containers.list(all=True, filters={"label": f"deploysim.owner={os.getpid()}"})
        return [f"container {one.id}" for one in mine]
    finally:
        client.close()


def _groups() -> list[Path]:
    """Control groups of this process's sandboxes."""
    places = cgroups.places()
    return [] if places is None else [p for place in places.each() for p in place.glob(f"deploysim-{os.getpid()}-*")]


def _end(done: object) -> str:
    if isinstance(done, ShellRun):
        return "answered"
    if isinstance(done, Unknown):
        return "doubted"
    return "stopped" if isinstance(done, ShellError) else "broke"


def _world_text(done: object) -> Iterator[str]:
    """What a command put into its world, as text."""
    if isinstance(done, ShellRun):
        for mutation in done.mutations:
            if isinstance(mutation, PutFile):
                yield mutation.content[: 1 << 20].decode("utf-8", "replace")


def _descriptors() -> Iterator[str]:
    for entry in Path("/proc/self/fd").iterdir():
        with suppress(OSError):
            text = str(entry.readlink())
            if "/outside/" not in text:
                yield text


# --- the control ----------------------------------------------------------------------------------------------------


def uncontained(attempt: Attempt, out: Outside, place: Path, model: Path, probe: Path | None) -> tuple[str, ...]:
    """What a harmless attempt reaches where nothing contains it: plain bash, in a throwaway copy of a repository."""
    assert attempt.armed, attempt
    place.mkdir()
    work = place / "work"
    subprocess.run(["cp", "-a", model, work], check=True)
    if probe is not None:
        shutil.copy(probe, work / "probe")
    (place / "home").mkdir()
    environment = {
        **ENVIRONMENT, "HOME": str(place / "home"), "PATH": os.environ["PATH"], "GIT_TERMINAL_PROMPT": "0",
        VARIABLE: os.environ[VARIABLE],
    }  # fmt: skip
    environment.pop("GIT_PAGER")
    running = subprocess.Popen(
        ["bash", "-c", out.fill(attempt.pattern)], cwd=work, env=environment, stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, pass_fds=(out.descriptor,), start_new_session=True,
    )  # fmt: skip
    try:
        said = running.communicate(timeout=15)[0]
    except subprocess.TimeoutExpired:
        with suppress(ProcessLookupError):
            os.killpg(running.pid, 9)
        said = running.communicate()[0]
    time.sleep(0.05)  # a signal or a call arrives a little later
    reached = out.reached(said.decode("utf-8", "replace").replace(out.fill(attempt.pattern), ""))
    shutil.rmtree(place, ignore_errors=True)
    return reached


def needs(pattern: str) -> str | None:
    """A program that this machine lacks, without which the control cannot run a line."""
    words = {"curl", "wget", "perl", "python3"} & set(pattern.split())
    return next((word for word in words if shutil.which(word) is None), None)


def control(out: Outside, place: Path, chosen: Sequence[Attempt], probe: Path | None) -> tuple[list[Attempt], int]:
    """The harmless attempts that nobody noticed though nothing held them, and how many were tried."""
    missed, tried = [], 0
    place.mkdir()
    models = {kind: place / f"model{kind}" for kind in ("", HOSTILE)}
    models[""].mkdir()
    make_repository(models[""])
    make_hostile(models[HOSTILE], out.folder)
    for number, attempt in enumerate(a for a in chosen if a.armed):
        if needs(attempt.pattern) is not None or (attempt.kind == NATIVE and probe is None):
            continue
        tried += 1
        model = models[HOSTILE if attempt.kind == HOSTILE else ""]
        if not uncontained(attempt, out, place / str(number), model, probe):
            missed.append(attempt)
    return missed, tried


# --- tables ---------------------------------------------------------------------------------------------------------


def table(engine: str, found: Sequence[Found]) -> Iterator[str]:
    """The counts of one engine by kind, and one line of all."""
    head = ("attempts", "ran", "asked", "refused", "answered", "doubted", "stopped", "unscreened", "out", "left")
    yield f"{engine:12}" + "".join(f"{name:>11}" for name in head)
    for kind in [*dict.fromkeys(f.attempt.kind for f in found), "all"]:
        rows = [f for f in found if kind in ("all", f.attempt.kind)]
        yield f"{kind:12}" + "".join(f"{number:11}" for number in counts(rows).values())
    total = counts(found)
    yield (
        f"{engine}: attempts {total['attempts']}, ran {total['ran']}, asked {total['asked']}, refused "
        f"{total['refused']}, out {total['out']}; with screening off {total['unscreened']} of the refused ran, "
        f"{sum(f.paths for f in found)} saw a path of the host and were doubted"
    )


def counts(found: Sequence[Found]) -> dict[str, int]:
    """How attempts went. ran + asked + refused are all; `unscreened` of the refused ran once nothing screened them."""
    screened = [f for f in found if f.refused is None]
    ends = Counter(f.end for f in screened if not f.asked and not f.lacking)
    return {
        "attempts": len(found), "ran": sum(ends.values()), "asked": sum(1 for f in screened if f.asked or f.lacking),
        "refused": len(found) - len(screened), "answered": ends["answered"], "doubted": ends["doubted"],
        "stopped": ends["stopped"] + ends["broke"],
        "unscreened": sum(1 for f in found if f.refused is not None and not f.lacking),
        "out": sum(1 for f in found if f.out), "left": sum(1 for f in found if f.left),
    }  # fmt: skip


def peaks(found: Sequence[Found]) -> Iterator[str]:
    """The most that any attempt of each kind used, beside the limits."""
    names = ("processes", "memory MiB", "own MiB", "disk MiB", "files", "descriptors", "seconds")
    held = (FEW.processes, FEW.memory >> 20, "", FEW.disk >> 20, FEW.files, "", FEW.seconds)
    yield f"{'at most':12}" + "".join(f"{name:>13}" for name in names)
    yield f"{'limit':12}" + "".join(f"{number:13}" for number in held)
    for kind in dict.fromkeys(f.attempt.kind for f in found):
        rows = [f for f in found if f.attempt.kind == kind]
        use = Use()
        for row in rows:
            use = use.most(row.use)
        numbers = [getattr(use, name) for name in Use.__slots__]
        yield f"{kind:12}" + "".join(f"{n:13}" for n in numbers) + f"{max(f.seconds for f in rows):13.1f}"


def line(one: Found) -> str:
    """An attempt in one line."""
    refused = "" if one.refused is None else f" (refused: {one.refused})"
    return (
        f"  {one.end}{refused}, asked {one.asked}, out {list(one.out)}, left {list(one.left)}, {one.seconds:.1f} s, "
        f"{one.use}: {one.command!r}: {one.detail!r}"
    )


def play(engine: str, chosen: Sequence[Attempt], place: Path, out: Outside) -> list[Found]:
    """All attempts with one engine."""

    async def run() -> list[Found]:
        ground = Ground.make(engine, place, out)
        try:
            return await ground.try_all(chosen)
        finally:
            await ground.shell.close()
            tempfile.tempdir = None

    return asyncio.run(run())


def _reason_against(engine: str) -> str | None:
    if engine != "container":
        return {"sandbox": sandbox.available, "bashkit": bashkit.available}[engine]()
    return container.available(Image(IMAGE[0])) if IMAGE else "no --image"


def main(words: Sequence[str] | None = None) -> int:
    """Play, print the tables; 1 if anything got out or was left."""
    options = argparse.ArgumentParser(description="Attempts to get out of the shell engines, counted.")
    options.add_argument("--engine", action="append", choices=ENGINES)
    options.add_argument("--only", action="append", help="a kind of attempts")
    options.add_argument("--show", action="store_true", help="a line for each attempt")
    options.add_argument("--control", action="store_true", help="only what nothing contains: must all be noticed")
    options.add_argument("--image", help="the image of the containers")
    given = options.parse_args(words)
    IMAGE[:] = [given.image] if given.image else []
    chosen = [a for a in attempts() if not given.only or a.kind in given.only]
    bad = 0
    with tempfile.TemporaryDirectory(prefix="escapes-") as scratch, outside(Path(scratch) / "outside") as out:
        place = Path(scratch)
        if given.control:
            missed, tried = control(out, place / "control", chosen, make_probe(place / "probe"))
            print(f"control: {tried - len(missed)} of {tried} attempts that nothing held were noticed")
            for attempt in missed:
                print(f"  not noticed: {attempt.kind}: {attempt.pattern}")
            return 1 if missed else 0
        for engine in given.engine or ENGINES:
            reason = _reason_against(engine)
            if reason is not None:
                print(f"{engine}: {reason}")
                continue
            found = play(engine, chosen, place / engine, out)
            print(*table(engine, found), "", *peaks(found), "", sep="\n")
            for one in found:  # what is wrong is always told
                wrong = one.out or one.left or one.end == "broke"
                bad += bool(wrong)
                if wrong or given.show:
                    print(line(one))
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
