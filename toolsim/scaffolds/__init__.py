"""The known agent products: which scaffold parses and renders the tools of an agent."""

from __future__ import annotations

from collections.abc import Mapping

from toolsim.scaffolds.base import Scaffold
from toolsim.scaffolds.claude_code import CLAUDE_CODE
from toolsim.scaffolds.codex import CODEX
from toolsim.scaffolds.copilot import COPILOT
from toolsim.scaffolds.gemini import GEMINI
from toolsim.scaffolds.generic import GENERIC
from toolsim.scaffolds.mini_swe_agent import MINI_SWE_AGENT
from toolsim.scaffolds.openhands import OPENHANDS
from toolsim.scaffolds.swe_agent import SWE_AGENT

SCAFFOLDS: Mapping[str, Scaffold] = {
    "claude-code": CLAUDE_CODE,
    "codex": CODEX,
    "copilot": COPILOT,
    "gemini": GEMINI,
    "generic": GENERIC,
    "mini-swe-agent": MINI_SWE_AGENT,
    "openhands": OPENHANDS,
    "swe-agent": SWE_AGENT,
}


def scaffold_for(agent: str) -> Scaffold:
    """The scaffold of an agent by the name in `Session.agent`; `generic` for agents without one of their own."""
    return SCAFFOLDS.get(agent, GENERIC)
