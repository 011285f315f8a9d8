"""The settings of a run: one model, checked once; defaults < file < environment < flags. Secrets never stand here."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator

from harness.errors import ConfigError

RUNGS = ("recorded", "computed", "connector", "simulated")
AFFORDANCES = ("rollout", "repo", "calls", "connectors")
_ENVIRONMENT = "DEPLOYSIM_"


class RunConfig(BaseModel):
    """What decides the outcome of a run; its hash names the run, so the same settings resume it."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    candidate: str = "local"
    simulator: str = "local"
    api: Literal["chat", "responses"] = "chat"
    actions: Literal["auto", "native", "schema"] = "auto"
    rungs: tuple[str, ...] = RUNGS
    affordances: tuple[str, ...] = AFFORDANCES
    forcing: Literal["none", "free", "teacher"] = "none"
    lookup: bool = False
    approval: Literal["recorded", "always", "never", "model"] = "recorded"
    evidence_tokens: int | None = Field(default=None, ge=0)
    seed: int = 0
    samples: int = Field(default=1, ge=1)
    max_steps: int = Field(default=40, ge=1)
    max_seconds: float | None = Field(default=None, gt=0)
    max_rollout_tokens: int | None = Field(default=None, ge=1)
    temperature: float | None = None
    system_prompt: str | None = None
    context: int | None = Field(default=None, ge=512)

    @field_validator("rungs")
    @classmethod
    def _known_rungs(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        return _known(value, RUNGS)

    @field_validator("affordances")
    @classmethod
    def _known_affordances(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        return _known(value, AFFORDANCES)

    @property
    def identity_run(self) -> bool:
        """Whether recorded actions may be answered from their own record: no measurement."""
        return self.forcing != "none" and ("recorded" in self.rungs or "rollout" in self.affordances)


def _known(value: tuple[str, ...], names: tuple[str, ...]) -> tuple[str, ...]:
    unknown = [name for name in value if name not in names]
    if unknown:
        raise ValueError(f"{', '.join(unknown)}: not one of {', '.join(names)}")
    return tuple(name for name in names if name in value)


def resolve(
    flags: Mapping[str, Any], file: Path | None = None, environment: Mapping[str, str] | None = None
) -> RunConfig:
    """The settings from all sources; flags that are `None` were not given.

    Raises:
        ConfigError: a setting is unknown or does not fit.
    """
    values: dict[str, Any] = {}
    if file is not None:
        values.update(_from_file(file))
    for name in RunConfig.model_fields:
        given = (os.environ if environment is None else environment).get(_ENVIRONMENT + name.upper())
        if given is not None:
            values[name] = tuple(given.split(",")) if name in {"rungs", "affordances"} else given
    values.update({name: value for name, value in flags.items() if value is not None})
    try:
        return RunConfig(**values)
    except ValidationError as error:
        first = error.errors()[0]
        raise ConfigError(f"setting {'.'.join(map(str, first['loc']))}: {first['msg']}") from error


def _from_file(file: Path) -> dict[str, Any]:
    try:
        loaded = yaml.safe_load(file.read_text("utf-8"))
    except OSError as error:
        raise ConfigError(f"cannot read {file}: {error.strerror}") from error
    except yaml.YAMLError as error:
        raise ConfigError(f"{file} is no YAML: {str(error).splitlines()[0]}") from error
    if not isinstance(loaded, dict):
        raise ConfigError(f"{file} does not hold settings by name")
    return loaded
