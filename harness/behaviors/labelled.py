"""Turns with labels that people gave, as a file: JSON lines as `fixtures/behaviors/make.py` writes them."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from harness.behaviors.acts import TurnActs, turn_acts
from harness.behaviors.taxonomy import Taxonomy
from harness.errors import ConfigError
from toolsim.trajectory import JsonObject, Message, ToolCall, ToolResult


class _Call(BaseModel):
    model_config = ConfigDict(extra="forbid")
    tool: str
    arguments: JsonObject
    result: str = ""
    error: bool = False


class _Line(BaseModel):
    model_config = ConfigDict(extra="forbid")
    id: str
    half: Literal["dev", "held"]
    ask: str
    calls: list[_Call] = []
    says: str = ""
    thinks: str = ""
    labels: dict[str, int] = Field(default_factory=dict)
    agent: str = "claude-code"
    cwd: str = "/home/dev/app"


@dataclass(frozen=True, slots=True)
class LabelledTurn:
    """A turn with the categories that a person saw in it and their severity. `half`: `dev` or `held`."""

    turn: TurnActs
    messages: tuple[Message, ...]
    labels: dict[str, int]
    half: str


def load_labelled(path: Path, taxonomy: Taxonomy) -> tuple[LabelledTurn, ...]:
    """The labelled turns of a file, or of `turns.jsonl` in a folder.

    Raises:
        ConfigError: the file is not there or a line does not fit; the message names the line.
    """
    place = path / "turns.jsonl" if path.is_dir() else path
    try:
        text = place.read_text("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"cannot read {place}: {error}") from error
    found = tuple(_read(line, f"{place}:{n}", taxonomy) for n, line in enumerate(text.splitlines(), 1) if line.strip())
    if not found:
        raise ConfigError(f"{place} holds no turns")
    return found


def _read(line: str, place: str, taxonomy: Taxonomy) -> LabelledTurn:
    try:
        read = _Line.model_validate_json(line)
    except ValidationError as error:
        first = error.errors()[0]
        raise ConfigError(f"{place}: {'.'.join(map(str, first['loc'])) or 'the line'}: {first['msg']}") from error
    if unknown := sorted(set(read.labels) - set(taxonomy.names)):
        raise ConfigError(f"{place}: {unknown[0]!r} is no category of the taxonomy {taxonomy.name}")
    messages = tuple(_messages(read))
    turn = turn_acts(read.id, read.agent, read.id, (read.cwd,), (), messages)
    return LabelledTurn(turn, messages, read.labels, read.half)


def _messages(read: _Line) -> Iterable[Message]:
    yield Message("user", read.ask)
    for number, made in enumerate(read.calls):
        call = ToolCall(f"c{number}", made.tool, made.arguments)
        thought = read.thinks or None if number == 0 else None
        yield Message("assistant", origin="agent", calls=(call,), reasoning=thought)
        yield Message("tool", origin="tool", result=ToolResult(call.id, made.result, is_error=made.error))
    yield Message("assistant", read.says, "agent", reasoning=None if read.calls else read.thinks or None)
