"""A frozen forecast as a value and as a text signed by its hash. Pure.

The hash is SHA-256 of the canonical JSON of the record. It proves that a record is the one whose hash was announced; it
does not prove who wrote it or when, so announce it (a commit, a message) before the traffic comes.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from typing import Any, Literal, TypeAlias

from pydantic import ConfigDict, TypeAdapter, ValidationError
from pydantic.dataclasses import dataclass as checked

from harness.errors import ConfigError
from toolsim.trajectory import JsonObject, canonical_json, content_hash

VERSION = 1
Method: TypeAlias = Literal["uncorrected", "corrected", "previous", "challenging"]
METHODS: tuple[Method, ...] = ("uncorrected", "corrected", "previous", "challenging")
"""`previous` is the naive baseline: the recorded rate of the old model. `challenging`: the candidate's rate on prompts
chosen to be hard."""
STACK = ("taxonomy", "graders")
"""What of `about` must be the same when a record is scored."""
_STRICT = ConfigDict(extra="forbid", strict=True)


@checked(frozen=True, slots=True, config=_STRICT)
class Predicted:
    """One method's rate: the smoothed point, what is known of it as Beta(`alpha`, `beta`), and its interval."""

    rate: float
    alpha: float
    beta: float
    low: float
    high: float


@checked(frozen=True, slots=True, config=_STRICT)
class Prediction:
    """One category and severity threshold. `icc` is how alike turns of one lineage are in the candidate's sample."""

    category: str
    threshold: int
    events: int
    turns: int
    icc: float
    methods: dict[str, Predicted]


@checked(frozen=True, slots=True, config=_STRICT)
class Record:
    """Everything that is fixed before the traffic comes.

    `stacks` says for each side (candidate, recorded, self, challenging) what made and graded it; `sample` its turns,
    `lineages` from how many, `missing` how many more have no grade; `mover` is the ratio from which a category counts
    as moved.
    """

    version: int
    name: str
    created_at: float
    headline: Literal["uncorrected", "corrected"]
    confidence: float
    mover: float
    seed: int
    stacks: dict[str, JsonObject]
    sample: dict[str, list[str]]
    lineages: dict[str, int]
    missing: dict[str, int]
    predictions: list[Prediction]

    @property
    def stack(self) -> JsonObject:
        """What the observed traffic has to be graded by."""
        return {name: self.stacks["candidate"].get(name) for name in STACK}


@dataclass(frozen=True, slots=True)
class Frozen:
    """A record with its hash."""

    record: Record
    sha256: str

    @property
    def id(self) -> str:
        """The name of the record in a store."""
        return self.sha256[:16]


_RECORD: TypeAdapter[Record] = TypeAdapter(Record)


def seal(record: Record) -> Frozen:
    """The record with the hash of its canonical JSON."""
    return Frozen(record, content_hash(asdict(record)))


def dump_record(frozen: Frozen) -> str:
    """The text of a frozen record, one line; `load_record` is its inverse."""
    return canonical_json({"record": asdict(frozen.record), "sha256": frozen.sha256}) + "\n"


def load_record(text: str, name: str) -> Frozen:
    """Read a frozen record and check its hash; `name` is used in messages.

    Raises:
        ConfigError: it is no record, of another version, or its content is not what the hash was made of.
    """
    try:
        value: Any = json.loads(text)
    except ValueError as error:
        raise ConfigError(f"{name} is no forecast: {error}") from error
    if not isinstance(value, dict) or set(value) != {"record", "sha256"}:
        raise ConfigError(f"{name} is no forecast: it has to hold a record and its sha256")
    found = content_hash(value["record"])
    if found != value["sha256"]:
        raise ConfigError(f"{name} was changed after it was frozen: its content has the hash {found[:16]}, "
                          f"it was frozen with {str(value['sha256'])[:16]}")  # fmt: skip
    if isinstance(value["record"], dict) and value["record"].get("version") != VERSION:
        raise ConfigError(
            f"{name} is a forecast of version {value['record'].get('version')}, this program reads {VERSION}"
        )
    try:
        return Frozen(_RECORD.validate_json(json.dumps(value["record"])), found)
    except ValidationError as error:
        first = error.errors()[0]
        raise ConfigError(f"{name}: {'.'.join(map(str, first['loc']))}: {first['msg']}") from error
