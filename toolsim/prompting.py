"""Prompts: Jinja files of a package's `prompts` folder, rendered strictly and named by the hash of their source."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from itertools import count
from types import MappingProxyType
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined, meta

from toolsim.window import unframed

_NONE: Mapping[str, str] = MappingProxyType({})


@dataclass(frozen=True, slots=True)
class Prompt:
    """A rendered prompt; `hash` is that of the template (and what it includes), not of the text."""

    text: str
    hash: str


def render(name: str, /, package: str = "toolsim", **variables: Any) -> Prompt:
    """Render `<package>/prompts/<name>.j2`.

    Raises:
        jinja2.UndefinedError: the template uses a variable that was not given.
        jinja2.TemplateNotFound: there is no such prompt.
    """
    text = _environment(package).get_template(f"{name}.j2").render(**variables)
    return Prompt(text, prompt_hash(name, package))


@cache
def prompt_hash(name: str, package: str = "toolsim") -> str:
    """The first 16 hex digits of the SHA-256 over the template's source and that of all it includes."""
    environment = _environment(package)
    digest, waiting, seen = hashlib.sha256(), [f"{name}.j2"], set[str]()
    while waiting:
        template = waiting.pop()
        if template in seen:
            continue
        seen.add(template)
        source, _, _ = _source(environment, template)
        digest.update(f"{template}\0{source}\0".encode())
        references = meta.find_referenced_templates(environment.parse(source))
        waiting += sorted(reference for reference in references if reference is not None)
    return digest.hexdigest()[:16]


def _source(environment: Environment, template: str) -> tuple[str, str | None, Any]:
    assert environment.loader is not None
    return environment.loader.get_source(environment, template)


def tagged(tag: str, text: str, beside: Mapping[str, str] = _NONE) -> str:
    """A text as quoted data: between tags of this name, or with a number behind it (`turn-2`) where the text itself
    holds such an end tag, so that nothing in a text ends its own quotation. The text stays as it is.

    `beside` are other texts by tag that have to get the same number, as the two sides of a comparison.
    """
    quoted = {**beside, tag: text}
    for number in count(1):
        suffix = "" if number == 1 else f"-{number}"
        end = re.compile(rf"<\s*/\s*(?:{'|'.join(map(re.escape, quoted))}){suffix}\b(?!-)")
        if not any(end.search(each) for each in quoted.values()):
            break
    return f"<{tag}{suffix}>\n{text}\n</{tag}{suffix}>"


@cache
def _environment(package: str) -> Environment:
    environment = Environment(
        loader=PackageLoader(package, "prompts"),
        undefined=StrictUndefined,
        autoescape=False,  # prompts are text, not HTML
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.globals["tagged"] = tagged
    environment.filters["unframed"] = unframed
    return environment


def prompt_hashes(*packages: str) -> dict[str, str]:
    """The hash of every prompt of the packages, by `package/name`: an input of a run.

    They are compiled on the way: with the first rendering each would hold an event loop for some 20 ms.
    """
    found: dict[str, str] = {}
    for package in packages or ("toolsim",):
        for template in _environment(package).list_templates(extensions=["j2"]):
            _environment(package).get_template(template)
            name = template.removesuffix(".j2")
            found[f"{package}/{name}"] = prompt_hash(name, package)
    return found
