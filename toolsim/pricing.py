"""What a model call costs, and what is known of hosted models by name (price, window, family). Pure over a data file.

The table ships as `data/models.json`, with the month it was made; another can be given. A model that it does not
name has no price: its cost is `None`, never 0.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from pathlib import Path

from pydantic import BaseModel, ConfigDict, NonNegativeFloat, PositiveInt, ValidationError

from toolsim.errors import ModelUnavailable
from toolsim.modeltypes import Usage

_DATED = re.compile(r"-(\d{4}-\d{2}-\d{2}|\d{8})$")
_FAMILIES = re.compile(
    r"(gpt-oss|gpt-\d+|o\d(?=$|-)|claude|gemini|gemma|qwen\d*(?:\.\d+)?|llama-?\d*|mistral|mixtral|codestral|devstral|"
    r"deepseek|phi-?\d*|grok|glm|kimi|command|starcoder\d*)"
)
_MILLION = 1_000_000


@dataclass(frozen=True, slots=True)
class KnownModel:
    """USD per million tokens (`cached` for prompt tokens read from cache) and the context window, if known."""

    input: float
    cached: float
    output: float
    context: int | None = None


class _Entry(BaseModel):
    model_config = ConfigDict(extra="forbid")
    input: NonNegativeFloat
    cached: NonNegativeFloat
    output: NonNegativeFloat
    context: PositiveInt | None = None


class _Table(BaseModel):
    model_config = ConfigDict(extra="forbid")
    version: int
    as_of: str
    unit: str = ""
    models: dict[str, _Entry]


PriceTable = Mapping[str, KnownModel]


@cache
def load_prices(path: Path | None = None) -> PriceTable:
    """The table that ships, or the one in `path` (same form).

    Raises:
        ModelUnavailable: the file cannot be read or is no price table.
    """
    try:
        text = path.read_text() if path is not None else (files("toolsim") / "data" / "models.json").read_text()
        table = _Table.model_validate(json.loads(text))
    except (OSError, ValueError, ValidationError) as error:
        raise ModelUnavailable(f"{path} is no price table: {str(error).splitlines()[0]}") from None
    return {name: KnownModel(e.input, e.cached, e.output, e.context) for name, e in table.models.items()}


def known_model(name: str, table: PriceTable | None = None) -> KnownModel | None:
    """The entry of a model by its exact name, or by its name without a release date at the end."""
    table = load_prices() if table is None else table
    return table.get(name) or table.get(_DATED.sub("", name))


def cost_of(usage: Usage, model: KnownModel | None) -> float | None:
    """USD for `usage`; `None` without a price."""
    if model is None:
        return None
    fresh = max(0, usage.prompt_tokens - usage.cached_tokens)
    return (
        fresh * model.input + usage.cached_tokens * model.cached + usage.completion_tokens * model.output
    ) / _MILLION


def family_of(name: str) -> str:
    """Maker and generation of a model, from its name: a judge of the same family as the simulator is marked."""
    bare = name.lower().rsplit("/", 1)[-1]
    found = _FAMILIES.search(bare)
    return found.group(1) if found else bare
