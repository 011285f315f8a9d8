"""The known agent products: which scaffold parses and renders the tools of an agent."""

from __future__ import annotations

from collections.abc import Mapping

from toolsim.scaffolds.base import Scaffold
from toolsim.scaffolds.claude_code import CLAUDE_CODE
from toolsim.scaffolds.generic import GENERIC

SCAFFOLDS: Mapping[str, Scaffold] = {
    "claude-code": CLAUDE_CODE,
    "generic": GENERIC,
}


def scaffold_for(agent: str) -> Scaffold:
    """The scaffold of an agent by the name in `Session.agent`; `generic` for agents without one of their own."""
    return SCAFFOLDS.get(agent, GENERIC)
