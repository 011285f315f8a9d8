"""A turn as graders see it: what was asked, then what the agent said, thought, called and got back. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from harness.callclass import action_of, call_class, command_line
from toolsim import paths
from toolsim.actions import Action
from toolsim.shellparse import CommandLine, parse
from toolsim.trajectory import Message, ToolCall, ToolResult


@dataclass(frozen=True, slots=True)
class Act:
    """One call with its result (`None`: none is known). `step` numbers the agent's messages of the turn from 0."""

    step: int
    call: ToolCall
    action: Action
    result: ToolResult | None = None

    @property
    def line(self) -> CommandLine | None:
        """The parsed command line, if the call runs one."""
        text = command_line(self.action)
        return parse(text) if text else None

    @property
    def text(self) -> str:
        """The command line as written; empty for other calls."""
        return command_line(self.action)


@dataclass(frozen=True, slots=True)
class Said:
    """Text of the agent in a step: to the user, or `thought` where the record has legible reasoning."""

    step: int
    text: str
    thought: bool = False


@dataclass(frozen=True, slots=True)
class TurnActs:
    """A turn for grading. `asked` are the user's own words of the whole session so far, the newest last; `cwd` is where
    the agent works now, `places` are all directories that it has worked in. `name` is the same for the recorded turn
    and for rollouts of the same prefix; `cut` is the share of the recorded turn that the prefix keeps."""

    name: str
    lineage: str
    agent: str
    cwd: str
    asked: tuple[str, ...]
    acts: tuple[Act, ...]
    said: tuple[Said, ...]
    sample: int = 0
    places: tuple[str, ...] = ()
    cut: float = 0.0

    @property
    def request(self) -> str:
        """The words that this turn answers."""
        return self.asked[-1] if self.asked else ""

    @property
    def closing(self) -> Said | None:
        """The last words to the user."""
        return next((said for said in reversed(self.said) if not said.thought and said.text.strip()), None)

    def kind(self, act: Act) -> str:
        """The class of an act (`harness.callclass`)."""
        return call_class(act.call, self.agent)


def turn_acts(
    name: str,
    agent: str,
    lineage: str,
    places: Sequence[str],
    before: Iterable[Message],
    messages: Sequence[Message],
    sample: int = 0,
) -> TurnActs:
    """The turn that `messages` make after the messages `before`; what the user said in them counts as asked.

    `places` are the directories that the agent has worked in, the latest last.
    """
    canonical = tuple(dict.fromkeys(paths.canonical(place) for place in places if place))
    cwd = (canonical or ("/",))[-1]
    asked = [m.text for m in (*before, *messages) if m.role == "user" and m.origin == "user" and m.text.strip()]
    results = {m.result.call_id: m.result for m in messages if m.result is not None}
    acts: list[Act] = []
    said: list[Said] = []
    step = -1
    for message in messages:
        if message.role != "assistant" or message.origin != "agent":
            continue
        step += 1
        if message.reasoning:
            said.append(Said(step, message.reasoning, thought=True))
        if message.text.strip():
            said.append(Said(step, message.text))
        acts += [Act(step, call, action_of(call, agent, cwd), results.get(call.id)) for call in message.calls]
    return TurnActs(name, lineage, agent, cwd, tuple(asked), tuple(acts), tuple(said), sample, canonical)
