"""The settings of a run: one model, checked once; defaults < file < environment < flags. Secrets never stand here."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator

from harness.errors import ConfigError
from toolsim.shell.userland import Image

RUNGS = ("recorded", "computed", "connector", "simulated")
AFFORDANCES = ("rollout", "repo", "calls", "connectors")
_ENVIRONMENT = "DEPLOYSIM_"
_FORCED = {
    "forcing": "teacher",
    "rungs": tuple(name for name in RUNGS if name != "recorded"),
    "affordances": tuple(name for name in AFFORDANCES if name != "rollout"),
}


class RunConfig(BaseModel):
    """What decides the outcome of a run; the hash of what differs from the defaults names it, so the same
    settings resume it.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    candidate: str = "local"
    simulator: str = "local"
    api: Literal["chat", "responses"] = "chat"
    actions: Literal["auto", "native", "schema"] = "auto"
    rungs: tuple[str, ...] = RUNGS
    affordances: tuple[str, ...] = AFFORDANCES
    forcing: Literal["none", "free", "teacher"] = "none"
    lookup: bool = False
    shell: Literal["auto", "both", "sandbox", "bashkit", "container", "none"] = "auto"
    image: str | None = None
    execute: tuple[str, ...] = ()
    approval: Literal["recorded", "always", "never", "model"] = "recorded"
    evidence_tokens: int | None = Field(default=None, ge=0)
    history_tokens: int | None = Field(default=None, ge=0)
    seed: int = 0
    max_steps: int = Field(default=40, ge=1)
    max_seconds: float | None = Field(default=None, gt=0)
    max_rollout_tokens: int | None = Field(default=None, ge=1)
    temperature: float | None = None
    system_prompt: str | None = None
    context: int | None = Field(default=None, ge=512)
    critic: int = Field(default=0, ge=0)
    mcp_servers: tuple[str, ...] = ()
    connector_now: bool = False
    deidentify: Literal["auto", "on", "off"] = "auto"
    keep_prompts: bool = True
    reply_cache: str | None = None

    @field_validator("rungs", "affordances", "execute", mode="before")
    @classmethod
    def _listed(cls, value: Any) -> Any:
        """Comma separated text, as flags and the environment have it; `none` is nothing."""
        if isinstance(value, str):
            return () if value.strip() in {"none", ""} else tuple(part.strip() for part in value.split(","))
        return value

    @field_validator("mcp_servers", mode="before")
    @classmethod
    def _lines(cls, value: Any) -> Any:
        """One server a line, as the environment has them."""
        return tuple(line for line in value.splitlines() if line.strip()) if isinstance(value, str) else value

    @field_validator("reply_cache")
    @classmethod
    def _off(cls, value: str | None) -> str | None:
        """A file, or `off`."""
        return None if value == "off" else value

    @field_validator("rungs")
    @classmethod
    def _known_rungs(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        return _known(value, RUNGS)

    @field_validator("affordances")
    @classmethod
    def _known_affordances(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        return _known(value, AFFORDANCES)

    @model_validator(mode="after")
    def _forced_as_recorded(self) -> RunConfig:
        if (self.candidate == "recorded") != (self.forcing != "none"):
            raise ValueError("recorded actions need forcing free or teacher, and a candidate of its own needs none")
        return self

    @model_validator(mode="after")
    def _contained(self) -> RunConfig:
        if (self.image is not None) != (self.shell == "container"):
            raise ValueError("an image belongs to shell container, and containers need one")
        if self.execute and self.image is None:
            raise ValueError("programs are executed in containers only (shell container)")
        return self

    @property
    def container(self) -> Image | None:
        """The image of the containers that shell commands run in."""
        return None if self.image is None else Image(self.image, self.execute)

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

    With recorded actions the record is taken in after each answer, and the reference answers nothing, unless said
    otherwise: there the defaults are forcing `teacher`, and all rungs and affordances but `recorded` and `rollout`.

    Raises:
        ConfigError: a setting is unknown or does not fit.
    """
    values: dict[str, Any] = {}
    if file is not None:
        values.update(_from_file(file))
    for name in RunConfig.model_fields:
        given = (os.environ if environment is None else environment).get(_ENVIRONMENT + name.upper())
        if given is not None:
            values[name] = given
    values.update({name: value for name, value in flags.items() if value is not None})
    own = _FORCED if values.get("candidate") == "recorded" else {}
    try:
        return RunConfig.model_validate({**own, **values})
    except ValidationError as error:
        first = error.errors()[0]
        where = "setting " + ".".join(map(str, first["loc"])) if first["loc"] else "settings"
        raise ConfigError(f"{where}: {first['msg'].removeprefix('Value error, ')}") from error


def _from_file(file: Path) -> dict[str, Any]:
    try:
        loaded = yaml.safe_load(file.read_text("utf-8"))
    except OSError as error:
        raise ConfigError(f"cannot read {file}: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise ConfigError(f"{file} is no UTF-8 text") from error
    except yaml.YAMLError as error:
        raise ConfigError(f"{file} is no YAML: {str(error).splitlines()[0]}") from error
    if not isinstance(loaded, dict):
        raise ConfigError(f"{file} does not hold settings by name")
    return loaded
