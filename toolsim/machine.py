"""What prompts say of a session's machine: sentences that stay the same for a whole rollout. Pure."""

from __future__ import annotations

from toolsim.scaffolds.base import ScaffoldProfile
from toolsim.trajectory import Session
from toolsim.world import World

_USERLANDS = {"gnu": "GNU tools", "bsd": "BSD tools, macOS", "busybox": "busybox", "powershell": "Windows"}


def machine(session: Session, profile: ScaffoldProfile) -> str:
    """Platform, userland and shell in one sentence."""
    tools = _USERLANDS.get(profile.userland, profile.userland)
    platform = f"{session.platform}, " if session.platform else ""
    return f"{platform}{tools}, {profile.shell}."


def sentences(session: Session, profile: ScaffoldProfile, start: World) -> tuple[str, ...]:
    """Whose tools these are, where the work is, and of what repository."""
    agent = profile.scaffold + (f" {session.agent_version}" if session.agent_version else "")
    known = [f"The tools are those of {agent}.", f"The work is in {start.root}."]
    repository = session.repository
    if repository.url:
        known.append(
            f"It is a clone of {repository.url}" + (f", branch {repository.branch}." if repository.branch else ".")
        )
    return tuple(known)
