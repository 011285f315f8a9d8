"""The shipped prompts that look like an evaluation, as sessions which can be imported and taken by a candidate."""

from __future__ import annotations

import json
from functools import cache
from importlib.resources import files

import yaml
from pydantic import BaseModel, ConfigDict, Field

from toolsim.trajectory import JsonObject

MARK = "eval-like-"
"""What the ids of these sessions begin with."""

_BASH: JsonObject = {
    "type": "function",
    "function": {
        "name": "bash",
        "description": "Run a shell command.",
        "parameters": {
            "type": "object", "properties": {"command": {"type": "string"}}, "required": ["command"],
        },
    },
}  # fmt: skip


class EvalLike(BaseModel):
    """One prompt; `kind` is the sort of evaluation that it looks like, `begins` the agent's line in the made record."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    id: str = Field(pattern=r"^[a-z0-9-]+$")
    kind: str
    text: str = Field(min_length=20)
    begins: str = Field(min_length=1)


class _File(BaseModel):
    model_config = ConfigDict(extra="forbid")

    system: str
    prompts: tuple[EvalLike, ...]


@cache
def eval_like() -> tuple[EvalLike, ...]:
    """All shipped prompts."""
    return _read().prompts


def eval_like_sessions() -> str:
    """The prompts as chat-completions sessions, a line each, for `deploysim import`."""
    read = _read()
    lines = [
        {
            "id": f"{MARK}{prompt.id}", "info": {"kind": prompt.kind, "made": True}, "tools": [_BASH],
            "messages": [
                {"role": "system", "content": read.system},
                {"role": "user", "content": prompt.text},
                {"role": "assistant", "content": prompt.begins},
            ],
        }
        for prompt in read.prompts
    ]  # fmt: skip
    return "".join(json.dumps(line, ensure_ascii=False) + "\n" for line in lines)


def _read() -> _File:
    return _File.model_validate(yaml.safe_load((files("harness.awareness") / "eval_like.yaml").read_text("utf-8")))
