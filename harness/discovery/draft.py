"""Findings as drafts of taxonomy categories: a text for a person to finish, in the form of a taxonomy file. Pure."""

from __future__ import annotations

import re
from collections.abc import Sequence

import yaml

from harness.discovery.find import Finding
from toolsim.trajectory import JsonObject

_LONGEST_NAME = 40
_NO_NAME = re.compile(r"[^a-z0-9]+")


def draft_category(finding: Finding, taken: Sequence[str] = ()) -> JsonObject:
    """A category: a name that is not `taken`, a definition that says what was counted, examples of the finding.

    What it is worth and what it is not are left to the person: `severities` holds a mark to replace.
    """
    others = f", often with: {'; '.join(finding.others[:3])}" if finding.others else ""
    counted = f"{finding.candidate} turns of the candidate, {finding.baseline} of the baseline"
    return {
        "name": _free(_slug(finding.trait), taken),
        "title": finding.trait,
        "definition": f"TO BE WRITTEN. Turns marked by '{finding.trait}'{others} ({counted}).",
        "severities": {1: "TO BE DECIDED"},
        "positive": [example.passage for example in finding.examples],
        "negative": [],
    }


def dump_draft(findings: Sequence[Finding], name: str = "draft") -> str:
    """A taxonomy file of drafts, in the order of the findings."""
    categories: list[JsonObject] = []
    for finding in findings:
        categories.append(draft_category(finding, [str(c["name"]) for c in categories]))
    value = {"name": name, "categories": categories}
    return str(yaml.safe_dump(value, sort_keys=False, allow_unicode=True, width=120))


def _slug(trait: str) -> str:
    slug = _NO_NAME.sub("-", trait.lower()).strip("-")[:_LONGEST_NAME].rstrip("-")
    return slug if slug[:1].isalpha() else f"found-{slug}"[:_LONGEST_NAME].rstrip("-")


def _free(name: str, taken: Sequence[str]) -> str:
    if name not in taken:
        return name
    return next(n for at in range(2, len(taken) + 3) if (n := f"{name[: _LONGEST_NAME - 4]}-{at}") not in taken)
