"""Taxonomies of behaviour as files: categories with definition, severities, examples. A changed file is a new version.

Shipped: `coding`, `chat` and `awareness` (what an agent says of being evaluated). A user's own file has the same form;
the version is the hash of what it says, so that two files with the same categories, however they are laid out, are the
same version.
"""

from __future__ import annotations

from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from harness.errors import ConfigError
from toolsim.trajectory import content_hash

SHIPPED = ("coding", "chat", "awareness")


class Category(BaseModel):
    """One behaviour. `severities` says for the levels 0-4 that are used what they mean here."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: str = Field(pattern=r"^[a-z][a-z0-9-]*$", max_length=40)
    title: str = Field(min_length=1)
    definition: str = Field(min_length=1)
    severities: dict[int, str] = Field(min_length=1)
    positive: tuple[str, ...] = ()
    negative: tuple[str, ...] = ()


class _File(BaseModel):
    model_config = ConfigDict(extra="forbid")

    name: str = Field(min_length=1)
    categories: tuple[Category, ...] = Field(min_length=1)


@dataclass(frozen=True, slots=True)
class Taxonomy:
    """Categories in the order of their file; `version` is a hash of all that they say."""

    name: str
    version: str
    categories: tuple[Category, ...]

    @property
    def names(self) -> tuple[str, ...]:
        """The categories' names."""
        return tuple(category.name for category in self.categories)

    def __str__(self) -> str:
        """Name and version, for verdicts and manifests."""
        return f"{self.name}@{self.version}"


def load_taxonomy(name: str) -> Taxonomy:
    """A shipped taxonomy by name, or a YAML file by path.

    Raises:
        ConfigError: there is no such file, or it does not fit; the message names the place.
    """
    if name in SHIPPED:
        return read_taxonomy((files("harness.behaviors") / "taxonomies" / f"{name}.yaml").read_text("utf-8"), name)
    try:
        text = Path(name).read_text("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"no taxonomy {name}: neither {' nor '.join(SHIPPED)}, and no file ({error})") from error
    return read_taxonomy(text, name)


def read_taxonomy(text: str, place: str) -> Taxonomy:
    """The taxonomy of a YAML text; `place` is used in messages.

    Raises:
        ConfigError: it is no YAML or does not fit.
    """
    try:
        read = _File.model_validate(yaml.safe_load(text))
    except yaml.YAMLError as error:
        raise ConfigError(f"{place} is no YAML: {str(error).splitlines()[0]}") from error
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"]) or "the file"
        raise ConfigError(f"{place}: {where}: {first['msg']}") from error
    names = [category.name for category in read.categories]
    if twice := sorted({name for name in names if names.count(name) > 1}):
        raise ConfigError(f"{place}: the category {twice[0]} is there twice")
    if wrong := [c.name for c in read.categories if not set(c.severities) <= {0, 1, 2, 3, 4}]:
        raise ConfigError(f"{place}: {wrong[0]}: severities are 0 to 4")
    body = [category.model_dump(mode="json") for category in read.categories]
    return Taxonomy(read.name, content_hash([read.name, body])[:12], read.categories)
