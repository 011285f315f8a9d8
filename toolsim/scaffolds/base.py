"""The contract of a scaffold: one agent product's tools, argument parsing and output forms, as pure functions.

Nothing here reads files, asks models or knows the world; a scaffold is used in this order:
`action` (call → what it does) → the world or the ladder → `render` (outcome → the exact text), and `observe`
(recorded call and result → what the record shows of the world).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from toolsim.actions import Action, Mutation, Outcome, Unknown
from toolsim.trajectory import JsonObject, Message, Session, ToolCall, ToolDefinition, ToolResult

STATE = "scaffold:"
"""How the names of a scaffold's own state begin in a world's environment: no variable of the agent's shell."""


def shell_env(env: Mapping[str, str]) -> dict[str, str]:
    """The variables of the agent's shell: a world's environment without the scaffold's own state."""
    return {name: value for name, value in env.items() if not name.startswith(STATE)}


@dataclass(frozen=True, slots=True)
class ScaffoldProfile:
    """Parameters of a scaffold's forms, fitted from the session's own prefix, defaults by version.

    `userland` and `shell` are the session's own. `parameters` are the scaffold's named form parameters (each
    scaffold documents its own). `unexplained` counts recorded results of the prefix that no form explains.
    """

    scaffold: str
    version: str | None = None
    userland: str = "gnu"
    shell: str = "bash"
    cwd: str = "/"
    parameters: JsonObject = field(default_factory=dict)
    unexplained: int = 0


@dataclass(frozen=True, slots=True)
class Rendered:
    """A tool result in the scaffold's own form, without call id.

    `mutations` are changes of the scaffold's own state (an open window, kept in environment variables).
    """

    content: str
    is_error: bool | None = None
    exit_code: int | None = None
    mutations: tuple[Mutation, ...] = ()


class Scaffold(Protocol):
    """One agent product."""

    name: str

    def tools(self, profile: ScaffoldProfile) -> tuple[ToolDefinition, ...]:
        """The product's known tool definitions (used where the recording has none); empty if unknown."""

    def fit(self, session: Session, messages: Sequence[Message]) -> ScaffoldProfile:
        """The form parameters that explain the results in `messages` (all that happened before the cut)."""

    def action(
        self, call: ToolCall, profile: ScaffoldProfile, cwd: str, env: Mapping[str, str] | None = None
    ) -> Action:
        """What the call does, with the world's directory and environment. Never raises: `Invalid` or `Opaque`."""

    def render(
        self,
        call: ToolCall,
        action: Action,
        outcome: Outcome,
        profile: ScaffoldProfile,
        env: Mapping[str, str] | None = None,
    ) -> Rendered | Unknown:
        """The exact text that the product shows for this outcome; `Unknown` where its form is not explained.

        `env` is the world's environment before the call.
        """

    def observe(
        self, call: ToolCall, action: Action, result: ToolResult, profile: ScaffoldProfile
    ) -> tuple[Mutation, ...]:
        """What a recorded call and its result show of the world: contents seen, written, or made unknown.

        Shown text of a file is `Seen`. For an edit that succeeded at least one mutation is returned (`MarkRead` if
        nothing else is certain), for one that failed none: where no `PutFile`, `RemovePath`, `MovePath` or `Blur` is
        among them, the world applies the action itself to what it knows after them (a pre-image as `Seen`). The
        effects of shell commands are not this method's work.
        """

    def raw(self, call: ToolCall, action: Action, result: ToolResult, profile: ScaffoldProfile) -> str | None:
        """The tool's own output inside a recorded result (form removed); `None` where it cannot be recovered.

        Law: where `raw` is not `None`, rendering the outcome made of it gives the recorded content again.
        """
