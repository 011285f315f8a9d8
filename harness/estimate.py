"""What a run will use before it is started (rollouts, model calls, tokens, cost), and what it used.

The recorded turns say how many agent messages and calls there are; what earlier runs of the same store used says how a
candidate and a simulator differ from that (messages for each recorded one, tokens for each estimated one, the share of
calls that the model answers). Where there is no earlier run, the assumptions are stated in `basis`.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from harness.config import RunConfig
from harness.conversation import native
from harness.ledger import ModelStep, Spent, ToolStep, read_steps
from harness.rows import RolloutRow
from harness.selection import Criteria, Exclusion, choose_cuts, filter_sessions
from harness.store import Store
from toolsim.modeltypes import Usage
from toolsim.pricing import cost_of, known_model
from toolsim.tokens import estimate as tokens
from toolsim.trajectory import Message, Trajectory, call_pairs, model_view, split, turns

ANSWERED_BY_MODEL = 0.5
PROMPT_OF_A_CALL = 2_500
ANSWER_OF_A_CALL = 150


@dataclass(frozen=True, slots=True)
class Size:
    """A recorded turn as it will be taken again: agent messages, calls, tokens of the prefix and of the turn."""

    messages: int
    calls: int
    prefix: int
    turn: int


@dataclass(frozen=True, slots=True)
class Ratios:
    """How a run differs from the record. Tokens are in the endpoint's count for each of ours; `basis` says where each
    is from."""

    messages: float = 1.0
    prompt: float = 1.0
    completion: float = 1.0
    simulated: float = ANSWERED_BY_MODEL
    call_prompt: float = PROMPT_OF_A_CALL
    call_answer: float = ANSWER_OF_A_CALL
    basis: str = "no earlier run: recorded turns, half of the calls answered by the model, 2,500 tokens a prompt"


@dataclass(frozen=True, slots=True)
class Use:
    """What one role uses; `cost` in the price table's currency, `None` without a price."""

    model_calls: int
    prompt_tokens: int
    completion_tokens: int
    cost: float | None


@dataclass(frozen=True, slots=True)
class Estimate:
    """What a run will use (or used, with `basis` "measured")."""

    rollouts: int
    left_out: int
    calls: int
    candidate: Use
    simulator: Use
    basis: str = field(default="")


def foreseen(store: Store, config: RunConfig, criteria: Criteria, *, without: str | None = None) -> Estimate:
    """The estimate for a selection; `without` is a run that nothing may be learned from.

    Raises:
        StoreError: the store cannot be read.
    """
    chosen, excluded = filter_sessions(store.sessions(), criteria)
    left_out, sizes = len(excluded), []
    for session in chosen:
        trajectory = store.trajectory(session.id)
        cuts = choose_cuts(session.id, trajectory, criteria)
        if isinstance(cuts, Exclusion):
            left_out += 1
            continue
        sizes += [size_of(trajectory, cut.turn.index, cut.step) for cut in cuts] * criteria.samples
    return added(sizes, left_out, learned(store, config, without), config)


def size_of(trajectory: Trajectory, turn: int, step: int) -> Size:
    """The size of the rest of a turn from a step on, in our own count of tokens."""
    prefix, reference = split(trajectory, turns(trajectory)[turn], step)
    agent = trajectory.session.agent
    before = tokens(native(model_view(prefix.items), agent).messages, trajectory.session.tools)
    rest = tokens(native(model_view(reference.items), agent).messages)
    said = sum(isinstance(item, Message) and item.role == "assistant" for item in reference.items)
    return Size(max(1, said), sum(1 for _ in call_pairs(reference.items)), before, rest)


def added(sizes: Sequence[Size], left_out: int, ratios: Ratios, config: RunConfig) -> Estimate:
    """The estimate for turns of these sizes."""
    asked = prompt = completion = calls = 0.0
    for size in sizes:
        messages = min(size.messages * ratios.messages, config.max_steps)
        growth = size.turn / size.messages
        asked += messages
        calls += size.calls * messages / size.messages
        prompt += ratios.prompt * (messages * size.prefix + growth * messages * (messages - 1) / 2)
        completion += ratios.completion * size.turn * 0.5 * messages / size.messages
    share = _share(config, ratios)
    acts = config.candidate != "recorded"
    return Estimate(
        len(sizes), left_out, round(calls),
        _use(config.candidate, asked, prompt, completion) if acts else Use(0, 0, 0, 0.0),
        _use(config.simulator, calls * share, calls * share * ratios.call_prompt, calls * share * ratios.call_answer),
        ratios.basis,
    )  # fmt: skip


def learned(store: Store, config: RunConfig, without: str | None = None) -> Ratios:
    """The ratios of the newest run of this store with the same candidate and simulator."""
    for run in reversed(store.runs()):
        made = run["manifest"].get("config", {})
        same = all(made.get(name) == getattr(config, name) for name in ("candidate", "simulator"))
        if run["id"] == without or run["kind"] != "resample" or not same:
            continue
        rows = [row for row, end in store.rollouts(run["id"]) if end is not None and end.status == "completed"]
        found = _ratios(store, rows, f"run {run['id']}: {len(rows)} rollouts")
        if found is not None:
            return found
    return Ratios()


def measured(store: Store, run: str) -> Estimate:
    """What a run used, from its ledgers."""
    rows = store.rollouts(run)
    said, answered, calls = Spent(), Spent(), 0
    for row, _ in rows:
        for step in read_steps(store.steps(row.id)):
            if isinstance(step, ModelStep):
                said += step.spent
            else:
                answered, calls = answered + step.spent, calls + 1
    return Estimate(len(rows), len(store.exclusions(run)), calls, _spent(said), _spent(answered), "measured")


def _ratios(store: Store, rows: Iterable[RolloutRow], basis: str) -> Ratios | None:
    sizes: list[Size] = []
    messages = calls = simulated = 0
    ours = Spent()
    theirs = Spent()
    for row in rows:
        steps = read_steps(store.steps(row.id))
        sizes.append(size_of(store.trajectory(row.session), row.turn, row.step or 0))
        said = [step for step in steps if isinstance(step, ModelStep)]
        answers = [step for step in steps if isinstance(step, ToolStep)]
        messages += len(said)
        calls += len(answers)
        simulated += sum(step.rung == "simulated" for step in answers)
        ours = sum((step.spent for step in said), ours)
        theirs = sum((step.spent for step in answers), theirs)
    if not sizes or not messages:
        return None
    more = messages / sum(size.messages for size in sizes)
    plain = added(sizes, 0, Ratios(messages=more), RunConfig(candidate="m", max_steps=1_000_000)).candidate
    return Ratios(
        messages=more,
        prompt=ours.prompt_tokens / plain.prompt_tokens if ours.prompt_tokens else 1.0,
        completion=ours.completion_tokens / plain.completion_tokens if plain.completion_tokens else 1.0,
        simulated=simulated / calls if calls else ANSWERED_BY_MODEL,
        call_prompt=theirs.prompt_tokens / simulated if simulated else PROMPT_OF_A_CALL,
        call_answer=theirs.completion_tokens / simulated if simulated else ANSWER_OF_A_CALL,
        basis=basis,
    )


def _share(config: RunConfig, ratios: Ratios) -> float:
    if config.simulator == "none" or "simulated" not in config.rungs:
        return 0.0
    return 1.0 if set(config.rungs) == {"simulated"} else ratios.simulated


def _use(model: str, calls: float, prompt: float, completion: float) -> Use:
    usage = Usage(round(prompt), 0, round(completion))
    local = model in {"local", "local-small", "none"}
    cost = 0.0 if local else cost_of(usage, known_model(_name(model)))
    return Use(round(calls), usage.prompt_tokens, usage.completion_tokens, cost)


def _name(spec: str) -> str:
    return spec.partition("@")[0]


def _spent(spent: Spent) -> Use:
    return Use(spent.model_calls, spent.prompt_tokens, spent.completion_tokens, spent.cost)
