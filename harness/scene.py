"""One prefix made ready to be played: scaffold, repository, world, tools and system prompt, and how each was come by.

Blocking work (git, parsing) stands here; callers put it into a thread. Nothing of the reference enters the world.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path

from harness.repositories import Base, locate
from harness.selection import Cut
from harness.tooldefs import infer_tools
from repos.abbreviation import LEAST, abbreviation
from repos.catalog import KnownRepository
from repos.history import short_id
from repos.snapshot import Snapshot, open_snapshot
from toolsim.family import Kin, ancestor
from toolsim.rebuild import Rebuilt, rebuild_measured
from toolsim.scaffolds import scaffold_for
from toolsim.scaffolds.base import Scaffold
from toolsim.trajectory import (
    JsonObject,
    Message,
    Prefix,
    Reference,
    ToolDefinition,
    Trajectory,
    effects,
    model_view,
    split,
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Scene:
    """What a rollout starts from. `facts` states how each part was come by, for the record of the rollout; `relatives`
    are the other sessions of its family, `kin` what they did after the cut.
    """

    prefix: Prefix
    reference: Reference
    scaffold: Scaffold
    rebuilt: Rebuilt
    base: Base | None
    tools: tuple[ToolDefinition, ...]
    view: tuple[Message, ...]
    system_prompt: str | None
    facts: JsonObject
    kin: Kin = field(default_factory=Kin)
    relatives: tuple[Trajectory, ...] = ()


def set_scene(
    trajectory: Trajectory,
    cut: Cut,
    known: Sequence[KnownRepository],
    *,
    use_repository: bool = True,
    system_prompt: str | None = None,
    relatives: Sequence[Trajectory] = (),
) -> Scene:
    """Cut the trajectory and rebuild the world that the prefix leaves.

    `relatives` are the other sessions of its family (see `toolsim.family`): what they did before the cut happened to
    the same world, so it is taken in; where that leaves nothing certain (a checkout of another commit), a sub-agent's
    world starts from the commit that its own session shows. `Scene.kin` is what they did after it, for a fold of the
    record.

    Raises:
        RepositoryError: the repository that the session belongs to cannot be read.
    """
    prefix, reference = split(trajectory, cut.turn, cut.step)
    scaffold = scaffold_for(trajectory.session.agent)
    kin = Kin.of(relatives)
    base = base_of(prefix, known, relatives) if use_repository else None
    base, rebuilt = rebuild_in_family(prefix, scaffold, base, known if use_repository else (), relatives, kin)
    tools, tools_from = _tools(trajectory, prefix, scaffold, rebuilt)
    prompt, prompt_from = _system_prompt(prefix, system_prompt)
    facts: JsonObject = {
        "base": None if base is None else {
            "repository": base.repository.name, "commit": base.commit, "how": base.how,
            "agreed": base.agreed, "compared": base.compared,
        },
        "tools_from": tools_from,
        "system_prompt": prompt_from,
        "drift": {**asdict(rebuilt.drift), "disagreed": list(rebuilt.disagreed)},
        "as_of": prefix.as_of,
    }  # fmt: skip
    view = model_view(prefix.items)
    return Scene(prefix, reference, scaffold, rebuilt, base, tools, view, prompt, facts, kin, tuple(relatives))


def base_of(prefix: Prefix, known: Sequence[KnownRepository], relatives: Sequence[Trajectory]) -> Base | None:
    """The base commit, found from the session that the family began with, as far as it was at the cut.

    Raises:
        RepositoryError: a repository cannot be read.
    """
    first = ancestor(prefix.session, relatives)
    if first is None or prefix.as_of is None:
        return locate(prefix, known)
    moment = prefix.as_of
    before = tuple(item for item in first.items if item.at is not None and item.at <= moment)
    return locate(Prefix(first.session, before, 0) if before else prefix, known)


def rebuild_in_family(
    prefix: Prefix,
    scaffold: Scaffold,
    base: Base | None,
    known: Sequence[KnownRepository],
    relatives: Sequence[Trajectory],
    kin: Kin,
) -> tuple[Base | None, Rebuilt]:
    """`rebuild_on`; where what the family did leaves nothing certain, a sub-agent's world starts from the commit that
    its own session shows.

    Raises:
        RepositoryError: a base cannot be read.
    """
    rebuilt = rebuild_on(prefix, scaffold, base, kin)
    if rebuilt.world.files.lost and ancestor(prefix.session, relatives) is not None:
        base = locate(prefix, known)
        rebuilt = rebuild_on(prefix, scaffold, base)
    return base, rebuilt


def rebuild_on(prefix: Prefix, scaffold: Scaffold, base: Base | None, kin: Kin | None = None) -> Rebuilt:
    """The world that the prefix leaves of this base, and of what the session's family did up to the cut.

    Raises:
        RepositoryError: the base cannot be read.
    """
    snapshot: Snapshot | None = open_snapshot(Path(base.repository.git_dir), base.commit) if base else None
    root = base.root if base else None
    rebuilt = rebuild_measured(prefix, scaffold, snapshot=snapshot, root=root, kin=kin or Kin())
    if snapshot is not None:
        _fit_git(rebuilt, prefix, snapshot)
    return rebuilt


def _fit_git(rebuilt: Rebuilt, prefix: Prefix, snapshot: Snapshot) -> None:
    """How long git's short ids are in a session whose own output has not shown it: the least if all of today's fit it,
    else what every clone with this commit has. The length grows with the number of objects; 0 is not known.
    """
    world = rebuilt.world
    if "git_abbrev" in world.profile.parameters:
        return
    today = len(short_id(snapshot.git_dir, snapshot.commit))
    length = today if today == LEAST else abbreviation(snapshot.git_dir, snapshot.commit, prefix.as_of) or 0
    world.profile = replace(world.profile, parameters={**world.profile.parameters, "git_abbrev": length})


def _tools(
    trajectory: Trajectory, prefix: Prefix, scaffold: Scaffold, rebuilt: Rebuilt
) -> tuple[tuple[ToolDefinition, ...], str]:
    if trajectory.session.tools:
        return trajectory.session.tools, "recorded"
    known = scaffold.tools(rebuilt.world.profile)
    seen = infer_tools(effects(prefix.items))
    extra = tuple(tool for tool in seen if tool.name not in {k.name for k in known})
    if known:
        return (*known, *extra), "scaffold"
    return seen, "calls seen"


def _system_prompt(prefix: Prefix, supplied: str | None) -> tuple[str | None, str]:
    if supplied is not None:
        return supplied, "supplied"
    if prefix.session.system_prompt:
        return prefix.session.system_prompt, "recorded"
    if any(m.role == "system" for m in model_view(prefix.items)):
        return None, "recorded in the messages"
    return None, "missing"
