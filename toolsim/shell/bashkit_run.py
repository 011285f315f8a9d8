"""One command in one bashkit interpreter: programs while it runs, output in order, files and state at its end."""

from __future__ import annotations

import asyncio
import functools
import posixpath
import re
import shlex
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, TypeAlias

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
from toolsim.shell import bashkit_forms as forms
from toolsim.shell import clock as clocks
from toolsim.shell.base import Hearer, ProgramResult, ProgramRun, ProgramRunner, ShellCommand, ShellRun
from toolsim.shell.bashkit_abi import FileError, Mounted
from toolsim.shell.bashkit_doubts import Traces, doubt
from toolsim.shell.bashkit_files import BIN, WorldFiles, interpreter
from toolsim.shell.limits import Limits
from toolsim.shell.run import OWN_VARIABLE
from toolsim.shell.territory import program_paths
from toolsim.shellparse import CommandLine, Invocation

if TYPE_CHECKING:
    from bashkit import Bash

    from toolsim.world import World

_PATH = "/usr/bin:/bin:/usr/local/bin"
_MANY = 100_000_000
# What the session's machine has is not for bashkit to say; before the line, so that its line numbers stay.
_COMMAND = 'command() { case $1 in -*[vV]*) __ask command "$@";; *) builtin command "$@";; esac; }'
_FILE = PutFile | RemovePath | MovePath | MakeDirectory | Blur
Builtin: TypeAlias = Callable[[Any], Awaitable[Any]]


@dataclass(frozen=True, slots=True)
class Setting:
    """What a run needs to know; `known` are the session's environment variables as far as known, `heard` listens to
    all output."""

    command: ShellCommand
    parsed: CommandLine
    world: World
    programs: ProgramRunner
    limits: Limits
    known: Mapping[str, str]
    heard: Hearer | None = None


@dataclass(slots=True)
class _Progress:
    """What has happened so far; `failure` or `unknown` end the command, `over` its own time limit does."""

    pieces: list[tuple[str, str]] = field(default_factory=list)
    size: int = 0
    asked: list[tuple[ProgramRun, ProgramResult]] = field(default_factory=list)
    effects: list[Mutation] = field(default_factory=list)
    executed: set[str] = field(default_factory=set)
    waiting: int = 0
    timed_out: bool = False
    unordered: bool = False
    unknown: Unknown | None = None
    failure: BaseException | None = None
    clipped: bool = False


class CommandRun:
    """Runs one command once."""

    def __init__(self, setting: Setting) -> None:
        self._set = setting
        self._is = _Progress()
        world, command = setting.world, setting.command
        start = world.now if world.now is not None else 0.0
        limit = None if command.timeout is None else start + command.timeout
        self._clock = clocks.Clock(start, world.now is not None, limit)
        cwd, root = world.key(command.cwd), world.root
        named = program_paths(setting.parsed.words, cwd, setting.known.get("HOME"))
        standing = frozenset({root, cwd, *paths.ancestors(root), *paths.ancestors(cwd)})
        self._files = WorldFiles(world, standing, forms.COMPUTED, named)
        self._mounted = Mounted(self._files)
        self._capsule = self._mounted.capsule()
        self._running: list[Bash] = []
        self._inner: list[list[tuple[str, str]]] = []
        self._feed = not re.search(r"\b(while|until)\b[^;]*\bread\b", command.command)

    async def perform(self) -> ShellRun | Unknown:
        """Start, serve, end, and look at what is left."""
        s = self._set
        bash = self._bash(s.command.cwd, {"PATH": _PATH, **s.known}, frozenset())
        command = s.command.command
        if s.command.stdin:
            self._files.inputs["/dev/.stdin"] = s.command.stdin.encode("utf-8", "surrogateescape")
            command = f"exec < /dev/.stdin; {command}"
        if re.search(r"\bcommand\s+-[vV]", command):
            command = f"{_COMMAND}; {command}"
        before = dict(bash.shell_state().env)
        code = await self._execute(bash, command, self._written)
        if self._is.failure is not None:
            raise self._is.failure
        if self._mounted.failure is not None:
            raise ShellError(f"the files could not be served: {self._mounted.failure}") from self._mounted.failure
        if self._is.unknown is not None:
            return self._is.unknown
        return self._outcome(code, bash, before)

    # --- interpreters -----------------------------------------------------------------------------------------------

    def _bash(self, cwd: str, env: Mapping[str, str], plain: frozenset[str]) -> Bash:
        """An interpreter over the command's files; the builtins `plain` are bashkit's own there."""
        from bashkit import Bash, FileSystem

        ours = dict.fromkeys(self._doubtful() - plain, self._guarded)
        asked: dict[str, Builtin] = dict.fromkeys(foreign_builtins(), self._asked)
        scripts: dict[str, Builtin] = dict.fromkeys(set(self._scripts()) - plain, self._script)
        timed: dict[str, Builtin] = {
            "timeout": self._timeout,
            "sleep": self._asked,
            "date": self._asked,
            "touch": self._touch,
        }
        bash = Bash(
            cwd=cwd, env=dict(env), max_commands=_MANY, max_loop_iterations=_MANY,
            custom_builtins={**asked, **ours, **timed, **scripts, "__ask": self._asked_by_path},
        )  # fmt: skip
        bash.mount("/", FileSystem.from_capsule(self._capsule))
        return bash

    def _doubtful(self) -> frozenset[str]:
        """The builtins of bashkit that the line may reach in a form that they do not compute exactly."""
        return forms.doubtful(self._set.parsed, self._set.command.command, self._set.world.profile.userland)

    def _scripts(self) -> list[str]:
        """The words of the line that name a file for another program than a shell, or one that the line may make."""
        world, parsed = self._set.world, self._set.parsed
        cwd = world.key(self._set.command.cwd)
        found = [
            i.name for i in parsed.invocations if "/" in i.name and world.kind(paths.canonical(i.name, cwd)) == "absent"
        ]
        for word in {w for text in parsed.words for w in (text, *text.split()) if "/" in w and w.isprintable()}:
            content = world.read(paths.canonical(word, cwd))
            if isinstance(content, bytes) and interpreter(content) is not None:
                found.append(word)
        return found

    async def _execute(self, bash: Bash, command: str, written: Callable[[str, str], None]) -> int:
        """Run to the end, or until the command is stopped."""
        self._running.append(bash)
        watch = asyncio.ensure_future(self._watch())
        try:
            result = await bash.execute(command, on_output=written)
        finally:
            watch.cancel()
            self._running.remove(bash)
        self._is.clipped |= result.stdout_truncated or result.stderr_truncated
        if result.error is not None and "cancelled" not in result.error:
            self._is.unknown = self._is.unknown or Unknown(f"bashkit stopped: {result.error}")
        return int(result.exit_code)

    async def _watch(self) -> None:
        """Stop a command that takes too long by itself."""
        active, step = 0.0, 0.1
        while True:
            await asyncio.sleep(step)
            active += 0.0 if self._is.waiting else step
            if active > self._set.limits.seconds:
                self._stop(ShellError(f"the command ran for more than {self._set.limits.seconds:g} s"))

    def _written(self, out: str, err: str) -> None:
        """A chunk of output: all that one command of the line wrote."""
        pieces = [(stream, text) for stream, text in (("out", out), ("err", err)) if text]
        if len(pieces) > 1 and not any((out, err) == (r.stdout, r.stderr) for _, r in self._is.asked):
            if forms.buffered(self._set.parsed) and len(out.encode()) < 4096:
                pieces.reverse()
            else:
                self._is.unordered = True
        self._is.pieces += pieces
        self._is.size += len(out) + len(err)
        if self._set.heard is not None:
            for stream, text in pieces:
                self._set.heard(stream, text.encode("utf-8", "surrogateescape"))
        if self._is.size > self._set.limits.output:
            self._stop(ShellError(f"the command printed more than {self._set.limits.output} bytes"))

    def _stop(self, reason: BaseException | Unknown | None) -> None:
        """End the command: with a failure, with an unknown, or because its time is over."""
        if isinstance(reason, Unknown):
            self._is.unknown = self._is.unknown or reason
        elif reason is not None:
            self._is.failure = self._is.failure or reason
        for bash in self._running:
            bash.cancel()

    # --- programs ---------------------------------------------------------------------------------------------------

    async def _asked(self, context: Any) -> Any:
        """A builtin of bashkit that is answered from outside."""
        return await self._run_program((context.name, *context.argv), context)

    async def _asked_by_path(self, context: Any) -> Any:
        """A program that was found as a file."""
        name = context.argv[0]
        self._is.executed.add(paths.canonical(name, context.cwd))
        if posixpath.dirname(name) in BIN and name not in self._set.parsed.words:
            name = posixpath.basename(name)
        return await self._run_program((name, *context.argv[1:]), context)

    async def _script(self, context: Any) -> Any:
        """A script for another program than a shell: that program runs it."""
        argv = (context.name, *context.argv)
        path = paths.canonical(context.name, context.cwd)
        content = self._files.live.read(path)
        program = interpreter(content) if isinstance(content, bytes) and self._files.live.mode(path) & 0o100 else None
        if program is None:
            return await self._nested(argv, context, frozenset({context.name}), context.env)
        self._is.executed.add(path)
        return await self._run_program((program, *argv), context)

    async def _guarded(self, context: Any) -> Any:
        """A builtin in a form that may not be exact: bashkit's own where it is, else the world has no answer."""
        argv = (context.name, *context.argv)
        verdict = forms.verdict(argv, self._set.world.profile.userland)
        if context.name == "ls" and verdict == "exact":
            verdict = self._listed(argv, context.cwd)
        if verdict == "ask":
            return await self._run_program(argv, context)
        if isinstance(verdict, Unknown):
            self._stop(verdict)
            return self._result("", "", 1)
        return await self._nested(argv, context, frozenset({context.name}), context.env)

    def _listed(self, argv: tuple[str, ...], cwd: str) -> forms.Verdict:
        """`ls` of several names: bashkit keeps their order, and stops at one that is not there."""
        names = forms.operands(Invocation(argv[0], argv[1:]))
        if len(names) > 1 and list(names) != sorted(names):
            return Unknown("bashkit lists several names unsorted")
        there = all(self._files.exists(paths.canonical(name, cwd)) for name in names)
        return "exact" if len(names) < 2 or there else Unknown("bashkit lists nothing where a name is not there")

    async def _touch(self, context: Any) -> Any:
        """`touch`: bashkit's file systems from outside take no times."""
        if any(word.startswith("-") for word in context.argv) or not context.argv:
            self._stop(Unknown("bashkit sets no times"))
            return self._result("", "", 1)
        try:
            for word in context.argv:
                path = paths.canonical(word, context.cwd)
                if not self._files.exists(path):
                    self._files.write(path, b"")
        except FileError as error:
            self._stop(Unknown(f"touch: {error}"))
            return self._result("", "", 1)
        return self._result("", "", 0)

    async def _timeout(self, context: Any) -> Any:
        """`timeout` on the session's clock: real time does not count, the durations of simulated runs do."""
        taken = forms.timeout(tuple(context.argv))
        if taken is None:
            return await self._asked(context)
        spelt, keeps, argv = taken
        end = self._clock.now + (clocks.seconds(spelt) or float("inf"))
        outer = clocks.deadline(context.env)
        end = end if outer is None else min(end, outer)
        env = context.env if end == float("inf") else {**context.env, "__DEADLINE": repr(end)}
        shown = await self._nested(argv, context, frozenset(), env)
        if end != float("inf") and self._clock.now >= end and not keeps:
            return self._result(shown.stdout, shown.stderr, 124)
        return shown

    async def _nested(self, argv: tuple[str, ...], context: Any, plain: frozenset[str], env: Mapping[str, str]) -> Any:
        """Run a command in an interpreter of its own over the same files."""
        command = shlex.join(argv)
        if context.stdin is not None:
            place = f"/dev/.stdin-{len(self._files.inputs)}"
            self._files.inputs[place] = context.stdin.encode("utf-8", "surrogateescape")
            command = f"{command} < {place}"
        pieces: list[tuple[str, str]] = []
        self._inner.append(pieces)
        try:
            code = await self._execute(self._bash(context.cwd, env, plain), command, lambda *two: pieces.append(two))
        finally:
            self._inner.pop()
        return self._result("".join(o for o, _ in pieces), "".join(e for _, e in pieces), code)

    async def _run_program(self, argv: tuple[str, ...], context: Any) -> Any:
        if self._ended:
            return self._result("", "", 130)
        self._is.executed.add(paths.canonical(argv[0], context.cwd))
        began = self._clock.now
        self._is.waiting += 1
        try:
            result = await self._answer(argv, context)
        except BaseException as error:  # noqa: BLE001  bashkit would print it and go on: kept, and raised by `perform`
            self._stop(error)
            return self._result("", "", 130)
        finally:
            self._is.waiting -= 1
        if result is None:
            return self._result("", "", 130)
        self._files.take(m for m in result.mutations if isinstance(m, _FILE))
        expired, over = self._clock.spend(began, result.duration, clocks.deadline(context.env))
        if over:
            self._is.timed_out = True
            self._is.pieces += [("out", result.stdout)] if result.stdout else []
            self._stop(None)
        elif expired:
            self._inner[-1].append((result.stdout, result.stderr))
            self._running[-1].cancel()
            return self._result("", "", 143)
        if result.errors_first and result.stdout and result.stderr:
            self._is.unordered = True  # bashkit writes output first
        return self._result(result.stdout, result.stderr, result.exit_code)

    @property
    def _ended(self) -> bool:
        return self._is.failure is not None or self._is.unknown is not None or self._is.timed_out

    async def _answer(self, argv: tuple[str, ...], context: Any) -> ProgramResult | None:
        s = self._set
        if posixpath.basename(argv[0]) == "git":
            self._stop(Unknown("bashkit has no git"))
            return None
        timed = clocks.answer(argv, self._clock, s.known.get("TZ"), s.world.profile.userland)
        if isinstance(timed, Unknown):
            self._stop(timed)
            return None
        if timed is not None:
            return timed
        env = {k: v for k, v in context.env.items() if not OWN_VARIABLE.fullmatch(k)}
        stdin = context.stdin if self._feed else None
        run = ProgramRun(argv, context.cwd, stdin, env, s.command.command, len(self._is.asked))
        view = self._files.live.fork()
        for mutation in self._is.effects:
            view.apply(mutation)
        if self._clock.known:
            view.advance_to(self._clock.now)
        result = await s.programs(run, view)
        self._is.asked.append((run, result))
        self._is.effects += [m for m in result.mutations if not isinstance(m, _FILE)]
        return result

    @staticmethod
    def _result(out: str, err: str, code: int) -> Any:
        from bashkit import BuiltinResult

        return BuiltinResult(out, err, code)

    # --- when it has ended ------------------------------------------------------------------------------------------

    def _text(self, stream: str | None = None) -> str:
        return "".join(text for name, text in self._is.pieces if stream in (None, name))

    def _outcome(self, code: int, bash: Bash, before: Mapping[str, str]) -> ShellRun | Unknown:
        s = self._set
        if self._is.clipped:
            return Unknown("the command printed more than bashkit keeps")
        traces = Traces(
            self._files, self._is.executed, self._is.unordered, self._text(), self._text("err"),
            tuple(result for _, result in self._is.asked),
        )  # fmt: skip
        reason = doubt(traces, s.parsed, s.command.command, s.world)
        if reason is not None:
            return reason
        state = bash.shell_state()
        output = ShellOutput(
            traces.output, self._text("out"), traces.errors, None if self._is.timed_out else code,
            self._clock.spent, self._is.timed_out, None, state.cwd,
        )  # fmt: skip
        mutations = (*self._is.effects, *self._files.changes(), *self._shell_state(state, before))
        return ShellRun(output, mutations, tuple(self._is.asked))

    def _shell_state(self, state: Any, before: Mapping[str, str]) -> list[Mutation]:
        """Directory, exported variables and clock as the command left them."""
        found: list[Mutation] = []
        if self._set.world.key(state.cwd) != self._set.world.key(self._set.command.cwd):
            found.append(SetCwd(state.cwd))
        if not self._is.timed_out:
            env = {k: v for k, v in state.env.items() if not OWN_VARIABLE.fullmatch(k)}
            found += [SetEnv(k, v) for k, v in sorted(env.items()) if before.get(k) != v]
            found += [SetEnv(k, None) for k in before if k not in env and not OWN_VARIABLE.fullmatch(k)]
        if self._clock.spent > 0:
            found.append(Advance(self._clock.spent))
        return found


@functools.cache
def foreign_builtins() -> frozenset[str]:
    """The builtins of the installed bashkit that are not computed by it here."""
    from bashkit import Bash

    return frozenset(Bash().capabilities().builtins) - forms.COMPUTED - forms.LANGUAGE
