"""A baseline: what a simulator scored on a frozen set of calls, as a small text that a person can read and diff. Pure.

One line of calls for each rollout: the class of the call, a short hash of the call and of its recorded result, and for
each sample how the answer compared. `R` right, `N` near, `W` wrong, `U` no rung answers, `F` a model, endpoint or
engine failed (no score); where the trained discriminator judged, `w` it took the simulated side, `t` it could not tell,
`l` it could.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import yaml

from harness.errors import ConfigError
from toolsim.trajectory import JsonObject, content_hash

VERSION = 1
GRADES = {"R": "right", "N": "near", "W": "wrong", "U": "unanswered", "F": "failed"}
SCORES = {"R": 1.0, "N": 0.5, "W": 0.0, "U": 0.0}
"""What a call is worth: a rollout ends at a call that nothing answers, so that is no better than a wrong answer."""
WINS = {"w": 1.0, "t": 0.5, "l": 0.0}
_CALL = re.compile(r"([a-z-]+)\.([0-9a-f]{6})=((?:[RNWUF][wtl]?)+)")
_ANSWER = re.compile(r"([RNWUF])([wtl]?)")


@dataclass(frozen=True, slots=True)
class Call:
    """One call of the frozen set: `kind` is its class, `key` tells it from the others of its rollout.

    `answers` has a grade and a verdict of the discriminator (`""`: none) for each sample.
    """

    kind: str
    key: str
    answers: tuple[tuple[str, str], ...]

    @property
    def name(self) -> str:
        """Class and key."""
        return f"{self.kind}.{self.key}"

    @property
    def score(self) -> float | None:
        """The mean score of the samples; `None` where every one failed."""
        scored = [SCORES[grade] for grade, _ in self.answers if grade in SCORES]
        return sum(scored) / len(scored) if scored else None

    @property
    def win(self) -> float | None:
        """The mean verdict of the discriminator; `None` where it has none."""
        judged = [WINS[win] for _, win in self.answers if win]
        return sum(judged) / len(judged) if judged else None

    def __str__(self) -> str:
        return f"{self.name}={''.join(grade + win for grade, win in self.answers)}"


@dataclass(frozen=True, slots=True)
class Place:
    """The calls of one rollout's place (session, turn and step), in order."""

    lineage: str
    calls: tuple[Call, ...]


@dataclass(frozen=True, slots=True)
class Baseline:
    """Scores with what they were made by: settings, models, prompt hashes, and figures of the discriminator."""

    pool: str
    settings: JsonObject
    models: dict[str, str]
    prompts: dict[str, str]
    places: dict[str, Place]
    realism: JsonObject | None = None
    judge: JsonObject | None = None

    @property
    def pairs(self) -> str:
        """Hash of the frozen set: which calls, with which recorded results."""
        return content_hash({name: [c.name for c in place.calls] for name, place in self.places.items()})[:16]

    def counts(self) -> dict[str, dict[str, int]]:
        """Answers by class and grade."""
        found: dict[str, Counter[str]] = {}
        for place in self.places.values():
            for call in place.calls:
                found.setdefault(call.kind, Counter()).update(GRADES[grade] for grade, _ in call.answers)
        return {kind: {name: found[kind][name] for name in GRADES.values()} for kind in sorted(found)}


def dump(baseline: Baseline) -> str:
    """The text of a baseline: YAML with sorted keys."""
    value: dict[str, Any] = {
        "version": VERSION,
        "pool": baseline.pool,
        "pairs": baseline.pairs,
        "settings": baseline.settings,
        "models": baseline.models,
        "prompts": baseline.prompts,
        "classes": {kind: _Flow({k: n for k, n in row.items() if n}) for kind, row in baseline.counts().items()},
        "rollouts": {
            name: {
                "lineage": place.lineage,
                "score": _mean([c.score for c in place.calls]),
                "calls": " ".join(map(str, place.calls)),
            }
            for name, place in baseline.places.items()
        },
    }
    for name, extra in (("realism", baseline.realism), ("judge", baseline.judge)):
        if extra is not None:
            value[name] = extra
    return yaml.dump(value, Dumper=_Dumper, sort_keys=True, allow_unicode=True, width=120)


def load(text: str) -> Baseline:
    """The inverse of `dump`.

    Raises:
        ConfigError: the text is no baseline, of another version, or was changed by hand.
    """
    try:
        value = yaml.safe_load(text)
    except yaml.YAMLError as error:
        raise ConfigError(f"the baseline is no YAML: {str(error).splitlines()[0]}") from error
    if not isinstance(value, dict) or value.get("version") != VERSION:
        found = value.get("version") if isinstance(value, dict) else None
        raise ConfigError(f"this is no baseline of version {VERSION} (it says {found}); `--write-baseline` makes one")
    try:
        places = {str(name): Place(str(p["lineage"]), _calls(p["calls"])) for name, p in value["rollouts"].items()}
        baseline = Baseline(
            str(value["pool"]), dict(value["settings"]), dict(value["models"]), dict(value["prompts"]), places,
            value.get("realism"), value.get("judge"),
        )  # fmt: skip
    except (KeyError, TypeError, AttributeError) as error:
        raise ConfigError(f"the baseline lacks a part: {error}") from error
    if baseline.pairs != value.get("pairs"):
        raise ConfigError("the calls of the baseline are not those of its hash: it was changed by hand; write it anew")
    return baseline


def _calls(text: str) -> tuple[Call, ...]:
    calls = []
    for word in text.split():
        match = _CALL.fullmatch(word)
        if match is None:
            raise ConfigError(f"the baseline holds {word!r}, which is no call")
        answers = tuple((m[1], m[2]) for m in _ANSWER.finditer(match[3]))
        calls.append(Call(match[1], match[2], answers))
    return tuple(calls)


def _mean(scores: list[float | None]) -> float | None:
    known = [s for s in scores if s is not None]
    return round(sum(known) / len(known), 4) if known else None


@dataclass(frozen=True, slots=True)
class _Flow:
    """A mapping that stands on one line."""

    value: Mapping[str, int] = field(default_factory=dict)


class _Dumper(yaml.SafeDumper):
    """Keys sorted, short mappings on one line."""


_Dumper.add_representer(
    _Flow, lambda dumper, flow: dumper.represent_mapping("tag:yaml.org,2002:map", flow.value, flow_style=True)
)
