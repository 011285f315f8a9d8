"""A run from settings to ended rollouts: choose, register, prepare, play; started again it does what is missing."""

from __future__ import annotations

import asyncio
import functools
import platform
import time
from collections.abc import Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass, field, replace
from importlib.metadata import version
from pathlib import Path

from harness.batch import Notice, Outcome, Prepared, run_batch
from harness.candidate import fits, open_candidate
from harness.config import RunConfig
from harness.delegation import SubAgents
from harness.entries import Entries
from harness.errors import ConfigError, SelectionError
from harness.recent import Recent
from harness.recut import Recut
from harness.resample import Limits, Rollout
from harness.rows import RolloutRow, SessionRow
from harness.scene import Scene, set_scene
from harness.selection import Criteria, Cut, Exclusion, choose_cuts, filter_sessions
from harness.store import Store
from repos.catalog import KnownRepository
from toolsim.caches import cache_root
from toolsim.calldb import CallDatabase
from toolsim.connectors import Connector
from toolsim.connectors.package_metadata import public_index
from toolsim.deid.choice import Deidentify
from toolsim.endpoint import ClientSettings
from toolsim.keeping import keeping
from toolsim.model import is_embedded, open_model
from toolsim.modeltypes import Budget, Model
from toolsim.prompting import prompt_hashes
from toolsim.recorded import Folded
from toolsim.seeds import derive_seed
from toolsim.shell.base import Shell
from toolsim.shell.choice import Choice, choose, open_shell
from toolsim.simulator import SimulatorSettings, ToolSimulator
from toolsim.trajectory import JsonObject, Reference, content_hash, turns

_SCENES = 16
_Place = tuple[str, int, int | None]


@dataclass(frozen=True, slots=True)
class Plan:
    """The rollouts of a run and what was left out, as registered in the store."""

    run: str
    rows: tuple[RolloutRow, ...]
    excluded: tuple[tuple[str, str], ...]
    resumed: bool


@dataclass(slots=True)
class Parts:
    """What the rollouts of a run share. `shell_cache`, `calls` and the models may be absent: then a rung is."""

    store: Store
    calls: CallDatabase | None
    known: Sequence[KnownRepository]
    candidate: Model | None
    simulator: Model | None
    shell_cache: Path | None
    connectors: tuple[Connector, ...] = ()
    shell: Choice = field(default_factory=lambda: Choice("sandbox"))


def plan(store: Store, config: RunConfig, criteria: Criteria, inputs: JsonObject) -> Plan:
    """Choose the prefixes and register run and rollouts.

    Raises:
        SelectionError: a session is named that the store does not have.
        ConfigError: the file of the system prompt cannot be read.
        StoreError: the store cannot be written.
    """
    sessions = store.sessions()
    for wanted in criteria.ids:
        if not any(row.id.startswith(wanted) for row in sessions):
            raise SelectionError(f"no session in {store.path} begins with {wanted!r}; `deploysim sessions` lists them")
    prompt = system_prompt(config)
    prompt_hash = None if prompt is None else content_hash(prompt)
    run = run_name(config, criteria, prompt_hash)
    fresh = store.begin_run(run, "resample", manifest(config, criteria, inputs, prompt_hash), now=time.time())
    chosen, excluded = filter_sessions(sessions, criteria)
    left_out = [(e.session, e.reason) for e in excluded]
    rows: list[RolloutRow] = []
    for session in chosen:
        cuts = choose_cuts(session.id, store.trajectory(session.id), criteria)
        if isinstance(cuts, Exclusion):
            left_out.append((cuts.session, cuts.reason))
            continue
        rows += [rollout_row(run, session, cut, sample) for cut in cuts for sample in range(criteria.samples)]
    store.add_rollouts(rows)
    store.add_exclusions(run, left_out)
    return Plan(run, tuple(rows), tuple(left_out), not fresh)


def manifest(config: RunConfig, criteria: Criteria, inputs: JsonObject, prompt_hash: str | None) -> JsonObject:
    """What a run was made with."""
    return {
        "config": config.model_dump(mode="json"),
        "criteria": _plain(criteria),
        "inputs": inputs,
        "versions": {"deploysim": version("deploysim"), "python": platform.python_version()},
        "prompts": prompt_hashes("toolsim", "harness"),
        "system_prompt": prompt_hash,
    }


def rollout_row(run: str, session: SessionRow, cut: Cut, sample: int) -> RolloutRow:
    """The row of one rollout; its id is a hash of where it starts and its number among the samples."""
    name = content_hash([run, session.id, cut.turn.index, cut.step, sample])[:20]
    return RolloutRow(
        name, run, session.id, cut.turn.index, cut.step, sample, session.pool, session.lineage, session.repo,
        session.agent, {"cut": cut.share} if cut.share else {},
    )  # fmt: skip


async def play(plan: Plan, config: RunConfig, parts: Parts, *, concurrency: int, notice: Notice) -> Outcome:
    """Play the rollouts of a plan that have not ended."""
    ended = {row.id for row, end in parts.store.rollouts(plan.run) if end is not None}
    scenes: Recent[_Place, Prepared] = Recent(_SCENES)
    folds: Recent[_Place, Folded] = Recent(_SCENES)
    loop = asyncio.get_running_loop()

    def prepare(row: RolloutRow) -> Prepared:
        """Samples of one prefix share its scene: each plays in a fork of the world."""
        return scenes.get(_place(row), functools.partial(_prepare, config, parts, loop, row))

    build = functools.partial(_build, config, parts, folds)
    todo = [row for row in plan.rows if row.id not in ended]
    return await run_batch(parts.store, todo, prepare=prepare, build=build, concurrency=concurrency, notice=notice)


def open_models(
    config: RunConfig, budget: Budget, deidentify: Deidentify | None = None, *, concurrency: int = 1
) -> tuple[Model | None, Model | None]:
    """The candidate's and the simulator's model; `recorded` and `none` are `None`. One object where they are the same.

    An endpoint gets as many requests at once as there are rollouts in flight (`concurrency`), and at least 16.

    Raises:
        ModelUnavailable: weights or package are missing.
    """
    candidate = None
    wide = ClientSettings(concurrency=max(ClientSettings().concurrency, concurrency))
    if config.candidate != "recorded":
        settings = None if is_embedded(config.candidate) else wide
        opened = open_model(config.candidate, api=config.api, budget=budget, settings=settings, context=config.context,
                            deidentify=deidentify)  # fmt: skip
        candidate = keeping(opened, config.reply_cache)
    if config.simulator == config.candidate and config.api == "chat":
        return candidate, candidate
    settings = None if is_embedded(config.simulator) else wide
    simulator = open_model(config.simulator, budget=budget, settings=settings, deidentify=deidentify)
    return candidate, keeping(simulator, config.reply_cache)


def shielded(candidate: Model | None, simulator: Model | None) -> list[str]:
    """The roles whose requests are de-identified."""
    roles = {"candidate": candidate, "simulator": simulator}
    return [role for role, model in roles.items() if getattr(model, "shield", None) is not None]


async def open_connectors(stack: AsyncExitStack, config: RunConfig) -> tuple[Connector, ...]:
    """The sources of a run; none without the affordance. Connections are closed with `stack`.

    Raises:
        ConnectorError: an MCP server cannot be used.
    """
    if "connectors" not in config.affordances:
        return ()
    index = public_index()
    found: list[Connector] = [] if index is None else [index]
    if config.mcp_servers:
        try:
            from toolsim.connectors import mcp_tools
        except ModuleNotFoundError as error:
            raise ConfigError(f"MCP servers need {error.name}: `pip install 'deploysim[mcp]'`") from error
        for spec in map(mcp_tools.parse_spec, config.mcp_servers):
            server = await stack.enter_async_context(mcp_tools.connected(spec))
            found.append(mcp_tools.McpTools(server, config.connector_now))
    return tuple(found)


async def open_parts(
    stack: AsyncExitStack, store: Store, calls: Path, config: RunConfig, models: tuple[Model | None, Model | None]
) -> Parts:
    """What the rollouts of a run share, closed with `stack`; `models` are those of candidate and simulator.

    `config.shell` must name an engine (`toolsim.shell.choice.choose`).
    """
    database = _open_calls(calls, config)
    if database is not None:
        stack.enter_context(database)
        if models[1] is not None:  # else the first search would do it, and every rollout would wait
            await asyncio.to_thread(database.refresh)
    connectors = await open_connectors(stack, config)
    cache = cache_root() / "shell"
    chosen = choose(config.shell, config.container)
    return Parts(store, database, store.repositories(), *models, cache, connectors, chosen)


def _open_calls(calls: Path, config: RunConfig) -> CallDatabase | None:
    return CallDatabase(calls) if "calls" in config.affordances and calls.exists() else None


def database_hash(calls: Path) -> str | None:
    """The hash of a pair database; `None` without one."""
    if not calls.exists():
        return None
    with CallDatabase(calls) as database:
        return str(database.hash())


def system_prompt(config: RunConfig) -> str | None:
    """The supplied system prompt.

    Raises:
        ConfigError: its file cannot be read.
    """
    if config.system_prompt is None:
        return None
    try:
        return Path(config.system_prompt).read_text("utf-8")
    except OSError as error:
        raise ConfigError(f"cannot read the system prompt {config.system_prompt}: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise ConfigError(f"the system prompt {config.system_prompt} is no UTF-8 text") from error


def _prepare(config: RunConfig, parts: Parts, loop: asyncio.AbstractEventLoop, row: RolloutRow) -> Prepared:
    trajectory = parts.store.trajectory(row.session)
    cut = Cut(row.session, turns(trajectory)[row.turn], row.step)
    scene = set_scene(
        trajectory,
        cut,
        parts.known,
        use_repository="repo" in config.affordances,
        system_prompt=system_prompt(config),
        relatives=parts.store.relatives(trajectory.session),
    )
    hidden = shielded(parts.candidate, parts.simulator)
    if hidden:
        scene = replace(scene, facts={**scene.facts, "deidentified": hidden})
    if parts.candidate is None:
        return Prepared(scene)
    fit = asyncio.run_coroutine_threadsafe(
        fits(parts.candidate, scene.view, scene.tools, scene.system_prompt), loop
    ).result()
    return Prepared(scene) if isinstance(fit, int) else Prepared(None, fit)


def _place(row: RolloutRow) -> _Place:
    return row.session, row.turn, row.step


async def _build(
    config: RunConfig,
    parts: Parts,
    folds: Recent[_Place, Folded],
    row: RolloutRow,
    scene: Scene,
    entries: Entries,
) -> Rollout:
    seed = derive_seed(config.seed, row.run, row.session, row.turn, row.sample)
    candidate = open_candidate(parts.candidate, scene, config)
    reference = scene.reference if "rollout" in config.affordances else None
    simulator = open_simulator(config, parts, scene, seed, reference=reference)
    if simulator.record is not None:
        simulator.share_record(folds.get(_place(row), functools.partial(getattr, simulator.record, "folded")))
    if parts.candidate is not None:
        simulator.delegate = SubAgents(
            functools.partial(open_candidate, parts.candidate, scene, config), simulator, seed
        )
    limits = Limits(config.max_steps, config.max_rollout_tokens, None, config.max_seconds)
    hear = entries.hear if config.keep_prompts else None
    recut = _recut(config, parts, scene)
    return Rollout(scene, candidate, simulator, entries.step, limits, config.forcing, seed, recut, hear=hear)


def open_simulator(
    config: RunConfig,
    parts: Parts,
    scene: Scene,
    seed: int,
    *,
    reference: Reference | None,
    unseen: tuple[str, ...] = (),
) -> ToolSimulator:
    """The simulator of one rollout; `unseen` are further lineages that recorded pairs may not come from."""
    settings = SimulatorSettings(
        rungs=frozenset(config.rungs),
        affordances=frozenset(config.affordances),
        seed=seed,
        lookup=config.lookup,
        approval=config.approval,
        evidence_tokens=config.evidence_tokens,
        history_tokens=config.history_tokens,
        critic=config.critic,
    )
    return ToolSimulator(
        scaffold=scene.scaffold,
        profile=scene.rebuilt.world.profile,
        settings=settings,
        session=scene.prefix.session,
        start=scene.rebuilt.world,
        model=parts.simulator,
        shell=_shell(parts, scene),
        calls=parts.calls,
        reference=reference,
        connectors=parts.connectors,
        unseen=unseen,
    )


def _recut(config: RunConfig, parts: Parts, scene: Scene) -> Recut | None:
    """Recorded actions of an autonomous session are each answered as after a cut of their own."""
    if config.forcing != "teacher" or not scene.prefix.session.autonomous:
        return None
    return Recut(scene, parts.known if "repo" in config.affordances else ())


def _shell(parts: Parts, scene: Scene) -> Shell | None:
    if parts.shell_cache is None:
        return None
    repository = scene.prefix.session.repository
    return open_shell(parts.shell, parts.shell_cache, repository.branch, repository.url)


def run_name(config: RunConfig, criteria: Criteria, system_prompt: str | None) -> str:
    """The name of a run: a hash of what differs from the defaults, so that new settings rename no old run."""
    usual, chosen = _plain(Criteria()), _plain(criteria)
    asked = {name: value for name, value in chosen.items() if value != usual.get(name)}
    settings = config.model_dump(mode="json", exclude_defaults=True, exclude={"keep_prompts", "reply_cache"})
    return content_hash([settings, asked, system_prompt])[:12]


def _plain(criteria: Criteria) -> JsonObject:
    """The criteria as JSON; later ones only where they are set, so that the names of other runs stay as they are."""
    values = {name: getattr(criteria, name) for name in Criteria.__dataclass_fields__}
    return {name: value for name, value in values.items() if value or name not in ("every_turn", "cuts")}
