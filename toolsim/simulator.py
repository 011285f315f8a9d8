"""The tool simulator: one tool call in, the result that the real tool would have given out. The one entry is `respond`.

A ladder of rungs, each of which answers or passes on: `recorded` (the reference's result in the same state),
`computed` (the world's files and the shell), `connector` (a read-only source as of the moment), `simulated` (a model).
Which stand is set by `rungs`, what they may know by `affordances`. A call that none can answer raises; it never
becomes text.
"""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Coroutine, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from toolsim import program, ripgrep, simulated
from toolsim.actions import (
    Action,
    Advance,
    Ask,
    Delegate,
    Fact,
    Mutation,
    Outcome,
    Reply,
    RunShell,
    SetCwd,
    SetEnv,
    ShellOutput,
    Unknown,
)  # fmt: skip
from toolsim.answerers import Approval, Delegated, Delegator, decide
from toolsim.calldb import CallDatabase
from toolsim.connectors import Connector, Gate, Query, Sourced
from toolsim.durations import quick_duration
from toolsim.errors import ModelError, ShellError, SimulationFailed
from toolsim.forms import ProgramReply
from toolsim.gather import Sources, Subject, source_record
from toolsim.machine import machine, sentences
from toolsim.modeltypes import Model, Usage
from toolsim.program import Asked, Pen, Written
from toolsim.rebuild import take_in
from toolsim.recorded import Entry, Folded, Record
from toolsim.scaffolds.base import Scaffold, ScaffoldProfile
from toolsim.seeds import derive_seed
from toolsim.shell.base import ProgramResult, ProgramRun, Shell, ShellCommand
from toolsim.simulated import Place
from toolsim.telemetry import Value, span
from toolsim.trajectory import JsonObject, Message, Reference, Session, ToolCall, ToolResult
from toolsim.world import World

RUNGS = ("recorded", "computed", "connector", "simulated")
AFFORDANCES = ("rollout", "repo", "calls", "connectors")


@dataclass(frozen=True, slots=True)
class SimulatorSettings:
    """The switches of one rollout's simulator.

    `seed` is the rollout's own (derived from run, session, turn and sample). `lookup` lets the model look its evidence
    up itself; `evidence_tokens` and `history_tokens` of `None` follow the model's size. `approval` is who stands for
    the human; `critic` is the most rounds of a second look at what the model wrote (`toolsim.critic`).
    """

    rungs: frozenset[str] = frozenset(RUNGS)
    affordances: frozenset[str] = frozenset(AFFORDANCES)
    seed: int = 0
    lookup: bool = False
    lookup_steps: int = 8
    approval: Approval = "recorded"
    evidence_tokens: int | None = None
    history_tokens: int | None = None
    critic: int = 0


@dataclass(frozen=True, slots=True)
class Answer:
    """One call answered. `mutations` are for the caller to apply; `evidence` says what was known and from where.

    `rung` is the lowest rung that took part: a command with one simulated run in it is `simulated`.
    """

    result: ToolResult
    rung: str
    mutations: tuple[Mutation, ...] = ()
    evidence: JsonObject = field(default_factory=dict)
    usage: Usage | None = None
    cost: float | None = None
    seconds: float = 0.0
    model_calls: int = 0


@dataclass(slots=True)
class _Job:
    """One call on its way down the ladder. `passed` says why rungs passed it on."""

    call: ToolCall
    action: Action
    world: World
    history: Sequence[Message]
    step: int
    passed: dict[str, str] = field(default_factory=dict)
    written: list[Written] = field(default_factory=list)

    @property
    def subject(self) -> Subject:
        if isinstance(self.action, RunShell):
            return Subject(self.call, self.action, self.action.cwd or self.world.cwd, line=self.action.command)
        return Subject(self.call, self.action, self.world.cwd)


_Rung = Callable[[_Job], Coroutine[Any, Any, Answer | None]]


@dataclass(slots=True)
class ToolSimulator:
    """Answers the tool calls of one rollout.

    `session` and `start` (the world at the cut, not changed here) are the rollout's own; `reference` is given only
    where it may be known. Parts that are `None` are rungs or evidence that are missing. `unseen` are lineages besides
    the session's own that recorded pairs may not come from (runs of the same task).
    """

    scaffold: Scaffold
    profile: ScaffoldProfile
    settings: SimulatorSettings
    session: Session
    start: World
    model: Model | None = None
    shell: Shell | None = None
    calls: CallDatabase | None = None
    reference: Reference | None = None
    connectors: tuple[Connector, ...] = ()
    gate: Gate = field(default_factory=Gate)
    delegate: Delegator | None = None
    unseen: tuple[str, ...] = ()
    _record: Record | None = field(init=False, default=None)

    def __post_init__(self) -> None:
        if self.reference is not None and "rollout" in self.settings.affordances:
            self._record = Record(Folded(self.reference, self._permitted(self.start), self.scaffold, self.session))

    async def respond(self, call: ToolCall, world: World, history: Sequence[Message]) -> Answer:
        """The result of a call made in `world` after `history` (all that the candidate saw). Changes no world.

        Raises:
            SimulationFailed: no rung could answer, or one failed; carries the stage and the reason.
            BudgetExceeded: a limit on model use was reached.
        """
        with span(f"execute_tool {call.name}", _tool(call)) as tell:
            answer = await self._respond(call, world, history)
            tell({"deploysim.rung": answer.rung, "deploysim.model_calls": answer.model_calls})
            return answer

    async def _respond(self, call: ToolCall, world: World, history: Sequence[Message]) -> Answer:
        begin = time.monotonic()
        permitted = self._permitted(world)
        action = self.scaffold.action(call, self.profile, world.cwd, world.env)
        step = sum(message.result is not None for message in history)
        job = _Job(call, action, permitted, history, step)
        for name, rung in self._ladder():
            answer = await rung(job)
            if answer is not None:
                if self._record is not None:
                    self._record.count(answer.evidence.get("reference"))
                passed = {"passed": job.passed} if job.passed else {}
                return replace(answer, evidence={**answer.evidence, **passed}, seconds=time.monotonic() - begin)
            job.passed.setdefault(name, "cannot answer such a call")
        raise SimulationFailed(*self._unanswered(job))

    @property
    def record(self) -> Record | None:
        """The reference, where it may be known."""
        return self._record

    def share_record(self, folded: Folded) -> None:
        """Take what a rollout of the same prefix, with the same settings, has folded. Before the first call."""
        if self._record is not None:
            self._record = Record(folded)

    def mark_record(self, mark: Callable[[Entry], ToolResult]) -> None:
        """Put other texts into the reference's results, to see where they turn up (`Record.marked`)."""
        if self._record is not None:
            self._record = self._record.marked(mark)

    def pass_over(self) -> None:
        """A call of the turn was made and its result came from elsewhere: the turn is one call further."""
        if self._record is not None:
            self._record.count(None)

    def resume(self, answered: Iterable[Mapping[str, Any]]) -> None:
        """Take in the evidence of the calls that a resumed rollout has behind it already, in order (empty: passed)."""
        for evidence in answered:
            if self._record is not None:
                self._record.count(evidence.get("reference"))

    def _ladder(self) -> tuple[tuple[str, _Rung], ...]:
        rungs: tuple[tuple[str, _Rung], ...] = (
            ("recorded", self._recorded),
            ("computed", self._computed),
            ("connector", self._connector),
            ("simulated", self._simulated),
        )
        return tuple((name, rung) for name, rung in rungs if self._stands(name))

    def _stands(self, rung: str) -> bool:
        needed = {"recorded": self._record is not None, "connector": bool(self._sources.connectors)}
        return rung in self.settings.rungs and needed.get(rung, True)

    def _unanswered(self, job: _Job) -> tuple[str, str]:
        if "simulated" in self.settings.rungs and self.model is None:
            return "simulated", "no model" + _reasons(job)
        last = next((name for name in reversed(RUNGS) if name in self.settings.rungs), "ladder")
        return last, f"no rung answers a call of {job.call.name}" + _reasons(job)

    def _permitted(self, world: World) -> World:
        """The world with what the affordances allow: without `repo` only what the trajectory showed."""
        if "repo" in self.settings.affordances or world.snapshot is None:
            return world
        bare = world.fork()
        bare.files.snapshot = None
        return bare

    @property
    def _sources(self) -> Sources:
        allowed = self.settings.affordances
        return Sources(
            self.session,
            self._record,
            self.calls if "calls" in allowed else None,
            self.connectors if "connectors" in allowed else (),
            self.gate,
            self.unseen,
        )

    # --- recorded ---------------------------------------------------------------------------------------------------

    async def _recorded(self, job: _Job) -> Answer | None:
        assert self._record is not None
        if isinstance(job.action, Ask) and self.settings.approval == "recorded":
            entry = self._record.answer_of_human(job.action)
        elif isinstance(job.action, Ask):
            return None
        else:
            entry = self._record.find(job.action, job.world)
        return None if entry is None else self._replayed(job, entry)

    def _replayed(self, job: _Job, entry: Entry) -> Answer:
        mutations = take_in(job.world, self.scaffold, entry.call, entry.result)
        result = replace(entry.result, call_id=job.call.id)
        if entry.result.duration:
            mutations = (*mutations, Advance(entry.result.duration))
        return Answer(result, "recorded", mutations, {"reference": entry.index})

    # --- computed ---------------------------------------------------------------------------------------------------

    async def _computed(self, job: _Job) -> Answer | None:
        if (text := self.profile.parameters.get("after_error")) and _sibling_erred(job):
            return Answer(ToolResult(job.call.id, str(text), is_error=True), "computed")
        match job.action:
            case RunShell():
                return await self._ran(job, job.action)
            case Ask():
                decided = decide(job.action, self.settings.approval)
                how: JsonObject = {"approval": self.settings.approval}
                return None if decided is None else self._shown(job, decided, "computed", (), how)
            case Delegate():
                return await self._delegated(job, job.action)
        outcome, mutations = job.world.perform(job.action)
        if isinstance(outcome, Unknown):
            job.passed["computed"] = outcome.reason
            return None
        return self._shown(job, outcome, "computed", mutations, {})

    def _shown(
        self, job: _Job, outcome: Outcome, rung: str, mutations: tuple[Mutation, ...], evidence: JsonObject
    ) -> Answer | None:
        rendered = self.scaffold.render(job.call, job.action, outcome, self.profile, job.world.env)
        if isinstance(rendered, Unknown):
            job.passed[rung] = rendered.reason
            return None
        duration = outcome.duration if isinstance(outcome, ShellOutput) else None
        result = ToolResult(job.call.id, rendered.content, rendered.is_error, rendered.exit_code, duration)
        return Answer(result, rung, (*mutations, *rendered.mutations), evidence)

    async def _ran(self, job: _Job, action: RunShell) -> Answer | None:
        if self.shell is None or action.background:
            job.passed["computed"] = "no shell engine" if self.shell is None else "a process in the background"
            return None
        shape = self.scaffold.render(job.call, action, ShellOutput("x\n", "x\n", "", 0), self.profile, job.world.env)
        if isinstance(shape, Unknown):
            job.passed["computed"] = shape.reason
            return None
        command = ShellCommand(action.command, job.subject.cwd, timeout=action.timeout)
        runs = _Runs(self, job)
        try:
            run = await self.shell.run(command, job.world, runs.answer)
        except ShellError as error:
            raise SimulationFailed("shell", str(error)) from error
        if isinstance(run, Unknown):
            job.passed["computed"] = run.reason
            return None
        kept = run.mutations if action.session is not None else _without_shell_state(run.mutations)
        evidence: JsonObject = {"shell": self.shell.name, "programs": runs.programs} if runs.programs else {}
        output = run.output
        if output.duration == 0.0:
            seed = derive_seed(self.settings.seed, job.step, "duration")
            output = replace(output, duration=quick_duration(job.history, job.call.name, seed))
            kept = (*kept, Advance(output.duration))
        answer = self._shown(job, output, runs.rung, kept, evidence)
        return None if answer is None else _with_use(answer, job.written)

    async def _delegated(self, job: _Job, action: Delegate) -> Answer | None:
        if self.delegate is None:
            job.passed["computed"] = "no candidate runs sub-agents"
            return None
        done: Delegated | None = await self.delegate(action, job.world.fork(), job.history)
        if done is None:
            job.passed["computed"] = "the candidate cannot run this sub-agent"
            return None
        answer = self._shown(job, done.reply, "computed", done.mutations, {"sub_agent": "candidate", **done.evidence})
        if answer is None:
            return None
        return replace(answer, usage=done.usage, cost=done.cost, model_calls=done.model_calls)

    # --- connector --------------------------------------------------------------------------------------------------

    async def _connector(self, job: _Job) -> Answer | None:
        sourced, problem = await self._sources.ask(job.subject.query, job.world.as_of)
        if sourced is None or not sourced.exact:
            job.passed["connector"] = problem or ("no source applies" if sourced is None else "the source knows a part")
            return None
        mutations = _learnt(sourced)
        evidence = source_record(sourced)
        if not isinstance(job.action, RunShell):
            return self._shown(
                job, Reply(sourced.stdout, is_error=bool(sourced.exit_code)), "connector", mutations, evidence
            )
        text = sourced.stdout + sourced.stderr
        seconds = _network_seconds(self.settings.seed, job.step, 0)
        output = ShellOutput(text, sourced.stdout, sourced.stderr, sourced.exit_code, seconds)
        return self._shown(job, output, "connector", (*mutations, Advance(seconds)), evidence)

    # --- simulated --------------------------------------------------------------------------------------------------

    def pen(self) -> Pen:
        """How the model of this rollout is asked.

        Raises:
            SimulationFailed: there is none.
        """
        if self.model is None:
            raise SimulationFailed("simulated", "no model")
        return Pen(
            self.model,
            self._sources,
            machine=machine(self.session, self.profile),
            session=sentences(self.session, self.profile, self.start),
            seed=self.settings.seed,
            lookup=self.settings.lookup,
            lookup_steps=self.settings.lookup_steps,
            evidence_tokens=self.settings.evidence_tokens,
            history_tokens=self.settings.history_tokens,
            critic=self.settings.critic,
        )

    async def _simulated(self, job: _Job) -> Answer | None:
        if self.model is None:
            return None
        place = Place(job.subject, self.scaffold, self.profile, job.world, job.history, job.step, self.pen())
        done = await simulated.simulate(place)
        result = ToolResult(
            job.call.id, done.rendered.content, done.rendered.is_error, done.rendered.exit_code, done.duration
        )
        evidence = {**done.notes, "written": [written.evidence for written in done.written]}
        mutations = (*done.mutations, *done.rendered.mutations)
        return _with_use(Answer(result, "simulated", mutations, evidence), done.written)

    async def run_program(self, run: ProgramRun, view: World, job_call: _Job) -> tuple[ProgramResult, str, JsonObject]:
        """One program run inside of a command: its result, the rung that gave it, and the evidence.

        Raises:
            SimulationFailed: no rung answers it.
            BudgetExceeded: a limit was reached.
        """
        if run.argv[0].rpartition("/")[2] == "rg" and self._stands("computed"):
            found = ripgrep.answer(run.argv, run.cwd, self._permitted(view), run.stdin)
            if isinstance(found, ripgrep.Answered):
                printed = ProgramResult(found.stdout, found.stderr, found.exit_code, errors_first=True)
                return printed, "computed", {}
            job_call.passed["computed"] = found.reason
        if self._stands("connector"):
            sourced, _ = await self._sources.ask(Query(argv=run.argv), job_call.world.as_of)
            if sourced is not None and sourced.exact:
                seconds = _network_seconds(self.settings.seed, job_call.step, run.ordinal)
                answered = ProgramResult(sourced.stdout, sourced.stderr, sourced.exit_code, seconds, _learnt(sourced))
                return answered, "connector", source_record(sourced)
        if "simulated" not in self.settings.rungs:
            raise SimulationFailed("simulated", f"{run.argv[0]} is not computed, and the rung is off")
        permitted = self._permitted(view)
        subject = Subject(job_call.call, job_call.action, run.cwd, run.argv, run.line, run.stdin)
        asked = Asked(subject, "program", job_call.step, f"program {run.ordinal}")
        written = await program.write(asked, permitted, job_call.history, self.pen())
        reply = written.reply
        if not isinstance(reply, ProgramReply):
            raise SimulationFailed("simulated", "the reply is not that of a program")
        job_call.written.append(written)
        seed = derive_seed(self.settings.seed, job_call.step, run.ordinal)
        mutations, rejected = program.program_mutations(reply, run.argv, permitted, run.cwd, seed)
        stdout = program.text_of(reply.stdout, written, permitted, run.cwd)
        evidence = {**written.evidence, **({"rejected": list(rejected)} if rejected else {})}
        result = ProgramResult(stdout, reply.stderr, reply.exit_code, reply.duration, mutations)
        return result, "simulated", evidence


@dataclass(slots=True)
class _Runs:
    """The program runs of one command as they are answered, and the rung that the whole has by them."""

    simulator: ToolSimulator
    job: _Job
    programs: list[JsonObject] = field(default_factory=list)
    rungs: set[str] = field(default_factory=set)

    async def answer(self, run: ProgramRun, view: World) -> ProgramResult:
        """A `ProgramRunner`."""
        try:
            result, rung, evidence = await self.simulator.run_program(run, view, self.job)
        except ModelError as error:
            raise SimulationFailed("simulated", f"{type(error).__name__}: {error}") from error
        self.rungs.add(rung)
        self.programs.append({"argv": list(run.argv), "rung": rung, **evidence})
        return result

    @property
    def rung(self) -> str:
        """`computed` where no run had to be answered."""
        return next((rung for rung in ("simulated", "connector") if rung in self.rungs), "computed")


def _sibling_erred(job: _Job) -> bool:
    """Whether an earlier call of the same message has failed."""
    for message in reversed(job.history):
        if message.result is None:
            return False
        if message.result.is_error:
            return any(c.id == message.result.call_id for c in _siblings(job))
    return False


def _siblings(job: _Job) -> Sequence[ToolCall]:
    asked = (m.calls for m in reversed(job.history) if any(c.id == job.call.id for c in m.calls))
    return next(asked, ())


def _learnt(sourced: Sourced) -> tuple[Mutation, ...]:
    """What the source said holds from here on; without a token, since no run depends on it."""
    return tuple(Fact(fact, "") for fact in sourced.facts)


def _network_seconds(*parts: int) -> float:
    return round(random.Random(derive_seed(*parts, "network")).uniform(0.2, 1.4), 3)


def _without_shell_state(mutations: Iterable[Mutation]) -> tuple[Mutation, ...]:
    """A fresh shell leaves no directory and no variables behind."""
    return tuple(mutation for mutation in mutations if not isinstance(mutation, SetCwd | SetEnv))


def _with_use(answer: Answer, written: Sequence[Written]) -> Answer:
    if not written:
        return answer
    usage = Usage()
    for one in written:
        usage += one.usage
    costs = [one.cost for one in written]
    cost = None if None in costs else sum(c for c in costs if c is not None)
    return replace(answer, usage=usage, cost=cost, model_calls=sum(one.calls for one in written))


def _reasons(job: _Job) -> str:
    return "".join(f"; {name}: {reason}" for name, reason in job.passed.items())


def _tool(call: ToolCall) -> dict[str, Value]:
    return {
        "gen_ai.operation.name": "execute_tool", "gen_ai.tool.name": call.name, "gen_ai.tool.call.id": call.id,
        "gen_ai.tool.type": "function",
    }  # fmt: skip
