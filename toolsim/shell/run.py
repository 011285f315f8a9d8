"""One command in one sandbox: output and programs while it runs, mutations and doubts when it has ended."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Coroutine, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING

from toolsim import paths
from toolsim.actions import (
    Advance,
    Blur,
    MakeDirectory,
    MovePath,
    Mutation,
    PutFile,
    RemovePath,
    SetCwd,
    SetEnv,
    ShellOutput,
    Unknown,
)
from toolsim.errors import ShellError
from toolsim.shell import clock as clocks
from toolsim.shell import launch
from toolsim.shell.base import Hearer, ProgramResult, ProgramRun, ProgramRunner, ShellCommand, ShellRun
from toolsim.shell.doubts import Traces, doubt, revision_doubt, zsh_doubt
from toolsim.shell.layout import Layout, lay_out
from toolsim.shell.limits import Disk, Limits
from toolsim.shell.spool import MAX_STATE, MAX_WAITING, VEIL, Request, Spool
from toolsim.shell.territory import Territory, program_paths
from toolsim.shell.toolbox import Toolbox
from toolsim.shellparse import CommandLine
from toolsim.shellparse import programs as named_programs

if TYPE_CHECKING:
    from toolsim.shell.source import Source
    from toolsim.world import World

OWN_VARIABLE = re.compile(r"PATH|BASH_ENV|GIT_\w*|__\w*|PWD|OLDPWD|SHLVL|_|LC_ALL|TZ|BASH_\w*")
_EXPORTED = re.compile(r'^declare -[A-Za-wyz]*x[A-Za-z]* (\w+)(?:="((?:[^"\\]|\\.)*)")?$', re.M)
_BIN = ("/usr/bin/", "/usr/local/bin/", "/bin/", "/usr/sbin/", "/sbin/")
_WALKERS = frozenset({"git", "find", "diff", "cp", "ls", "tar", "rsync", "du", "rg", "bash", "sh"})
_FILTERS = frozenset(
    {"tail", "head", "grep", "echo", "cat", "wc", "sort", "uniq", "tee", "true", "exit", "sed", "awk", "printf"}
)
_BESIDE_GIT = frozenset(
    {"git", "cd", "echo", "printf", "true", "head", "tail", "wc", "sort", "uniq", "cut", "grep", "sed"}
)


@dataclass(frozen=True, slots=True)
class Setting:
    """What a run needs to know; `known` are the session's environment variables as far as known, `heard` listens to
    all output."""

    command: ShellCommand
    parsed: CommandLine
    world: World
    programs: ProgramRunner
    toolbox: Toolbox
    source: Source
    limits: Limits
    starter: launch.Starter
    known: Mapping[str, str]
    heard: Hearer | None = None


@dataclass(slots=True)
class _Progress:
    """What has happened so far."""

    pieces: list[tuple[str, bytes]] = field(default_factory=list)
    size: int = 0
    asked: list[tuple[ProgramRun, ProgramResult]] = field(default_factory=list)
    effects: list[Mutation] = field(default_factory=list)
    executed: set[str] = field(default_factory=set)
    ordinal: int = 0
    waiting: int = 0
    began: bool = False
    timed_out: bool = False
    unknown: Unknown | None = None


class CommandRun:
    """Runs one command once, below a scratch directory of its own."""

    def __init__(self, setting: Setting, scratch: Path) -> None:
        self._set = setting
        self._scratch = scratch
        self._is = _Progress()
        world = setting.world
        known = world.now is not None
        start = world.now if world.now is not None else 0.0
        limit = None if setting.command.timeout is None else start + setting.command.timeout
        self._clock = clocks.Clock(start, known, limit)
        self._spool = Spool(scratch / "ask")
        self._tasks: set[asyncio.Task[None]] = set()
        self._stop: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._layout: Layout | None = None
        self._sandbox: launch.Sandbox | None = None

    async def perform(self) -> ShellRun | Unknown:
        """Start, serve, end, and look at what is left."""
        s = self._set
        self._layout = await asyncio.to_thread(
            lay_out, s.command, s.world, self._scratch, s.toolbox, s.source, s.known, s.limits
        )
        feed = not ({"while"} & s.parsed.keywords and re.search(r"\b(while|until)\b[^;]*\bread\b", s.command.command))
        self._spool.open(feed_programs=feed)
        territory = self._territory(self._layout)
        loop = asyncio.get_running_loop()
        loop.add_reader(self._spool.bell, self._rung)
        try:
            sandbox = self._sandbox = s.starter.start(self._layout.plan, territory, s.limits)
            try:
                code = await self._wait(sandbox)
            finally:
                await self._end(sandbox)
            s.limits.check_bounds(sandbox.over)
            s.limits.check_peak(sandbox.peak)
        finally:
            loop.remove_reader(self._spool.bell)
            try:
                state = self._final_state()
            finally:
                self._spool.close()
        if not self._is.began:
            raise ShellError(f"the sandbox did not start: {self._text('err').strip()}")
        if self._is.unknown is not None:
            return self._is.unknown
        return await asyncio.to_thread(self._outcome, territory, code, state)

    def _territory(self, layout: Layout) -> Territory:
        s = self._set
        named = program_paths(s.parsed.words, s.world.key(s.command.cwd), s.known.get("HOME"))
        real = s.toolbox.names[s.world.profile.userland]
        loop = asyncio.get_running_loop()

        def written(stream: str, data: bytes) -> None:
            self._is.pieces.append((stream, data))
            self._is.size += len(data)
            if s.heard is not None:
                s.heard(stream, data)
            if self._is.size > s.limits.output:
                loop.call_soon_threadsafe(
                    self._fail, ShellError(f"the command printed more than {s.limits.output} bytes")
                )

        words, cwd = frozenset(s.parsed.words), s.world.key(s.command.cwd)
        missing = frozenset[str]() if self._git_alone(layout.missing) else layout.missing
        box = s.toolbox
        return Territory(
            s.world, layout.standing, real, written, named, words, missing, cwd, box.executed, box.left
        )  # fmt: skip

    def _git_alone(self, missing: frozenset[str]) -> bool:
        """Whether only git goes through the files: it takes those that nobody has for unchanged."""
        cwd = self._set.world.key(self._set.command.cwd)
        runs = self._set.parsed.invocations
        filters = all(run.name in _BESIDE_GIT and not {"-r", "-R"} & set(run.arguments) for run in runs)
        return filters and not any(paths.canonical(word, cwd) in missing for word in self._set.parsed.words)

    # --- while it runs ----------------------------------------------------------------------------------------------

    async def _wait(self, sandbox: launch.Sandbox) -> int:
        """The exit code, once the command ends by itself or is stopped."""
        watch = asyncio.ensure_future(self._watch())
        try:
            await asyncio.wait((sandbox.ended, self._stop), return_when=asyncio.FIRST_COMPLETED)
            if self._stop.done():
                self._stop.result()
                return -1
            return sandbox.ended.result()
        finally:
            watch.cancel()

    async def _end(self, sandbox: launch.Sandbox) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self._set.starter.stop(sandbox)
        self._rung()

    async def _watch(self) -> None:
        """Stop a command that takes too long by itself or writes too much."""
        active, step, limits = 0.0, 0.1, self._set.limits
        disk = Disk(self._scratch, limits)
        while True:
            await asyncio.sleep(step)
            active += 0.0 if self._is.waiting else step
            if active > limits.seconds:
                self._fail(ShellError(f"the command ran for more than {limits.seconds:g} s"))
            if disk.fell() and (much := await asyncio.to_thread(disk.excess)) is not None:
                self._fail(ShellError(much))

    def _fail(self, error: BaseException) -> None:
        if not self._stop.done():
            self._stop.set_exception(error)

    def _halt(self) -> None:
        if not self._stop.done():
            self._stop.set_result(None)

    def _rung(self) -> None:
        try:
            self._heed(self._spool.rung())
        except ShellError as error:
            self._fail(error)

    def _heed(self, lines: list[str]) -> None:
        for line in lines:
            if line == "start":
                if not self._is.began:
                    self._is.began = True
                    self._begin(self._let_begin())
            elif line.endswith(" failed"):
                self._fail(ShellError(f"a program's effects could not be applied: {self._spool.trouble(line)}"))
            elif len(self._tasks) > MAX_WAITING:
                self._fail(ShellError(f"more than {MAX_WAITING} programs of the command wait at once"))
            elif not self._stop.done():
                self._begin(self._serve(line))

    def _begin(self, work: Coroutine[None, None, None]) -> None:
        task = asyncio.ensure_future(work)
        self._tasks.add(task)
        task.add_done_callback(self._served)

    async def _let_begin(self) -> None:
        """The sandbox stands: what the machine shows of itself goes, then the command may begin."""
        assert self._sandbox is not None
        await self._set.starter.narrow(self._sandbox, self._set.limits.pids())
        self._spool.go()

    def _served(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            self._fail(error)

    async def _serve(self, pid: str) -> None:
        request = self._spool.take(pid)
        began = self._clock.now
        self._is.waiting += 1
        try:
            result = await self._result(request)
        finally:
            self._is.waiting -= 1
        if result is None:
            return
        expired, over = self._clock.spend(began, result.duration, clocks.deadline(request.env))
        if over:
            self._is.timed_out = True
            self._is.pieces += [("out", result.stdout.encode("utf-8", "surrogateescape"))] if result.stdout else []
            self._halt()
            return
        self._spool.answer(request, result, expired=expired)

    async def _result(self, request: Request) -> ProgramResult | None:
        """What the run gives; `None` if it ended the command."""
        self._is.executed.add(paths.canonical(request.argv[0], request.cwd))
        zone = self._set.known.get("TZ")
        timed = clocks.answer(request.argv, self._clock, zone, self._set.world.profile.userland)
        if isinstance(timed, Unknown):
            self._is.unknown = timed
            self._halt()
            return None
        return timed if timed is not None else await self._ask(request)

    async def _ask(self, request: Request) -> ProgramResult | None:
        s = self._set
        name = request.argv[0]
        if name.startswith(_BIN) and name not in s.parsed.words:
            name = name.rpartition("/")[2]
        env = {k: v for k, v in request.env.items() if not OWN_VARIABLE.fullmatch(k)}
        run = ProgramRun(
            (name, *request.argv[1:]), request.cwd, request.stdin, env, s.command.command, self._is.ordinal
        )
        self._is.ordinal += 1
        if self._is.ordinal > s.limits.programs:
            raise ShellError(f"the command asked for more than {s.limits.programs} programs")
        view = await asyncio.to_thread(self._view)
        result = await s.programs(run, view)
        self._is.asked.append((run, result))
        self._is.effects += [
            m for m in result.mutations if not isinstance(m, PutFile | RemovePath | MovePath | MakeDirectory)
        ]
        blurred = [m.path.rstrip("/") for m in result.mutations if isinstance(m, Blur)]
        if blurred and self._walked_after(name):
            self._is.unknown = Unknown(f"{name} may have changed files that more of the line walks through")
            self._halt()
            return None
        if any(paths.relative(place, b or "/") is not None for b in blurred for place in (request.cwd, s.world.root)):
            if self._more_after(name):
                self._is.unknown = Unknown(f"{name} may have changed anything, and more of the line reads it")
                self._halt()
                return None
            kept = tuple(m for m in result.mutations if not isinstance(m, Blur))
            return replace(result, mutations=kept)
        return result

    def _more_after(self, name: str) -> bool:
        names = list(named_programs(self._set.command.command))
        at = names.index(name) if name in names else 0
        return any(n not in _FILTERS for n in names[at + 1 :]) or bool(self._set.parsed.keywords & {"for", "while"})

    def _walked_after(self, name: str) -> bool:
        """Whether a program after it goes through directories: it would pass by what stands for an unknown file."""
        runs = list(self._set.parsed.invocations)
        at = next((n for n, run in enumerate(runs) if run.name == name), -1)
        return any(
            run.name in _WALKERS
            or (run.name in ("grep", "egrep") and re.search(r" -\w*[rR]", " " + " ".join(run.arguments)))
            for run in runs[at + 1 :]
        )

    def _view(self) -> World:
        """The world with the command's changes so far taken in."""
        view = self._set.world.fork()
        for mutation in (*self._is.effects, *self._changes()):
            view.apply(mutation)
        if self._clock.known:
            view.advance_to(self._clock.now)
        return view

    def _changes(self) -> tuple[Mutation, ...]:
        assert self._layout is not None
        found = [
            m
            for layer in self._layout.layers
            for m in layer.changes(self._set.world, self._layout.hidden - {layer.place})
        ]
        return tuple(m for m in found if not (isinstance(m, PutFile) and m.content.startswith(VEIL.encode())))

    # --- when it has ended ------------------------------------------------------------------------------------------

    def _final_state(self) -> tuple[str | None, dict[str, str]]:
        """Directory and exported variables as the shell left them."""
        cwd, env = self._spool.read("state.cwd", MAX_STATE), self._spool.read("state.env", MAX_STATE)
        place = None if cwd is None else cwd.decode("utf-8", "surrogateescape").removesuffix("\n")
        found = _EXPORTED.findall((env or b"").decode("utf-8", "surrogateescape"))
        return place, {k: re.sub(r"\\(.)", r"\1", v) for k, v in found if not OWN_VARIABLE.fullmatch(k)}

    def _text(self, stream: str | None = None) -> str:
        return b"".join(d for s, d in self._is.pieces if stream in (None, s)).decode("utf-8", "surrogateescape")

    def _outcome(self, territory: Territory, code: int, state: tuple[str | None, dict[str, str]]) -> ShellRun | Unknown:
        s = self._set
        cwd = s.world.key(s.command.cwd)
        changes = self._changes()
        created = frozenset(m.path for m in changes if isinstance(m, PutFile | MakeDirectory))
        traces = Traces(
            frozenset(territory.touched), frozenset(territory.reached), frozenset(territory.names),
            frozenset(territory.git_listed),
            frozenset(self._is.executed), created, self._text(), self._text("err"),
        )  # fmt: skip
        assert self._layout is not None
        lowers = [lower for overlay in self._layout.plan.overlays for lower in overlay.lowers if lower.startswith("/")]
        reason = doubt(traces, s.parsed, cwd, territory.real, (str(self._scratch), str(s.toolbox.root), *lowers))
        if reason is None and s.world.profile.shell == "zsh":
            reason = zsh_doubt(traces.errors)
        if reason is None and "local branches" in s.world.git.lost:
            reason = revision_doubt(traces.errors)
        if reason is not None:
            return reason
        output = ShellOutput(
            traces.output, self._text("out"), traces.errors, None if self._is.timed_out else code,
            self._clock.spent, self._is.timed_out, None, state[0],
        )  # fmt: skip
        return ShellRun(output, (*self._is.effects, *changes, *self._shell_state(state)), tuple(self._is.asked))

    def _shell_state(self, state: tuple[str | None, dict[str, str]]) -> list[Mutation]:
        place, env = state
        found: list[Mutation] = []
        if place is not None and self._set.world.key(place) != self._set.world.key(self._set.command.cwd):
            found.append(SetCwd(place))
        assert self._layout is not None
        before = self._layout.plan.env
        if place is not None:
            found += [SetEnv(k, v) for k, v in env.items() if before.get(k) != v]
            found += [SetEnv(k, None) for k in before if k not in env and not OWN_VARIABLE.fullmatch(k)]
        if self._clock.spent > 0:
            found.append(Advance(self._clock.spent))
        return found
